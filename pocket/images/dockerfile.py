"""Reads a Dockerfile: lines, continuations, comments, variables, exec and shell forms. Pure.

The grammar is that of https://docs.docker.com/reference/dockerfile/. pocket has no containers: it honours what says
which files there are, with which environment and which command, and refuses by line what it cannot honour and
what would make a difference (`INSTRUCTIONS`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Effect = Literal["honoured", "no effect", "refused"]

INSTRUCTIONS: Mapping[str, tuple[Effect, str]] = {
    "FROM": ("honoured", "stages and `AS`; a base image from a registry brings no files, environment or command"),
    "ARG": ("honoured", "with `--build-arg`"),
    "COPY": ("honoured", "from the context and from stages; `--chmod` too, `--chown` and `--link` have no effect"),
    "ENV": ("honoured", "paths that exist in the image lead into the container's own tree"),
    "WORKDIR": ("honoured", "made if it is not there, as Docker does"),
    "CMD": ("honoured", "exec and shell form"),
    "ENTRYPOINT": ("honoured", "exec and shell form"),
    "EXPOSE": ("honoured", "kept with the image; ports come from the pod's `containerPort`"),
    "LABEL": ("honoured", "kept with the image"),
    "RUN": ("no effect", "the programs are those of this machine, the Python packages those of the project's venv"),
    "USER": ("no effect", "everything runs as the user who started pocket"),
    "HEALTHCHECK": ("no effect", "nor has it on Kubernetes: write probes"),
    "ADD": ("refused", "use COPY"),
    "VOLUME": ("refused", "use a volume of the pod"),
    "STOPSIGNAL": ("refused", "it is always SIGTERM"),
    "SHELL": ("refused", "the shell form always uses /bin/sh"),
    "ONBUILD": ("refused", "no image is built on this one"),
    "MAINTAINER": ("refused", "deprecated: use LABEL"),
}
"""What pocket makes of each instruction. docs/pocket.md shows this table."""

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEREDOC = re.compile(r"<<-?[\"']?[A-Za-z_]")
_VARIABLE = re.compile(r"\\(?P<escaped>.)|\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[^}]*)\})", re.DOTALL)
_BRACED = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<operator>:?[-+])?(?P<word>.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z]+)\s*=\s*(?P<value>\S+)\s*$")


class DockerfileError(Exception):
    """What is wrong, with the file and the line; raised by parsing and by building."""


@dataclass(frozen=True)
class Copy:
    """One COPY line."""

    line: int
    sources: tuple[str, ...]
    target: str  # absolute; ends with / where it must be a folder
    stage: str | None = None  # --from
    mode: int | None = None  # --chmod


@dataclass(frozen=True)
class Settings:
    """What the image says about running it."""

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One FROM with what follows."""

    name: str  # `AS`, else its number
    base: str  # an image, or the name of an earlier stage
    settings: Settings
    steps: tuple[Copy | str, ...]  # COPY lines, and the folders that WORKDIR makes, in order


@dataclass(frozen=True)
class Dockerfile:
    """All stages in order; the last one is the image."""

    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()  # what has no effect, by line


@dataclass
class _Draft:
    name: str
    base: str
    env: dict[str, str]
    args: dict[str, str]
    workdir: str
    entrypoint: tuple[str, ...] | None
    cmd: tuple[str, ...] | None
    ports: list[str]
    labels: dict[str, str]
    steps: list[Copy | str]
    own_cmd: bool = False

    def variables(self) -> dict[str, str]:
        return {"PATH": _DEFAULT_PATH, **self.args, **self.env}  # ENV wins over ARG

    def stage(self) -> Stage:
        settings = Settings(
            dict(self.env), self.workdir, self.entrypoint, self.cmd, tuple(self.ports), dict(self.labels)
        )
        return Stage(self.name, self.base, settings, tuple(self.steps))


def parse(text: str, build_args: Mapping[str, str] | None = None, name: str = "Dockerfile") -> Dockerfile:
    """Read `text`. Raises DockerfileError with `name` and the line number."""
    return _Parser(name, dict(build_args or {})).parse(text)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    r"""Replace `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`; `\$` is a plain dollar; unknown names are empty.

    Raises ValueError for other forms in braces.
    """

    def one(match: re.Match[str]) -> str:
        if match["escaped"] is not None:
            return "$" if match["escaped"] == "$" else match[0]
        if match["plain"] is not None:
            return variables.get(match["plain"], "")
        inner = _BRACED.fullmatch(match["braced"])
        if inner is None or (inner["word"] and not inner["operator"]):
            raise ValueError(f"{match[0]}: not supported by pocket")
        value = variables.get(inner["name"])
        operator, word = inner["operator"], substitute(inner["word"], variables)
        given = value is not None and (value != "" or not (operator or "").startswith(":"))
        if operator and operator.endswith("-"):
            return (value or "") if given else word
        if operator and operator.endswith("+"):
            return word if given else ""
        return value or ""

    return _VARIABLE.sub(one, text)


