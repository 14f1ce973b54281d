"""The control process: API server, controllers, kubelet and the mesh's delivery, in one asyncio loop.

It owns no traffic: pods, Envoys, Prometheus and the emulator are processes of their own that run on when it dies.
SIGTERM ends it and leaves them running; `python -m pocket stop` then stops them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from pocket import backup, builtin, istiod, parts, prometheus, supervisor, tls
from pocket.admission import MeshAdmission
from pocket.api.catalog import Catalog
from pocket.api.server import bootstrap_objects, make_app
from pocket.controllers import Controllers
from pocket.controllers.autoscaler import Autoscaler
from pocket.kubelet import Kubelet
from pocket.mesh.deliver import Delivery
from pocket.mesh_sync import MeshSync
from pocket.settings import Settings, from_environment
from pocket.store import Store, StoreError
from pocket.tokens import Tokens

_LOG = logging.getLogger("pocket")
_CLOSE_WITHIN = 2.0  # seconds that watches and followed logs get to end


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises what a part raises."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    store = Store(settings.store_file)
    try:
        backup.keep(settings.store_file)
    except (OSError, sqlite3.Error) as error:  # a full disk: the copy from before is still there
        _LOG.warning("no copy of %s is kept: %s", settings.store_file, error)
    kubelet = Kubelet(store, settings)
    delivery = Delivery(settings.xds_socket)
    mesh = MeshSync(settings, store, kubelet, delivery)
    bootstrap_objects(store, tls.ensure_certificate(settings.tls)[0].read_text())
    builtin.ensure(store, settings)
    kinds = Catalog(store)
    async with (
        istiod.listening(settings, delivery.connections),
        prometheus.listening(settings),
        _listening(settings, store, kinds, kubelet, mesh),
        asyncio.TaskGroup() as group,
    ):
        running = [
            group.create_task(kubelet.run(mesh)),
            group.create_task(mesh.run()),
            group.create_task(Controllers(store, kubelet.pod_endpoints).run()),
            group.create_task(Autoscaler(store, kinds, kubelet.usage).run()),
            group.create_task(supervisor.keep_running(settings, parts.emulator(settings))),
            group.create_task(supervisor.keep_running(settings, parts.prometheus(settings))),
            group.create_task(supervisor.rotate_logs(settings)),
        ]
        _LOG.info("ready at %s", settings.api_url)
        await stop.wait()
        for task in running:
            task.cancel()
    store.close()


@contextlib.asynccontextmanager
async def _listening(
    settings: Settings, store: Store, kinds: Catalog, kubelet: Kubelet, mesh: MeshSync
) -> AsyncIterator[None]:
    """The API server, on loopback, under TLS."""
    _, certificate, key = tls.ensure_certificate(settings.tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app = make_app(
        store,
        kubelet,
        token=tls.ensure_token(settings.token_file),
        admission=MeshAdmission(mesh.snapshot),
        tokens=Tokens(settings.account_key),
        kinds=kinds,
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", settings.api_port, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


def main() -> int:
    """Returns the exit code."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        # Started in the background it would ignore some of these, and every pod and `kubectl exec` after it.
        signal.signal(number, signal.SIG_DFL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(from_environment()))
    except StoreError as error:  # a person reads this as the last line of our log
        _LOG.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
