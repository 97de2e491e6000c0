"""Reading the manifests, and checking an overlay where there is no kubectl to render it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BASE = ROOT / "k8s" / "base"
OVERLAYS = sorted(path.parent for path in (ROOT / "k8s" / "overlays").glob("*/kustomization.yaml"))
KUSTOMIZATION = "kustomization.yaml"

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    """Return the YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def kustomization(folder: Path) -> Manifest:
    """Return a folder's kustomization."""
    (document,) = documents(folder / KUSTOMIZATION)
    return document


def resources(folder: Path) -> list[Manifest]:
    """Return what a kustomization lists, with the resources of the folders it builds on."""
    found: list[Manifest] = []
    for entry in kustomization(folder)["resources"]:
        path = (folder / entry).resolve()
        found += resources(path) if path.is_dir() else documents(path)
    return found


def only(manifests: list[Manifest], kind: str, name: str = "relay") -> Manifest:
    """Return the one manifest of that kind and name."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def container(manifest: Manifest) -> Manifest:
    """Return the one container of a Deployment."""
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)


def settings(folder: Path) -> dict[str, str]:
    """Return the literals of a kustomization's `relay-config`."""
    (config,) = [
        each for each in kustomization(folder)["configMapGenerator"] if each["name"] == "relay-config"
    ]
    return dict(literal.split("=", 1) for literal in config["literals"])


def patches(folder: Path) -> Iterator[tuple[str, Manifest]]:
    """Yield each patch of a kustomization with where it stands: a file's name, or `inline`."""
    for patch in kustomization(folder).get("patches", []):
        if "path" in patch:
            yield from ((patch["path"], document) for document in documents(folder / patch["path"]))
        else:
            yield "inline", yaml.safe_load(patch["patch"])


def misdirected(folder: Path) -> list[str]:
    """Name what an overlay's patches, counts and replaced generators aim at but its resources lack."""
    known = resources(folder)
    targets = {(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in known}
    faults = []
    for where, patch in patches(folder):
        target = patch["apiVersion"], patch["kind"], patch["metadata"]["name"]
        if target not in targets:
            faults.append(f"{where}: no {' '.join(target)}")
        elif patch["kind"] == "Deployment":
            faults += [f"{where}: {fault}" for fault in _unmatched(patch, only(known, *target[1:]))]
    scalable = {name for _, kind, name in targets if kind == "Deployment"}
    counts = kustomization(folder).get("replicas", [])
    faults += [
        f"replicas: no Deployment {count['name']}" for count in counts if count["name"] not in scalable
    ]
    generated = {name for below in _folders(folder) for name in _generated(below)}
    replacing = [each for each in kustomization(folder).get("configMapGenerator", []) if "behavior" in each]
    faults += [
        f"configMapGenerator: no {each['name']}" for each in replacing if each["name"] not in generated
    ]
    return faults


def _unmatched(patch: Manifest, target: Manifest) -> Iterator[str]:
    """Yield the list items of a Deployment patch that merge with nothing, or delete what is not there."""
    changes, there = patch["spec"]["template"]["spec"], target["spec"]["template"]["spec"]
    containers = {each["name"]: each for each in there["containers"]}
    for change in changes.get("containers", []):
        if change["name"] not in containers:
            yield f"no container {change['name']}"
            continue
        mounts = {mount["mountPath"] for mount in containers[change["name"]].get("volumeMounts", [])}
        for mount in change.get("volumeMounts", []):
            if "$patch" in mount and mount["mountPath"] not in mounts:
                yield f"no mount {mount['mountPath']}"
    volumes = {volume["name"] for volume in there.get("volumes", [])}
    for volume in changes.get("volumes", []):
        if "$patch" in volume and volume["name"] not in volumes:
            yield f"no volume {volume['name']}"


def _folders(folder: Path) -> Iterator[Path]:
    for entry in kustomization(folder)["resources"]:
        if (path := (folder / entry).resolve()).is_dir():
            yield path
            yield from _folders(path)


def _generated(folder: Path) -> list[str]:
    return [each["name"] for each in kustomization(folder).get("configMapGenerator", [])]
