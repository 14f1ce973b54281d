"""Paths of a container: there are no containers here, so what a container calls `/code` lies somewhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pocket.files import Outside, within


def inside(rootfs: Path, text: str) -> str:
    """A path that exists in the container's own tree leads there; lists of paths (`a:b`) part by part.

    Everything else stays as it is: `/bin/sh` is the machine's, `/code/app.py` the container's.
    """
    return os.pathsep.join(_one(rootfs, part) for part in text.split(os.pathsep))


def command(rootfs: Path, words: Sequence[str], cwd: Path) -> list[str]:
    """A command for `kubectl exec` in the folder `cwd`, its words as by `inside`.

    `kubectl cp` sends `tar cf - PATH`, and wants PATH's own name in the archive, not that of the place where it lies
    here; and `tar -xmf - -C FOLDER`. Whatever links and `..` lead out of the pod's folder is neither read nor written,
    /tmp excepted, which pods share with the machine. Raises Outside.
    """
    match words:
        case ["tar", "cf", "-", str(path)]:
            mine = _one(rootfs, path)
            base = cwd if not path.startswith("/") else rootfs if mine != path else Path("/")
            own = Path(os.path.normpath(cwd / mine))
            real, name = _reach(rootfs, own, path)[0], os.path.relpath(own, base)
            if not own.is_symlink():
                return ["tar", "cf", "-", "-C", str(base), name]
            # A volume: its content under its name. A file is followed; links in the volume stay links.
            return ["tar", "cf", "-", "-C", str(base), f"{name}/."] if real.is_dir() else [
                "tar", "cf", "-", "-h", "-C", str(base), name
            ]  # fmt: skip
        case ["tar", *options] if any(word.startswith("-x") for word in options):
            folder = options[options.index("-C") + 1] if "-C" in options[:-1] else "."
            real, boundary = _reach(rootfs, Path(os.path.normpath(cwd / _one(rootfs, folder))), folder)
            return [sys.executable, "-I", "-S", _UNPACK, str(real), str(boundary)]
    return [inside(rootfs, word) for word in words]


_SHARED = Path("/tmp").resolve()  # noqa: S108  (the machine's, which pods share)
_UNPACK = str(Path(__file__).with_name("unpack.py"))


def _reach(rootfs: Path, path: Path, asked: str) -> tuple[Path, Path]:
    """Where a path really is, and the folder that it must not leave: the pod's, or /tmp. Raises Outside."""
    pod = rootfs.parent.parent  # volumes, and the trees of all its containers
    for boundary in (pod, _SHARED):
        try:
            real = within(boundary, path)
        except Outside:
            continue
        if boundary is pod or not real.is_relative_to(pod.parent.resolve()):  # where another pocket's home is in /tmp
            return real, boundary
    raise Outside(
        f"the container has no {asked} of its own, and pocket neither reads nor writes the machine's here: "
        "name one that it has, or a path relative to its working directory"
    )


def _one(rootfs: Path, path: str) -> str:
    if not path.startswith("/") or not path.strip("/"):
        return path
    own = os.path.normpath(rootfs / path.lstrip("/"))
    is_inside = own.startswith(f"{rootfs}{os.sep}") and os.path.lexists(own)
    return own + ("/" if path.endswith("/") else "") if is_inside else path