class _Parser:
    def __init__(self, name: str, build_args: dict[str, str]) -> None:
        self._name = name
        self._build_args = build_args
        self._used_args: set[str] = set()
        self._global_args: dict[str, str] = {}
        self._stages: list[Stage] = []
        self._draft: _Draft | None = None
        self._notes: list[str] = []
        self._line = 0

    def parse(self, text: str) -> Dockerfile:
        for number, content in self._instructions(text):
            self._line = number
            word, _, rest = content.partition(" ")
            try:
                self._take(word.upper(), rest.strip())
            except ValueError as error:
                raise self._error(f"{word.upper()}: {error}") from error
        self._finish_stage()
        if not self._stages:
            raise DockerfileError(f"{self._name}: there is no FROM")
        for name in sorted(self._build_args.keys() - self._used_args):
            self._notes.append(f"{self._name}: no ARG takes the build argument {name}")
        return Dockerfile(tuple(self._stages), tuple(self._notes))

    def _error(self, message: str) -> DockerfileError:
        return DockerfileError(f"{self._name}:{self._line}: {message}")

    def _instructions(self, text: str) -> list[tuple[int, str]]:
        """Logical lines with the number of their first line: joined at a trailing backslash, without comments."""
        found: list[tuple[int, str]] = []
        parts: list[str] = []
        begin, directives = 0, True
        for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            line = raw.strip() if not parts else raw.rstrip()
            if line.lstrip().startswith("#"):
                directive = _DIRECTIVE.match(line) if directives else None
                if directive and directive["name"].lower() == "escape" and directive["value"] != "\\":
                    self._line = number
                    raise self._error(f"escape={directive['value']}: not supported by pocket, only \\ is")
                continue
            directives = False
            if not line.strip():
                continue  # also inside a continued line, as Docker has it (with a warning)
            begin = begin if parts else number
            if line.endswith("\\"):
                parts.append(line[:-1])
                continue
            found.append((begin, "".join([*parts, line]).replace("\t", " ").strip()))
            parts = []
        if parts:
            found.append((begin, "".join(parts).strip()))
        return found

    def _take(self, word: str, rest: str) -> None:
        if word not in INSTRUCTIONS:
            raise self._error(f"{word}: unknown instruction")
        effect, remark = INSTRUCTIONS[word]
        if effect == "refused":
            raise self._error(f"{word}: not supported by pocket: {remark}")
        if word in ("RUN", "COPY") and _HEREDOC.search(rest):
            raise self._error(f"{word}: here-documents are not supported by pocket")
        if not rest:
            raise self._error(f"{word}: it needs an argument")
        if word == "ARG":
            self._arg(rest)
        elif word == "FROM":
            self._from(rest)
        elif self._draft is None:
            raise self._error(f"{word}: stands before the first FROM")
        elif effect == "no effect":
            self._notes.append(f"{self._name}:{self._line}: {word} has no effect on pocket: {remark}")
        else:
            getattr(self, f"_{word.lower()}")(self._draft, rest)

    def _finish_stage(self) -> None:
        if self._draft is not None:
            self._stages.append(self._draft.stage())

    def _from(self, rest: str) -> None:
        words = [substitute(word, self._global_args) for word in rest.split() if not word.startswith("--platform=")]
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS") or words[0].startswith("--"):
            raise ValueError(f"{rest}: write it FROM IMAGE [AS NAME]")
        if not words[0]:
            raise ValueError(f"{rest}: the image's name is empty")
        self._finish_stage()
        name = words[2].lower() if len(words) == 3 else str(len(self._stages))
        parent = next((stage for stage in self._stages if stage.name == words[0].lower()), None)
        settings = parent.settings if parent else Settings()
        self._draft = _Draft(
            name, words[0], dict(settings.env), {}, settings.workdir, settings.entrypoint, settings.cmd,
            list(settings.ports), dict(settings.labels), [],
        )  # fmt: skip

    def _arg(self, rest: str) -> None:
        scope = self._draft.variables() if self._draft else self._global_args
        for word in shlex.split(rest, posix=True):
            name, equals, default = word.partition("=")
            if name in self._build_args:
                value: str | None = self._build_args[name]
                self._used_args.add(name)
            elif equals:
                value = substitute(default, scope)
            else:
                value = self._global_args.get(name) if self._draft else None
            if value is not None:
                (self._draft.args if self._draft else self._global_args)[name] = value

    def _env(self, draft: _Draft, rest: str) -> None:
        before = draft.variables()  # one line sees the values from before it
        draft.env.update(_pairs(rest, before))

    def _label(self, draft: _Draft, rest: str) -> None:
        draft.labels.update(_pairs(rest, draft.variables()))

    def _expose(self, draft: _Draft, rest: str) -> None:
        draft.ports += [substitute(word, draft.variables()) for word in rest.split()]

    def _workdir(self, draft: _Draft, rest: str) -> None:
        draft.workdir = _join(draft.workdir, substitute(rest, draft.variables()))
        draft.steps.append(draft.workdir)

    def _cmd(self, draft: _Draft, rest: str) -> None:
        draft.cmd = _command(rest)
        draft.own_cmd = True

    def _entrypoint(self, draft: _Draft, rest: str) -> None:
        draft.entrypoint = _command(rest)
        if not draft.own_cmd:
            draft.cmd = None  # an inherited CMD belongs to the inherited ENTRYPOINT

    def _copy(self, draft: _Draft, rest: str) -> None:
        stage, mode = None, None
        while rest.startswith("--"):
            flag, _, rest = rest.partition(" ")
            rest = rest.strip()
            name, _, value = flag.partition("=")
            value = substitute(value, draft.variables())
            match name:
                case "--from":
                    stage = value.lower()
                case "--chmod":
                    if not re.fullmatch(r"0?[0-7]{3}", value):
                        raise ValueError(f"{flag}: pocket takes a mode of three octal digits")
                    mode = int(value, 8)
                case "--chown":
                    self._notes.append(f"{self._name}:{self._line}: --chown has no effect on pocket")
                case "--link":
                    pass  # about layers only
                case _:
                    raise ValueError(f"{name}: not supported by pocket")
        words = _json_words(rest)
        words = [substitute(word, draft.variables()) for word in (words if words is not None else rest.split())]
        if len(words) < 2:
            raise ValueError("it needs a source and a target")
        *sources, target = words
        folder = target.endswith(("/", "/.", "/..")) or target in (".", "..")
        if len(sources) > 1 and not folder:
            raise ValueError(f"with more than one source the target must be a folder: write {target}/")
        joined = _join(draft.workdir, target)
        target = joined if joined == "/" or not folder else joined + "/"
        draft.steps.append(Copy(self._line, tuple(sources), target, stage, mode))


