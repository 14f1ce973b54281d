"""Builds an image: the files that the COPY lines of a Dockerfile name, and how to run them."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pocket.images import ignore
from pocket.images.dockerfile import Copy, Dockerfile, DockerfileError, Stage, parse
from pocket.images.store import Config, Entry, ImageStore

Tree = dict[str, Entry]  # by path without the leading slash


class Build(str):
    """The digest of what was built; `notes` says what had no effect, `missing` names the program that is nowhere."""

    notes: tuple[str, ...] = ()
    missing: str = ""


def build(
    store: ImageStore, context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str] | None = None
) -> Build:
    """Build the image that `dockerfile` describes from the files in `context`, and tag it.

    The same files, modes and settings always give the same digest. Raises DockerfileError, which names the line.
    """
    try:
        text = dockerfile.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DockerfileError(f"{dockerfile}: {getattr(error, 'strerror', None) or error}") from error
    if not context.is_dir():
        raise DockerfileError(f"{context}: the build context is not a folder")
    parsed = parse(text, arguments, name=str(dockerfile))
    with store.locked():
        builder = _Builder(store, context.resolve(), str(dockerfile), _ignore(context, dockerfile), parsed)
        stage = parsed.stages[-1]
        config = Config(**asdict(stage.settings))
        tree = builder.tree(stage)
        digest = Build(store.add_image(tag, tree, config))
    digest.missing = _missing(config, tree)
    digest.notes = (*parsed.notes, *builder.notes)
    return digest


def _missing(config: Config, tree: Tree) -> str:
    """The program that the image runs, where neither it nor the machine has one of that name; else ""."""
    command = (*(config.entrypoint or ()), *(config.cmd or ()))
    if not command:
        return ""
    name = command[0].rpartition("/")[2]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    inside = any(place.rpartition("/")[2] == name and entry.kind != "dir" for place, entry in tree.items())
    return "" if inside or shutil.which(name, path=path) else command[0]


def _ignore(context: Path, dockerfile: Path) -> ignore.Ignore:
    """`NAME.dockerignore` beside the Dockerfile, else the context's .dockerignore."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            return ignore.Ignore(path.read_text().splitlines())
    return ignore.Ignore()


