"""Where this pocket keeps its state and which ports it takes: everything that the environment may say, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CONTEXT = "pocket"
NODE = "pocket"

_DEFAULT_PORT_BASE = 20000
_DEFAULT_GATEWAY_PORT = 8080
# Linux hands out ports from 32768 on to outgoing connections (ip_local_port_range), so ours stay below.
_EPHEMERAL = 32768
_SPAN = 1000  # ports that one pocket may take from its base on


class SettingsError(Exception):
    """A value in the environment that pocket cannot work with."""


@dataclass(frozen=True)
class Settings:
    """One pocket: its folder and its ports. Two pockets with different ones run side by side."""

    home: Path
    port_base: int
    gateway_port: int

    @property
    def api_port(self) -> int:
        return self.port_base

    @property
    def emulator_port(self) -> int:
        return self.port_base + 1

    @property
    def prometheus_port(self) -> int:
        return self.port_base + 2

    @property
    def gateway_tls_port(self) -> int:
        return self.port_base + 3

    @property
    def pod_ports(self) -> range:
        """Ports from which pods and sidecars get theirs."""
        return range(self.port_base + 10, self.port_base + _SPAN)

    @property
    def api_url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def emulator_url(self) -> str:
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Records of the processes that this pocket started."""
        return self.home / "run"

    @property
    def xds_socket(self) -> Path:
        """Where Envoys get their configuration."""
        return self.home / "xds.sock"

    @property
    def prometheus_socket(self) -> Path:
        """Where Prometheus is asked by way of the API server."""
        return self.home / "prometheus.sock"

    def istiod_socket(self, port: int) -> Path:
        """Where what a client takes for istiod's `port` is answered."""
        return self.home / f"istiod-{port}.sock"

    @property
    def tls(self) -> Path:
        return self.home / "tls"

    @property
    def account_key(self) -> Path:
        """The key that signs the tokens of ServiceAccounts."""
        return self.tls / "accounts.key"

    @property
    def token_file(self) -> Path:
        return self.home / "token"

    @property
    def store_file(self) -> Path:
        return self.home / "store.sqlite"


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that POCKET_HOME, POCKET_PORT_BASE and POCKET_GATEWAY_PORT ask for. Raises SettingsError."""
    base = _port(environ, "POCKET_PORT_BASE", _DEFAULT_PORT_BASE)
    if base + _SPAN > _EPHEMERAL:
        raise SettingsError(
            f"POCKET_PORT_BASE={base}: pocket takes {_SPAN} ports from there on, and they must end below "
            f"{_EPHEMERAL}, where outgoing connections get theirs. Take {_EPHEMERAL - _SPAN} or less."
        )
    gateway = _port(environ, "POCKET_GATEWAY_PORT", _DEFAULT_GATEWAY_PORT)
    if base <= gateway < base + _SPAN:
        raise SettingsError(
            f"POCKET_GATEWAY_PORT={gateway} lies among the {_SPAN} ports from POCKET_PORT_BASE={base} on. Change one."
        )
    home = Path(environ.get("POCKET_HOME") or ROOT / ".pocket").expanduser().absolute()
    return Settings(home=home, port_base=base, gateway_port=gateway)


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise SettingsError(f"{name}={text}: not a port between 1024 and 65535")
    return int(text)
