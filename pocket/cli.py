"""pocket's command line: start, stop, status, ls, build, images, env, logs."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from pocket import backup, credentials, lifecycle, processes, supervisor
from pocket.images import DockerfileError, ImageStore
from pocket.images import build as build_image
from pocket.kubeconfig import KubeconfigError
from pocket.lifecycle import PocketError
from pocket.processes import ProcessError
from pocket.programs import ProgramMissing
from pocket.settings import Settings, SettingsError, from_environment
from pocket.store import StoreError

_ERRORS = (
    PocketError,
    SettingsError,
    KubeconfigError,
    ProgramMissing,
    ProcessError,
    DockerfileError,
    OSError,
    StoreError,
)
_NOT_RUNNING = 3  # exit code of `status` for a stopped pocket, as init scripts have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        settings = from_environment()
        return int(args.run(settings, args))
    except _ERRORS as error:
        print(f"pocket: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\npocket: interrupted; `make -f pocket.mak start` or `stop` goes on from here.", file=sys.stderr)
        return 130


def _told(error: Exception) -> str:
    """The error in words; a write to an open file knows no name, so a full disk would not say which."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = error.filename or f"{os.environ.get('POCKET_HOME') or '.pocket'} (POCKET_HOME)"
        return f"{error.strerror} on the disk of {place}. Make room, then `make -f pocket.mak start`."
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pocket", description="A Kubernetes cluster with Istio on one machine, without containers."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("start", _start, "start the cluster (or what is missing of it) and make its context current")
    command("stop", _stop, "stop everything; objects and data stay for the next start")
    command("restore", _restore, "put the copy of the store that the last start made in its place")
    command(
        "status", _status, f"the parts of the cluster and their memory; exit code {_NOT_RUNNING} when it is stopped"
    )
    command("ls", _ls, "one line: name, state, API server, folder")
    command("env", _env, "the addresses of what runs beside the cluster and what it asks for, as KEY=VALUE lines")
    build = command("build", _build, "make an image from a Dockerfile")
    build.add_argument("-t", "--tag", required=True, metavar="TAG", help="ghcr.io/OWNER/NAME:VERSION")
    build.add_argument("-f", "--file", type=Path, metavar="DOCKERFILE", help="default: CONTEXT/Dockerfile")
    build.add_argument("-q", "--quiet", action="store_true", help="keep to yourself which instructions have no effect")
    build.add_argument("--build-arg", action="append", default=[], metavar="KEY=VALUE")
    build.add_argument("context", type=Path, metavar="CONTEXT", help="the folder that COPY lines start from")
    command("images", _images, "the images that pods can be made from")
    logs = command("logs", _logs, "the last lines of a part's log")
    logs.add_argument("part", choices=("control", "emulator", "prometheus"))
    return parser


def _start(settings: Settings, _: argparse.Namespace) -> int:
    lifecycle.start(settings, _say)
    return 0


def _stop(settings: Settings, _: argparse.Namespace) -> int:
    asyncio.run(lifecycle.stop(settings, _say))
    return 0


def _restore(settings: Settings, _: argparse.Namespace) -> int:
    if lifecycle.is_running(settings):
        raise PocketError("it runs, and writes to its store. First `make -f pocket.mak stop`.")
    said = backup.restore(settings.store_file)
    lifecycle.forget_pods(settings)
    _say("store", f"{said}; `make -f pocket.mak start` goes on with them")
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    memory = _memory_by_mark(settings)
    rows = [("PART", "STATE", "MEMORY")]
    for name in ("control", "emulator", "prometheus"):
        alive = supervisor.recorded(settings, name) is not None
        rows.append((name, "running" if alive else "stopped", _mebibytes(memory.pop(name, 0))))
    rows += [(name, "running", _mebibytes(size)) for name, size in sorted(memory.items())]
    rows.append(("total", "", _mebibytes(sum(_memory_by_mark(settings).values()))))
    _table(rows)
    return 0 if lifecycle.is_running(settings) else _NOT_RUNNING


def _ls(settings: Settings, _: argparse.Namespace) -> int:
    state = "running" if lifecycle.is_running(settings) else "stopped"
    _table([("NAME", "STATE", "API SERVER", "HOME"), ("pocket", state, settings.api_url, str(settings.home))])
    return 0


def _env(settings: Settings, _: argparse.Namespace) -> int:
    print(f"DYNAMODB_URL={settings.emulator_url}")
    for name, value in credentials.emulator_key(settings).items():
        print(f"{name}={value}")
    print(f"PROMETHEUS_URL={credentials.prometheus_url(settings)}")
    print(f"GATEWAY_URL=http://127.0.0.1:{settings.gateway_port}")
    return 0


def _build(settings: Settings, args: argparse.Namespace) -> int:
    arguments = {}
    for text in args.build_arg:
        key, equals, value = text.partition("=")
        if not equals:
            raise PocketError(f"--build-arg {text}: write it KEY=VALUE")
        arguments[key] = value
    digest = build_image(
        ImageStore(settings.home / "images"),
        args.context,
        args.file or args.context / "Dockerfile",
        args.tag,
        arguments,
    )
    for note in () if args.quiet else digest.notes:
        print(note, file=sys.stderr)
    if digest.missing:
        print(
            f"{args.tag}: {digest.missing} is neither in the image nor on this machine, so its pods will not start: "
            "RUN makes nothing here. Install it on this machine, or COPY it",
            file=sys.stderr,
        )
    print(f"{args.tag}@{digest}")
    return 0


def _images(settings: Settings, _: argparse.Namespace) -> int:
    images = ImageStore(settings.home / "images").list()
    _table([("IMAGE", "DIGEST", "CREATED"), *((image.tag, image.digest[:19], image.created) for image in images)])
    return 0


def _logs(settings: Settings, args: argparse.Namespace) -> int:
    path = supervisor.log_file(settings, args.part)
    if not path.exists():
        raise PocketError(f"{path} is not there: {args.part} has not been started yet")
    print("\n".join(path.read_text(errors="replace").splitlines()[-200:]))
    return 0


def _memory_by_mark(settings: Settings) -> dict[str, int]:
    """Bytes of memory of each part and pod: proportional set size, so that shared pages count once."""
    prefix = f"{settings.home}:"
    sizes: dict[str, int] = {}
    for pid, mark in processes.marked(prefix):
        try:
            info = psutil.Process(pid).memory_full_info()
        except psutil.Error:
            continue  # it has ended since
        name = mark.removeprefix(prefix).partition("#")[0]  # of one pod, the container: not which start of it
        sizes[name] = sizes.get(name, 0) + getattr(info, "pss", info.rss)
    return sizes


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB" if size else ""


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _say(what: str, state: str) -> None:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    mark = "\033[32m✓\033[0m" if coloured else "-"
    print(f"  {mark} {what}: {state}", flush=True)
