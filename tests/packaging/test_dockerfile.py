from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from relay.settings import Settings
from tests.packaging import manifests
from tests.packaging.manifests import BASE, ROOT, container, only, settings

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
RUNTIME = DOCKERFILE.partition(" AS runtime")[2]


def instruction(name: str) -> str:
    """Return the argument of the runtime stage's one such instruction."""
    (found,) = re.findall(rf"^{name} +(.+)$", RUNTIME, re.MULTILINE)
    return str(found).strip()


def environment() -> dict[str, str]:
    """Return what the image sets for relay."""
    return dict(re.findall(r"(RELAY_\w+)=(\S+)", instruction("ENV")))


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile, and the shell in it, follow the linter's rules without an exception."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE


def test_the_user_is_the_one_the_pod_runs_as() -> None:
    """The image's user is numeric, not root, and the same as the Deployment's."""
    pod = only(manifests.resources(BASE), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert instruction("USER") == f"{pod['runAsUser']}:{pod['runAsGroup']}" == "10001:10001"
    assert f"--uid {pod['runAsUser']} --gid {pod['runAsGroup']}" in RUNTIME


def test_the_exposed_ports_are_those_relay_listens_on() -> None:
    """EXPOSE, the settings of image and manifests, and the pod's ports tell of the same two ports."""
    image, pod = Settings.from_environment(environment()), Settings.from_environment(settings(BASE))
    exposed = [int(port) for port in instruction("EXPOSE").split()]
    assert exposed == [image.bind.port, image.admin_bind.port] == [pod.bind.port, pod.admin_bind.port]
    deployment = container(only(manifests.resources(BASE), "Deployment"))
    assert exposed == [port["containerPort"] for port in deployment["ports"]]


def test_the_health_check_asks_the_admin_port() -> None:
    """The image reports healthy when the admin port answers, with nothing but the Python that is there."""
    check = instruction("HEALTHCHECK")
    assert '["python", "-c"' in check
    assert f"127.0.0.1:{Settings.from_environment(environment()).admin_bind.port}/healthz" in check


def test_relay_is_the_process_signals_reach() -> None:
    """The entry point is relay itself, without a shell in between."""
    assert instruction("ENTRYPOINT") == '["relay"]'
    assert instruction("CMD") == '["serve"]'
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_nothing_is_installed_without_its_hash() -> None:
    """Each pip call of the build checks hashes or uses no index."""
    calls = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) .*", DOCKERFILE.replace("&&", "\n"))
    assert len(calls) == 4
    assert all("--require-hashes" in call or "--no-index" in call for call in calls)


def test_the_version_is_that_of_the_project() -> None:
    """The image's label and the manifests' tag name the version that pyproject.toml does."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in RUNTIME
    assert container(only(manifests.resources(BASE), "Deployment"))["image"] == f"relay:{version}"


def test_the_build_sees_only_what_it_copies() -> None:
    """`.dockerignore` allows exactly the paths the Dockerfile copies from the checkout, and each is there."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copies = [line.split()[:-1] for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    assert allowed == {source for sources in copies for source in sources}
    assert all(Path(ROOT, path).exists() for path in allowed)
