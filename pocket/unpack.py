"""What `kubectl cp` sends, unpacked: `unpack.py FOLDER BOUNDARY < archive`, a program of its own.

As `tar -x`, which follows the links that are there; but nothing is written, linked or made outside of BOUNDARY,
whatever names and links the archive holds. What is refused is named on stderr, and the exit code is tar's for it, 2.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def unpack(stream: IO[bytes], folder: Path, boundary: Path) -> Iterator[str]:
    """Unpack into `folder`; yields what was refused and why. Raises OSError and tarfile.TarError."""
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        archive.extraction_filter = lambda member, _: member  # ours comes first
        for member in archive:
            member.name = member.name.lstrip("/")
            member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
            member.mode &= 0o777
            reason = _refusal(member, folder, boundary.resolve())
            if reason:
                yield f"{member.name}: {reason}"
            elif not (member.isdir() and (folder / member.name).is_dir()):  # a link to a folder is a volume: it stays
                _make_room(folder / member.name)
                archive.extract(member, folder)


def _refusal(member: tarfile.TarInfo, folder: Path, boundary: Path) -> str:
    path = folder / member.name
    if ".." in path.parts or not _inside(path if member.isdir() else path.parent, boundary):
        return "leads out of the container: not written"
    if member.issym() and (member.linkname.startswith("/") or not _inside(path.parent / member.linkname, boundary)):
        return f"is a link to {member.linkname}, which leads out of the container: not made"
    if member.islnk() and not _inside(folder / member.linkname, boundary):
        return f"is a link to {member.linkname}, which leads out of the container: not made"
    return "" if member.isfile() or member.isdir() or member.issym() or member.islnk() else "is no file: not made"


def _inside(path: Path, boundary: Path) -> bool:
    return path.resolve().is_relative_to(boundary)


def _make_room(path: Path) -> None:
    """What is there is replaced, not written through: it may be a link."""
    if path.is_symlink() or path.is_file():
        path.unlink()


def main() -> int:
    code = 0
    try:
        for refused in unpack(sys.stdin.buffer, Path(sys.argv[1]), Path(sys.argv[2])):
            print(f"tar: {refused}", file=sys.stderr)
            code = 2
    except (OSError, tarfile.TarError) as error:
        print(f"tar: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
