"""The parts of pocket that are no pods: the DynamoDB emulator and Prometheus. What they are started with. Pure but for
the files that Prometheus reads its configuration and its targets from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pocket import credentials, programs
from pocket.files import write_private
from pocket.mesh import telemetry
from pocket.mesh.identities import Secrets
from pocket.mesh.peers import AUTHORITIES, CERTIFICATE
from pocket.scrape import DEFAULT_INTERVAL, TargetGroup
from pocket.settings import Settings

CERTIFICATES = Path("certs")
"""The folder of Prometheus' certificate, in its own; the files have the names that Istio gives them in a pod
(https://istio.io/latest/docs/ops/integrations/prometheus/#tls-settings)."""

SIDECAR_INTERVAL = "5s"  # fixed: a shift of traffic is seen within seconds, and texts and tools count on it
RETENTION = "15d"

_CERTIFICATE_FILES = {"ca_file": "root-cert.pem", "cert_file": "cert-chain.pem", "key_file": "key.pem"}


@dataclass(frozen=True)
class Part:
    """One system process."""

    name: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    ready_url: str  # answers (with any status) when it works
    fingerprint: str = ""  # changes when it would be started otherwise than one that runs

    def __post_init__(self) -> None:
        self.cwd.mkdir(parents=True, exist_ok=True, mode=0o700)


def emulator(settings: Settings) -> Part:
    """dynalite, with its tables in a folder of LevelDB files; it answers whoever has its key."""
    data = settings.home / "dynamodb"
    argv = [
        str(programs.node()), str(programs.dynalite()),
        "--host", "127.0.0.1", "--port", str(settings.emulator_port), "--path", str(data),
    ]  # fmt: skip
    folder = programs.dynalite().parent
    sources = [(folder / name).read_bytes() for name in ("main.js", "signature.js", "package-lock.json")]
    key = credentials.emulator_key(settings)
    made_of = fingerprint(argv, *sources, *(value.encode() for value in key.values()))
    return Part("emulator", argv, settings.home, _environment() | key, settings.emulator_url, made_of)


def prometheus(settings: Settings) -> Part:
    """The real Prometheus, listening on loopback only; it answers whoever has its password."""
    folder = settings.home / "prometheus"
    argv = [
        str(programs.prometheus()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{settings.prometheus_port}",
        f"--web.config.file={folder / 'web.yml'}",
        # Its pages are asked for through the gateway, below a path that the route takes away again; who asks it
        # directly, as the graph and kubectl port-forward do, finds everything at the root, as in a cluster with the
        # operator (cluster/addons/monitoring.yaml).
        f"--web.external-url=http://127.0.0.1:{settings.gateway_port}/prometheus/",
        "--web.route-prefix=/",
        # No other site's pages read it: by default every origin may. (None is called `none`.)
        "--web.cors.origin=none",
        *_own_pages(programs.prometheus()),
        "--log.level=warn",
    ]
    config = _prometheus_yaml(folder)
    ready = f"{settings.prometheus_url}/-/ready"
    made_of = fingerprint(argv, config, credentials.prometheus_authorization(settings).encode())
    return Part("prometheus", argv, folder, _environment(), ready, made_of)


def _own_pages(program: Path) -> list[str]:
    """Where the pages are of a Debian package that is unpacked and not installed; other builds hold them inside."""
    pages = program.parents[1] / "share" / "prometheus" / "web"
    return [f"--web.local-assets={pages}"] if pages.is_dir() else []


def prometheus_config(folder: Path) -> dict[str, Any]:
    """prometheus.yml: sidecars every 5 s, TCP bytes of the sidecars, and what the ServiceMonitors ask for.

    All targets come from files in `folder`, so this never changes while Prometheus runs.
    """

    # For targets with the scheme https: as one of the mesh. Prometheus knows no SPIFFE names, so it shows who it is and
    # does not ask who answers. It reads the files again for each connection.
    certificate = {key: str(folder / CERTIFICATES / name) for key, name in _CERTIFICATE_FILES.items()}

    def job(name: str, targets: str, **more: Any) -> dict[str, Any]:
        files = [{"files": [str(folder / targets)], "refresh_interval": "5m"}]  # changes are noticed at once anyway
        tls = {**certificate, "insecure_skip_verify": True}
        return {"job_name": name, "file_sd_configs": files, "tls_config": tls, **more}

    return {
        "global": {"scrape_interval": DEFAULT_INTERVAL, "scrape_timeout": "4s", "evaluation_interval": "1m"},
        "scrape_configs": [
            job(
                "sidecars",
                "sidecars.json",
                scheme="https",
                scrape_interval=SIDECAR_INTERVAL,
                metrics_path=telemetry.scrape_path(),
                metric_relabel_configs=telemetry.metric_relabel_configs(),
            ),
            job("servicemonitors", "servicemonitors.json", honor_labels=True),
        ],
    }


def write_prometheus_config(settings: Settings) -> None:
    """Write prometheus.yml, whom it lets in, and the files of targets where there are none yet."""
    folder = settings.home / "prometheus"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "prometheus.yml", _prometheus_yaml(folder))
    users = {"basic_auth_users": credentials.prometheus_users(settings)}
    write_private(folder / "web.yml", yaml.safe_dump(users).encode())
    for name in ("sidecars.json", "servicemonitors.json"):
        if not (folder / name).exists():
            write_private(folder / name, b"[]")


def write_certificate(settings: Settings, secrets: Secrets) -> None:
    """What Prometheus proves itself with in the mesh, where it has changed. Raises OSError."""
    pair = secrets[CERTIFICATE]["tls_certificate"]
    texts = {
        "cert_file": pair["certificate_chain"],
        "key_file": pair["private_key"],
        "ca_file": secrets[AUTHORITIES]["validation_context"]["trusted_ca"],
    }
    for key, name in _CERTIFICATE_FILES.items():
        _renew(settings.home / "prometheus" / CERTIFICATES / name, texts[key]["inline_string"].encode())


def write_targets(settings: Settings, name: str, groups: Sequence[TargetGroup]) -> None:
    """Replace a file of targets (`sidecars.json`, `servicemonitors.json`) where it has changed."""
    _renew(settings.home / "prometheus" / name, json.dumps(groups, indent=1).encode())


def _renew(path: Path, content: bytes) -> None:
    """Replace a file where it has changed: whoever watches it is not disturbed for nothing."""
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


def fingerprint(argv: Sequence[str], *contents: bytes) -> str:
    """Of a part: its arguments, the build of its program, the files it reads at its start. Raises OSError."""
    program = os.stat(argv[0])
    digest = hashlib.sha256(json.dumps([*argv, program.st_size, program.st_mtime_ns]).encode())
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def _prometheus_yaml(folder: Path) -> bytes:
    return yaml.safe_dump(prometheus_config(folder), sort_keys=False).encode()


def _environment() -> dict[str, str]:
    """Only what a program needs to run: nothing of the person's environment leaks into long-lived processes."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}