@dataclass
class _Builder:
    store: ImageStore
    context: Path
    name: str
    ignored: ignore.Ignore
    dockerfile: Dockerfile

    def __post_init__(self) -> None:
        self._trees: dict[str, Tree] = {}
        self.notes: list[str] = []

    def tree(self, stage: Stage) -> Tree:
        """All files of a stage."""
        if stage.name not in self._trees:
            parent = self._stage(stage.base, before=stage)
            tree = dict(self.tree(parent)) if parent else {}
            for step in stage.steps:
                if isinstance(step, str):
                    self._folder(tree, step)
                else:
                    self._copy(tree, step, stage)
            self._trees[stage.name] = tree
        return self._trees[stage.name]

    def _stage(self, name: str, before: Stage) -> Stage | None:
        stages = self.dockerfile.stages
        earlier = stages[: stages.index(before)]
        for number, stage in enumerate(earlier):
            if name.lower() in (stage.name, str(number)):
                return stage
        return None

    def _error(self, line: int, message: str) -> DockerfileError:
        return DockerfileError(f"{self.name}:{line}: COPY: {message}")

    def _copy(self, tree: Tree, copy: Copy, stage: Stage) -> None:
        origin: Tree | None = None
        if copy.stage is not None:
            other = self._stage(copy.stage, before=stage)
            if other is None:
                self.notes.append(f"{self.name}:{copy.line}: COPY --from={copy.stage} has no effect: it is no stage")
                return
            origin = self.tree(other)
        found: list[tuple[str, Tree]] = []  # the name that a single file has, and what it brings
        for source in copy.sources:
            trees = self._from_stage(origin, source) if origin is not None else self._from_context(copy, source)
            if not trees:
                self.notes.append(f"{self.name}:{copy.line}: {source} has no effect on pocket: only RUN makes it")
            found += trees
        into_folder = copy.target.endswith("/") or copy.target == "/"
        if len(found) > 1 and not into_folder:
            raise self._error(copy.line, f"more than one file for {copy.target}: write {copy.target}/")
        target = copy.target.strip("/")
        existing = tree.get(target)
        for name, brought in found:
            single = "" in brought and brought[""].kind != "dir"
            place = target
            if single and (into_folder or (existing and existing.kind == "dir") or not target):
                place = f"{target}/{name}".lstrip("/")
            self._put(tree, place, brought, copy)
        for path, entry in tree.items():
            if entry.kind == "link" and _real(tree, path) is None:
                raise self._error(copy.line, f"/{path} is a link to {entry.content}: it leads out of the image")

    def _put(self, tree: Tree, place: str, brought: Tree, copy: Copy) -> None:
        for relative, entry in brought.items():
            path = f"{place}/{relative}".strip("/")
            if not path:
                continue  # the root is there
            parent, _, name = path.rpartition("/")
            real = _real(tree, parent)
            if real is None:
                raise self._error(copy.line, f"/{parent} is a link that leads out of the image, or round in circles")
            path = f"{real}/{name}".lstrip("/")
            self._folder(tree, real)
            if real and tree[real].kind != "dir":
                raise self._error(copy.line, f"/{real} is a {tree[real].kind} already, and cannot become a dir")
            if copy.mode is not None and entry.kind != "link":
                entry = Entry(entry.kind, copy.mode, entry.content)
            old = tree.get(path)
            if old is not None and (old.kind == "dir") != (entry.kind == "dir"):
                raise self._error(copy.line, f"/{path} is a {old.kind} already, and cannot become a {entry.kind}")
            tree[path] = entry

    def _folder(self, tree: Tree, path: str) -> None:
        parts = path.strip("/").split("/") if path.strip("/") else []
        for count in range(1, len(parts) + 1):
            tree.setdefault("/".join(parts[:count]), Entry("dir"))

    def _from_stage(self, origin: Tree, source: str) -> list[tuple[str, Tree]]:
        wanted = source.strip("/")
        names = [wanted] if not ignore.has_wildcard(wanted) else sorted(n for n in origin if ignore.matches(wanted, n))
        found = []
        for name in names:
            inside = {path[len(name) :].lstrip("/"): entry for path, entry in origin.items()
                      if path == name or path.startswith(f"{name}/") or not name}  # fmt: skip
            if inside:
                found.append((name.rpartition("/")[2], inside))
        return found

    def _from_context(self, copy: Copy, source: str) -> list[tuple[str, Tree]]:
        wanted = os.path.normpath("/" + source).lstrip("/") or "."  # .. does not lead out of the context
        if ignore.has_wildcard(wanted):
            names = sorted(name for name in self._names(wanted) if ignore.matches(wanted, name))
            names = [name for name in names if not self.ignored.ignores(name)]
            if not names:
                raise self._error(copy.line, f"{source}: no file of {self.context} matches")
        else:
            names = [wanted]
        found = []
        for name in names:
            path = self.context / name
            if not path.exists():
                raise self._error(copy.line, f"{source}: no such file in {self.context}")
            if name != "." and self.ignored.ignores(name) and not (path.is_dir() and self.ignored.has_exceptions):
                raise self._error(copy.line, f"{source}: left out by .dockerignore")
            if not path.resolve().is_relative_to(self.context):
                raise self._error(copy.line, f"{source}: leads out of the context {self.context}")
            found.append((path.name, dict(self._walk(copy, path.resolve(), "" if name == "." else name))))
        return found

    def _names(self, pattern: str) -> Iterator[str]:
        """Paths as deep as the pattern."""
        names = [""]
        for part in pattern.split("/"):
            names = [
                f"{name}/{entry.name}".lstrip("/")
                for name in names
                if (self.context / name).is_dir()
                for entry in os.scandir(self.context / name)
                if ignore.matches(part, entry.name)
            ]
        yield from names

    def _walk(self, copy: Copy, path: Path, name: str, relative: str = "") -> Iterator[tuple[str, Entry]]:
        """What is at `path` (`name` in the context) and below, by its path relative to where the walk began."""
        if name and self.ignored.ignores(name) and not (path.is_dir() and self.ignored.has_exceptions):
            return
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode) & 0o777
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            if os.path.isabs(target):
                raise self._error(copy.line, f"{name} is a link to {target}: pocket takes relative links only")
            yield relative, Entry("link", 0o777, target)
        elif stat.S_ISREG(status.st_mode):
            try:
                yield relative, Entry("file", mode, self.store.add_file(path))
            except PermissionError as error:
                raise self._error(copy.line, f"{name}: {error.strerror}") from error
        elif stat.S_ISDIR(status.st_mode):
            if not (name and self.ignored.ignores(name)):
                yield relative, Entry("dir", mode)
            for entry in sorted(os.listdir(path)):
                below = (f"{name}/{entry}".lstrip("/"), f"{relative}/{entry}".lstrip("/"))
                yield from self._walk(copy, path / entry, *below)
        else:
            raise self._error(copy.line, f"{name}: neither a file, a link nor a folder")


_MOST_LINKS = 40  # followed for one path, as Linux does (path_resolution(7))


def _real(tree: Tree, path: str) -> str | None:
    """Where `path` leads within the image, every link followed; None where it leads out, or round in circles."""
    waiting, found, followed = path.split("/")[::-1], list[str](), 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not found:
                return None
            found.pop()
            continue
        entry = tree.get("/".join([*found, part]))
        if entry is None or entry.kind != "link":
            found.append(part)
            continue
        followed += 1
        if followed > _MOST_LINKS:
            return None
        waiting += entry.content.split("/")[::-1]
    return "/".join(found)
