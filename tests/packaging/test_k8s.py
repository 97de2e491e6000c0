from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from relay.settings import Settings
from tests.packaging import manifests
from tests.packaging.manifests import BASE, OVERLAYS, ROOT, container, kustomization, only, settings

FILES = sorted(
    path
    for path in (ROOT / "k8s").rglob("*.yaml")
    if path.name != manifests.KUSTOMIZATION and not path.name.endswith(".patch.yaml")
)
KUSTOMIZE = {
    *("apiVersion", "kind", "resources", "labels", "replicas", "images", "patches"),
    *("configMapGenerator", "secretGenerator"),
}
"""Fields of a kustomization that are used here: misspelt, one would be refused only as it is applied."""
CLEAN_UP = 10
"""Seconds a stopping process has after its drain: leases, the store's connections, and a margin."""

OURS = manifests.resources(BASE)
DEPLOYMENT = only(OURS, "Deployment")
POD = DEPLOYMENT["spec"]["template"]["spec"]


def valid(document: dict[str, Any]) -> None:
    """Raise unless the newest schemas know every field of the object."""
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def named(path: Path) -> str:
    """Name a parametrised test by its path in the project."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_each_file_holds_valid_objects(path: Path) -> None:
    """Every manifest obeys the published schemas, misspelt fields included."""
    for document in manifests.documents(path):
        valid(document)


def test_a_misspelt_field_is_refused() -> None:
    """The validation is strict: a field no schema knows is an error, not a comment."""
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        valid(
            {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "livenesProbe": {}}]}}
        )


def test_each_file_is_used() -> None:
    """No manifest lies about that no kustomization lists."""
    folders = [BASE, *OVERLAYS]
    listed = {folder / entry for folder in folders for entry in kustomization(folder)["resources"]}
    assert set(FILES) <= listed


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_each_patch_meets_its_target(overlay: Path) -> None:
    """Whatever an overlay changes or removes is there to be changed or removed."""
    assert manifests.misdirected(overlay) == []


def test_a_patch_without_target_is_found(tmp_path: Path) -> None:
    """The check without kubectl sees a patch, a count and a generator that aim at nothing."""
    (tmp_path / "base").symlink_to(BASE)
    overlay = tmp_path / "overlays" / "broken"
    overlay.mkdir(parents=True)
    gone = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gone"}}
    volumes = {"template": {"spec": {"volumes": [{"name": "sand", "$patch": "delete"}]}}}
    (overlay / "volume.patch.yaml").write_text(
        yaml.safe_dump({**gone, "metadata": {"name": "relay"}, "spec": volumes})
    )
    broken = {
        "resources": ["../../base"],
        "patches": [{"patch": yaml.safe_dump(gone)}, {"path": "volume.patch.yaml"}],
        "replicas": [{"name": "gone", "count": 1}],
        "configMapGenerator": [{"name": "gone-config", "behavior": "merge"}],
    }
    (overlay / manifests.KUSTOMIZATION).write_text(yaml.safe_dump(broken))
    assert manifests.misdirected(overlay) == [
        "inline: no apps/v1 Deployment gone",
        "volume.patch.yaml: no volume sand",
        "replicas: no Deployment gone",
        "configMapGenerator: no gone-config",
    ]


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=named)
def test_each_kustomization_says_what_kustomize_knows(folder: Path) -> None:
    """Its fields exist, what it lists is there and holds objects, what it generates has names and values."""
    said = kustomization(folder)
    assert (said["apiVersion"], said["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    assert set(said) <= KUSTOMIZE
    for entry in said["resources"]:
        path = folder / entry
        listed = manifests.resources(path) if path.is_dir() else manifests.documents(path)
        assert listed
        assert all({"apiVersion", "kind", "metadata"} <= set(each) for each in listed)
    assert all({"apiVersion", "kind", "metadata"} <= set(patch) for _, patch in manifests.patches(folder))
    for generator in (*said.get("configMapGenerator", ()), *said.get("secretGenerator", ())):
        assert set(generator) <= {"name", "behavior", "literals"}
        assert all(re.fullmatch(r"[\w.-]+=.+", literal) for literal in generator["literals"])


if shutil.which("kubectl"):  # in addition: Debian 12 has one that is too old to render these, or none

    @pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=named)
    def test_each_kustomization_renders_to_valid_objects(folder: Path) -> None:
        """What `kubectl apply -k` would send is valid as a whole."""
        done = subprocess.run(
            ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        rendered = list(yaml.safe_load_all(done.stdout))
        assert len(rendered) >= 5
        for document in rendered:
            valid(document)
        pod = only(rendered, "Deployment")["spec"]["template"]["spec"]
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_selectors_match_the_pods() -> None:
    """Service, budget, policy and spread select the pods the Deployment makes; the autoscaler scales it."""
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        only(OURS, "Service")["spec"]["selector"],
        only(OURS, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(OURS, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in POD["topologySpreadConstraints"]),
    ):
        assert selector
        assert selector.items() <= labels
    assert (
        only(OURS, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
        == DEPLOYMENT["metadata"]["name"]
    )
    assert only(OURS, "ServiceAccount")["metadata"]["name"] == POD["serviceAccountName"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=named)
def test_an_overlay_s_services_select_its_pods(overlay: Path) -> None:
    """Every Service of an overlay finds exactly one Deployment's pods, on a port they open by that name."""
    everything = manifests.resources(overlay)
    for service in (each for each in everything if each["kind"] == "Service"):
        (behind,) = [
            each
            for each in everything
            if each["kind"] == "Deployment"
            and service["spec"]["selector"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        opened = {port["name"] for port in container(behind)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= opened


def test_ports_are_named_once_and_used_by_name() -> None:
    """Probes, Ingress and policy name ports that exist, and the Ingress leads to the public one only."""
    opened = {port["name"]: port["containerPort"] for port in container(DEPLOYMENT)["ports"]}
    config = Settings.from_environment(settings(BASE))
    assert opened == {"http": config.bind.port, "admin": config.admin_bind.port}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(DEPLOYMENT)[probe]["httpGet"]["port"] == "admin"
    (rule,) = only(OURS, "Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "relay", "port": {"name": "http"}}
    allowed = {
        port["port"] for rule in only(OURS, "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]
    }
    assert allowed == set(opened)


def test_only_readiness_asks_the_store() -> None:
    """A store that blinks takes pods out of service; it never restarts them."""
    paths = {
        name: probe["httpGet"]["path"]
        for name, probe in container(DEPLOYMENT).items()
        if name.endswith("Probe")
    }
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=named)
def test_the_configuration_is_one_relay_accepts(folder: Path) -> None:
    """Each key of the ConfigMap is a setting, each value can be used, and the sources do not overlap."""
    config = settings(folder)
    Settings.from_environment(config)
    extra = {variable["name"] for variable in container(DEPLOYMENT)["env"]}
    assert extra <= set(Settings.names())
    assert not extra & set(config)


def test_service_links_are_off() -> None:
    """Kubernetes adds no RELAY_PORT to the environment: relay would refuse it as an unknown setting."""
    assert POD["enableServiceLinks"] is False


def test_the_directory_is_where_the_setting_says() -> None:
    """RELAY_DIRECTORY names a file below the mounted Secret."""
    directory = Settings.from_environment(settings(BASE)).directory
    (mount,) = [each for each in container(DEPLOYMENT)["volumeMounts"] if each["name"] == "directory"]
    assert directory is not None
    assert str(directory.parent) == mount["mountPath"]
    assert f"`{directory.name}`" in (ROOT / "k8s" / "README.md").read_text()


def test_the_grace_period_covers_the_drain() -> None:
    """A pod is not killed while it drains: pause, handlers ending, handlers being cancelled, clean-up."""
    pause = container(DEPLOYMENT)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = Settings.from_environment(settings(BASE)).drain_timeout
    assert POD["terminationGracePeriodSeconds"] >= pause + 2 * drain + CLEAN_UP


def test_a_rollout_never_takes_the_last_pods() -> None:
    """Disruption budget, autoscaler and rollout together always leave pods that serve."""
    budget = only(OURS, "PodDisruptionBudget")["spec"]["maxUnavailable"]
    assert only(OURS, "HorizontalPodAutoscaler")["spec"]["minReplicas"] > budget
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in DEPLOYMENT["spec"]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_images_are_pinned_and_pods_restricted(path: Path) -> None:
    """No image floats, and every pod meets the restricted Pod Security standard."""
    for deployment in (each for each in manifests.documents(path) if each["kind"] == "Deployment"):
        pod, it = deployment["spec"]["template"]["spec"], container(deployment)
        _, _, tag = it["image"].partition(":")
        assert tag not in {"", "latest"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert it["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in it["resources"]["limits"]


def test_every_secret_is_explained() -> None:
    """The README names each Secret and key the manifests expect to find."""
    text = (ROOT / "k8s" / "README.md").read_text()
    names = [entry["secretName"] for entry in only(OURS, "Ingress")["spec"]["tls"]]
    names += [volume["secret"]["secretName"] for volume in POD["volumes"] if "secret" in volume]
    for variable in container(DEPLOYMENT)["env"]:
        reference = variable["valueFrom"]["secretKeyRef"]
        names += [reference["name"], reference["key"]]
    assert all(f"`{name}`" in text for name in names)


def test_webhooks_cannot_reach_into_the_cluster() -> None:
    """Egress to addresses excludes the private, link-local, shared and loopback ranges."""
    rules = only(OURS, "NetworkPolicy")["spec"]["egress"]
    blocks = [to["ipBlock"] for rule in rules for to in rule["to"] if "ipBlock" in to]
    excepted = {network for block in blocks for network in block["except"]}
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "2000::/3"}
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    assert private | {"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"} <= excepted
