"""`kubectl exec`: a command in a container's files and environment, its streams in a client's channels."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import os
import signal
import struct
import termios
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pocket import rootfs
from pocket.api import channels, containers, errors, podstreams, prompt
from pocket.api import web as w
from pocket.api.channels import CLOSE, RESIZE, STDERR, STDIN, STDOUT
from pocket.api.contracts import ExecContext, PodRuntime
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.files import Outside
from pocket.objects import Obj, name_of

_CHUNK = 32 * 1024  # bytes
_HANGUP = 2.0  # seconds that a command has after SIGHUP, when its client has gone, before SIGKILL

# A session leader that opens a terminal makes it its own: this is how a shell gets job control, without code of ours
# between fork and exec. Only builtins, since PATH is the container's.
_ON_TERMINAL = 'terminal=$1; shift; exec "$@" <>"$terminal" >&0 2>&0'


@dataclass(frozen=True)
class Options:
    """What the client asks for."""

    command: list[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


@dataclass
class _Session:
    """One command and its connection."""

    connection: channels.Connection
    options: Options
    process: asyncio.subprocess.Process
    terminal: int = -1  # our side of the terminal; -1 without
    closers: list[Callable[[], None]] = field(default_factory=list)


class Exec:
    """The subresource `exec` of pods."""

    def __init__(self, registry: Registry, runtime: PodRuntime, streams: set[asyncio.Task[object]]) -> None:
        self._registry = registry
        self._runtime = runtime
        self._streams = streams

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        pod, version = self._registry.get(target), self._registry.store.version
        options = _options(request)
        container = containers.choose(pod, request.query.get("container", ""))
        containers.refuse_exec(pod, container)
        try:
            context = self._runtime.exec_context(pod, container)
        except LookupError as error:
            raise errors.ApiError(500, "InternalError", f"Internal error occurred: {error}") from None
        if context.root is not None:
            try:
                command = rootfs.command(context.root, options.command, context.cwd)
                options = dataclasses.replace(options, command=command)
            except Outside as error:
                raise errors.bad_request(str(error)) from None
        async with channels.opened(request) as (connection, response):
            if connection is not None:
                with podstreams.registered(self._streams):
                    await self._run(connection, options, context, pod, version)
        return response

    async def _run(
        self, connection: channels.Connection, options: Options, context: ExecContext, pod: Obj, version: int
    ) -> None:
        """Start the command, carry its streams, tell how it ended; it does not outlive its pod.

        `version`: the store's when the pod was known to be there.
        """
        try:
            session = await _start(connection, options, context, name_of(pod))
        except OSError as error:
            await channels.finish(connection, _not_started(options.command[0], error))
            return
        process = session.process
        ended = asyncio.ensure_future(process.wait())
        output = [asyncio.ensure_future(part) for part in _outputs(session)]
        gone = asyncio.ensure_future(_read_client(session))
        removed = asyncio.ensure_future(podstreams.removed(self._registry.store, pod, version))
        try:
            await asyncio.wait({ended, gone, removed}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                # Children may hold the pipes open for long; what the command itself wrote is there at once.
                await asyncio.wait(output, timeout=1.0) if output else None
                await channels.finish(connection, _status_of(process.returncode or 0))
            elif removed.done():
                _kill(process, signal.SIGKILL)
                await channels.finish(connection, _status_of(128 + signal.SIGKILL))
        finally:
            for part in (*output, gone, removed):
                part.cancel()
            await asyncio.gather(*output, gone, removed, return_exceptions=True)
            for close in session.closers:
                close()
            await _end(process)
            await asyncio.gather(ended, return_exceptions=True)


def _options(request: web.Request) -> Options:
    command = request.query.getall("command", [])
    if not command:
        raise errors.bad_request("you must specify at least 1 command")
    tty = w.flag(request, "tty")
    options = Options(
        command,
        stdin=w.flag(request, "stdin"),
        stdout=w.flag(request, "stdout"),
        stderr=w.flag(request, "stderr") and not tty,
        tty=tty,
    )
    if not (options.stdin or options.stdout or options.stderr):
        raise errors.bad_request("you must specify at least one of stdin, stdout, stderr")
    return options


async def _start(connection: channels.Connection, options: Options, context: ExecContext, pod: str) -> _Session:
    """Start the command in a session of its own. Raises OSError."""
    if not options.tty:
        process = await asyncio.create_subprocess_exec(
            *options.command,
            cwd=context.cwd,
            env=context.env,
            stdin=asyncio.subprocess.PIPE if options.stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if options.stdout else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE if options.stderr else asyncio.subprocess.DEVNULL,
            start_new_session=True,
            limit=_CHUNK,
        )
        return _Session(connection, options, process)
    ours, theirs = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _ON_TERMINAL, "exec", os.ttyname(theirs), *options.command,
            cwd=context.cwd,
            env={"TERM": "xterm", **prompt.variables(pod, context.cwd, context.root), **context.env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return _Session(connection, options, process, ours, [lambda: os.close(ours)])


def _outputs(session: _Session) -> list[Coroutine[Any, Any, None]]:
    """The coroutines that carry what the command writes."""
    if session.terminal >= 0:
        return [_from_terminal(session)]
    process = session.process
    pairs = ((STDOUT, process.stdout), (STDERR, process.stderr))
    return [_from_pipe(session.connection, channel, pipe) for channel, pipe in pairs if pipe is not None]


async def _from_pipe(connection: channels.Connection, channel: int, pipe: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await pipe.read(_CHUNK):
            await connection.send(channel, chunk)


async def _from_terminal(session: _Session) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(session.terminal, readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            try:
                chunk = os.read(session.terminal, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:
                return  # EIO: nobody has the terminal open any more
            if not chunk:
                return
            await session.connection.send(STDOUT, chunk)
            readable.set()  # there may be more: a level-triggered reader would tell us, but only in the next round
    except ConnectionError:
        return
    finally:
        loop.remove_reader(session.terminal)


async def _read_client(session: _Session) -> None:
    """Carry the client's input to the command; returns when the client has gone."""
    async for channel, data in session.connection.messages():
        if channel == STDIN and session.options.stdin:
            await _to_command(session, data)
        elif channel == RESIZE and session.terminal >= 0:
            _resize(session.terminal, data)
        elif channel == CLOSE and data[:1] == bytes([STDIN]):
            await _end_of_input(session)


