"""Images on disk: file contents by their digest, stored once; manifests by theirs; and tags that point at manifests.

    blobs/HEX              the content of a file
    manifests/HEX.json     which files an image has, with modes, and how to run it; HEX is the image's digest
    tags/ESCAPED.json      {"digest", "created"}

Everything is written to a temporary name and renamed, so readers need no lock; builds and `prune` take one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pocket.files import write_private

_PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK = 1 << 20


class ImageUnknown(Exception):
    """No image of that name has been built."""


@dataclass(frozen=True)
class Entry:
    """One file, link or folder of an image."""

    kind: Literal["file", "link", "dir"]
    mode: int = 0o755  # permission bits; links have none
    content: str = ""  # a file's digest, a link's target


@dataclass(frozen=True)
class Config:
    """How an image is run."""

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Config:
        lists = {key: tuple(data[key]) if data[key] is not None else None for key in ("entrypoint", "cmd")}
        return cls(**{**data, **lists, "ports": tuple(data["ports"])})


@dataclass(frozen=True)
class Image:
    """A tag and what it points at."""

    tag: str
    digest: str  # `sha256:...`
    created: str  # RFC 3339


class ImageStore:
    """The images of one pocket, in one folder. `build` fills it, containers are made from it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self) -> list[Image]:
        """Every tag, in order."""
        found = []
        for path in sorted((self._root / "tags").glob("*.json")):
            data = json.loads(path.read_text())
            found.append(Image(urllib.parse.unquote(path.stem), data["digest"], data["created"]))
        return found

    def resolve(self, reference: str) -> str:
        """The digest of `NAME:TAG` (`:latest` by default), `NAME@sha256:...`, `NAME:TAG@sha256:...` or `sha256:...`.

        Raises ImageUnknown.
        """
        digest = reference.rpartition("@")[2] if "@" in reference else ""
        if reference.startswith(_PREFIX):
            digest = reference
        if digest:
            if not _DIGEST.fullmatch(digest) or not self._manifest(digest).exists():
                raise ImageUnknown(f'image "{reference}" is not there: no image with that digest was built (or kept)')
            return digest
        path = self._tag(normal(reference))
        try:
            return str(json.loads(path.read_text())["digest"])
        except FileNotFoundError:
            raise ImageUnknown(
                f'image "{reference}" has not been built. Build it from its Dockerfile:'
                f" python -m pocket build -t {reference} -f DOCKERFILE CONTEXT"
            ) from None

    def config(self, digest: str) -> Config:
        """How to run the image. Raises ImageUnknown."""
        return Config.from_json(self._read(digest)["config"])

    def checkout(self, digest: str, target: Path) -> None:
        """Make `target` (not there yet) a copy of the image's files. Raises ImageUnknown and OSError."""
        entries = self._read(digest)["entries"]
        target.mkdir(parents=True)
        folders: list[tuple[Path, int]] = []
        links = {name for name, entry in entries.items() if entry["kind"] == "link"}
        for name in sorted(entries):
            entry = Entry(**entries[name])
            path = target / name
            if os.path.dirname(name) in links:  # as images had them that pocket built before it refused such a COPY
                raise OSError(f"{digest}: {name} lies behind a link of the image: build it again")
            if entry.kind == "dir":
                path.mkdir(exist_ok=True)
                folders.append((path, entry.mode))
            elif entry.kind == "link":
                path.symlink_to(entry.content)
            else:
                _copy(self._blob(entry.content), path)
                path.chmod(entry.mode | 0o200)  # writable for us: the copy is the container's own
        for path, mode in folders:
            path.chmod(mode | 0o700)

    # -- for building ---------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One build or prune at a time."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add_file(self, path: Path) -> str:
        """Store the content of a file; returns its digest."""
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
        name = digest.hexdigest()
        blob = self._blob(name)
        if not blob.exists():
            blob.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = blob.with_name(f".{name}.{os.getpid()}")
            shutil.copyfile(path, temporary)
            if _digest_of(temporary) != name:
                temporary.unlink()
                raise OSError(f"{path}: it changed while it was read; build again")
            temporary.replace(blob)
        return name

    def add_image(self, tag: str, entries: Mapping[str, Entry], config: Config) -> str:
        """Store a manifest and point `tag` at it; returns the digest."""
        manifest = {"entries": {name: asdict(entries[name]) for name in sorted(entries)}, "config": asdict(config)}
        text = json.dumps(manifest, sort_keys=True, indent=1)
        digest = _PREFIX + hashlib.sha256(text.encode()).hexdigest()
        if not self._manifest(digest).exists():
            write_private(self._manifest(digest), text.encode())
        path = self._tag(normal(tag))
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if not path.exists() or json.loads(path.read_text())["digest"] != digest:
            write_private(path, json.dumps({"digest": digest, "created": created}).encode())
        return digest

    def remove(self, tag: str) -> None:
        """Take a tag away. Raises ImageUnknown."""
        self.resolve(tag)
        self._tag(normal(tag)).unlink()

    def prune(self, in_use: Iterable[str] = ()) -> tuple[str, ...]:
        """Remove images without a tag that are not in use (digests), and contents no image has. Returns digests."""
        with self.locked():
            kept = {image.digest for image in self.list()} | set(in_use)
            removed, blobs = [], set()
            for path in sorted((self._root / "manifests").glob("*.json")):
                if (digest := _PREFIX + path.stem) in kept:
                    entries = json.loads(path.read_text())["entries"].values()
                    blobs |= {entry["content"] for entry in entries if entry["kind"] == "file"}
                else:
                    path.unlink()
                    removed.append(digest)
            for blob in (self._root / "blobs").glob("*"):
                if blob.name not in blobs:
                    blob.unlink()
        return tuple(removed)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _read(self, digest: str) -> dict[str, Any]:
        try:
            data: dict[str, Any] = json.loads(self._manifest(digest).read_text())
        except FileNotFoundError:
            raise ImageUnknown(f"image {digest} is not there: it was pruned") from None
        return data

    def _manifest(self, digest: str) -> Path:
        return self._root / "manifests" / f"{digest.removeprefix(_PREFIX)}.json"

    def _blob(self, digest: str) -> Path:
        return self._root / "blobs" / digest

    def _tag(self, tag: str) -> Path:
        return self._root / "tags" / f"{urllib.parse.quote(tag, safe=':')}.json"


def normal(reference: str) -> str:
    """A reference with its tag: `:latest` where none is given. Raises ImageUnknown for one that can be none."""
    last = reference.rpartition("/")[2]
    if not last or any(char.isspace() for char in reference):
        raise ImageUnknown(f'"{reference}" is no image name: write it REGISTRY/OWNER/NAME:TAG')
    return reference if ":" in last else f"{reference}:latest"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file until one of the two is written


def _copy(source: Path, target: Path) -> None:
    """An own copy; without using space where the file system can (btrfs, xfs)."""
    with source.open("rb") as origin, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, origin.fileno())
        except OSError:
            shutil.copyfileobj(origin, copy, _CHUNK)
