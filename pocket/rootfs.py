"""Paths of a container: there are no containers here, so what a container calls `/code` lies somewhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def inside(rootfs: Path, text: str) -> str:
    """A path that exists in the container's own tree leads there; lists of paths (`a:b`) part by part.

    Everything else stays as it is: `/bin/sh` is the machine's, `/code/app.py` the container's.
    """
    return os.pathsep.join(_one(rootfs, part) for part in text.split(os.pathsep))


class Outside(Exception):
    """Files are to go where the container has no files of its own; the message says where."""


def command(rootfs: Path, words: Sequence[str]) -> list[str]:
    """A command for `kubectl exec`, its words as by `inside`.

    `kubectl cp` sends `tar cf - PATH`, and wants PATH's own name in the archive, not that of the place where it lies
    here; and `tar -xmf - -C FOLDER`. What that would write outside of the container, into the machine's own folders, is
    refused, /tmp excepted, which they share. Raises Outside.
    """
    match words:
        case ["tar", "cf", "-", str(path)] if (own := _one(rootfs, path)) != path:
            follow = ["-h"] if os.path.islink(own.rstrip("/")) else []  # a volume
            return ["tar", "cf", "-", *follow, "-C", str(rootfs), os.path.relpath(own, rootfs)]
        case ["tar", *options, "-C", str(folder)] if any(word.startswith("-x") for word in options):
            own = _one(rootfs, folder)
            if own == folder and folder.startswith("/") and not f"{folder}/".startswith("/tmp/"):  # noqa: S108
                raise Outside(
                    f"the container has no folder {folder} of its own, and pocket does not write into the machine's: "
                    "name one that it has, or a path relative to its working directory"
                )
            return ["tar", *options, "-C", own]
    return [inside(rootfs, word) for word in words]


def _one(rootfs: Path, path: str) -> str:
    if not path.startswith("/") or not path.strip("/"):
        return path
    own = os.path.normpath(rootfs / path.lstrip("/"))
    is_inside = own.startswith(f"{rootfs}{os.sep}") and os.path.lexists(own)
    return own + ("/" if path.endswith("/") else "") if is_inside else path