async def _to_command(session: _Session, data: bytes) -> None:
    if session.terminal >= 0:
        await _to_terminal(session.terminal, data)
        return
    pipe = session.process.stdin
    if pipe is None:
        return
    with contextlib.suppress(ConnectionError):  # the command reads no more
        pipe.write(data)
        await pipe.drain()


async def _to_terminal(terminal: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    while data:
        try:
            data = data[os.write(terminal, data) :]
        except BlockingIOError:
            writable = asyncio.Event()
            loop.add_writer(terminal, writable.set)
            try:
                await writable.wait()
            finally:
                loop.remove_writer(terminal)
        except OSError:
            return  # the command has ended


async def _end_of_input(session: _Session) -> None:
    if session.terminal >= 0:
        await _to_terminal(session.terminal, b"\x04")  # what a person types for the end of input
    elif session.process.stdin is not None:
        session.process.stdin.close()


def _resize(terminal: int, data: bytes) -> None:
    try:
        size = json.loads(data)
        packed = struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0)
    except (ValueError, KeyError, TypeError, struct.error):
        return  # a size that makes no sense changes nothing
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def _kill(process: asyncio.subprocess.Process, number: int) -> None:
    """Signal the command's own group; it is the leader of a session that we made for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _end(process: asyncio.subprocess.Process) -> None:
    """See to it that the command and its group end: SIGHUP as from a terminal that is gone, then SIGKILL."""
    if process.returncode is not None:
        return
    _kill(process, signal.SIGHUP)
    try:
        async with asyncio.timeout(_HANGUP):
            await process.wait()
    except TimeoutError:
        _kill(process, signal.SIGKILL)
        await process.wait()


def _status_of(code: int) -> Obj:
    """The Status that tells an exit code; a negative one is a signal, told as a shell tells it."""
    code = 128 - code if code < 0 else code
    if code == 0:
        return channels.SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(program: str, error: OSError) -> Obj:
    known = isinstance(error, FileNotFoundError)
    why = f'exec: "{program}": executable file not found in $PATH' if known else f'exec: "{program}": {error.strerror}'
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": f"Internal error occurred: error executing command in container: {why}",
        "code": 500,
    }
