"""Prometheus as the API server reaches it: on a Unix socket of its owner's, where nobody is asked for the password.

`kubectl port-forward service/prometheus` and `services/prometheus/proxy` end here: who comes this way has shown the API
server who he is, and programs that ask Prometheus without a password, as Kiali and Flagger do, get their answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from pocket import credentials, sockets
from pocket.api.proxying import pass_on
from pocket.mesh.model import LOCALHOST
from pocket.settings import Settings


@contextlib.asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[None]:
    """Answer as long as the block runs."""

    async def handle(request: web.Request) -> web.StreamResponse:
        known = {"Authorization": credentials.prometheus_authorization(settings)}
        return await pass_on(request, (LOCALHOST, settings.prometheus_port), request.path.removeprefix("/"), known)

    app = web.Application()
    app.router.add_route("*", "/{_:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        with sockets.place(settings.prometheus_socket) as path:
            await web.UnixSite(runner, path).start()
            settings.prometheus_socket.chmod(0o600)
            yield
    finally:
        await runner.cleanup()