def _command(rest: str) -> tuple[str, ...]:
    words = _json_words(rest)
    if words is None and rest.startswith("["):
        raise ValueError(f"{rest}: the exec form is a JSON list of strings in double quotes")
    return tuple(words) if words is not None else ("/bin/sh", "-c", rest)


def _json_words(rest: str) -> list[str] | None:
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _pairs(rest: str, variables: Mapping[str, str]) -> dict[str, str]:
    """`KEY=value KEY2="two words"`, or the old `KEY the rest of the line`."""
    first = rest.split(maxsplit=1)
    if "=" not in first[0]:
        if len(first) < 2:
            raise ValueError(f"{rest}: write it KEY=VALUE")
        return {first[0]: substitute(first[1], variables)}
    pairs = {}
    for word in _words(rest):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{word}: write it KEY=VALUE")
        pairs[substitute(_unquote(key, {}), variables)] = _unquote(value, variables)
    return pairs


def _words(text: str) -> Sequence[str]:
    """Split at blanks outside quotes; quotes and backslashes stay."""
    lexer = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
    words = lexer.findall(text)
    if lexer.sub("", text).strip():
        raise ValueError(f"{text}: a quote is not closed")
    return words


def _unquote(text: str, variables: Mapping[str, str]) -> str:
    """Variables are replaced in plain and in double quoted text, not between single quotes."""
    result = []
    for part in re.findall(r"""'[^']*'|"(?:[^"\\]|\\.)*"|(?:[^"'\\]|\\.)+""", text, re.DOTALL):
        if part.startswith("'"):
            result.append(part[1:-1])
            continue
        quoted = part.startswith('"')
        value = substitute(part[1:-1] if quoted else part, variables)
        result.append(re.sub(r'\\(["\\$])' if quoted else r"\\(.)", r"\1", value))
    return "".join(result)


def _join(folder: str, path: str) -> str:
    """`path` seen from `folder`, absolute, without `.` and `..`."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def markdown() -> str:
    """The table of instructions for docs/pocket.md."""
    lines = ["| instruction | what pocket does | remark |", "|---|---|---|"]
    lines += [f"| `{name}` | {effect} | {remark} |" for name, (effect, remark) in INSTRUCTIONS.items()]
    return "\n".join(lines) + "\n"
