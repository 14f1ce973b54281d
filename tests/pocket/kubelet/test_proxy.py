"""Pods with a real Envoy beside them, and the gateway."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import aiohttp
import psutil
import pytest

from pocket import processes
from pocket.kubelet import records
from pocket.mesh.revision import revision
from pocket.objects import Obj, condition, is_ready, name_of
from pocket.programs import envoy
from tests.pocket.cluster import DOCKERFILE, NAMESPACE, Cluster, live, node_port, pod_spec


def meshed(test: Callable[[Cluster], Any]) -> Callable[[Cluster], None]:
    """A test as a coroutine, with the cluster and its Envoys running."""
    run = live(test)

    def with_envoys(cluster: Cluster) -> None:
        cluster.with_envoys()
        run(cluster)

    with_envoys.__name__ = run.__name__
    return with_envoys


def service(cluster: Cluster, name: str = "app", **spec: object) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return cluster.create("Service", name, {"selector": {"app": name}, "ports": ports, **spec})


async def through(proxy: str, url: str) -> tuple[int, str]:
    """Ask as an application does that has http_proxy set."""
    async with aiohttp.ClientSession() as session, session.get(url, proxy=proxy) as response:
        return response.status, await response.text()


def proxy_pid(cluster: Cluster, pod: str, name: str = "istio-proxy") -> int:
    """The Envoy itself, below its shim."""
    pids = [pid for pid, mark in processes.marked(f"{cluster.home}:pod/{NAMESPACE}/{pod}/{name}#")]
    return max(pids)


@meshed
async def test_sidecars(cluster: Cluster) -> None:
    service(cluster)
    cluster.deployment(env={"WORD": "hello"})
    cluster.pod("client")
    await cluster.until_rolled_out()
    await cluster.until_ready("client")
    pod = cluster.get("Pod", "client")
    assert [entry["name"] for entry in pod["spec"]["containers"]] == ["app", "istio-proxy"]
    assert [entry["ready"] for entry in pod["status"]["containerStatuses"]] == [True, True]
    env = cluster.kubelet.exec_context(pod, "app").env
    way_out = env["http_proxy"]
    assert await through(way_out, "http://app/") == (200, "hello")
    assert await through(way_out, f"http://app.{NAMESPACE}.svc.cluster.local:80/") == (200, "hello")
    assert await cluster.ask("client") == (200, "")  # others come in through its sidecar
    (proxy,) = [entry for entry in cluster.kubelet.proxies() if entry.name == "client"]
    record = records.load(cluster.folder("client"))
    assert record is not None
    assert record.containers["istio-proxy"].revision == revision(envoy())
    assert proxy.inbound[0].listen_port == cluster.port("client")
    assert proxy.inbound[0].app_port == int(env["PORT"])
    assert env["DYNAMODB_URL"] == f"http://127.0.0.1:{proxy.substitutes[0].listen_port}"
    assert proxy.substitutes[0].target_port == cluster.settings.emulator_port
    assert (env["APP_SERVICE_HOST"], env["APP_SERVICE_PORT"]) == ("app", "80")


@meshed
async def test_an_application_on_a_socket(cluster: Cluster) -> None:
    """Of an image that says it can; who comes by its sidecar finds it, and nobody else does."""
    service(cluster)
    cluster.build(DOCKERFILE + 'LABEL io.c756.listens="unix"\n')
    cluster.pod("app", env={"WORD": "hidden"}, labels={"app": "app"})
    cluster.pod("client", command=["python", "-S", "app.py"])  # for all that pocket knows, another program
    for name in ("app", "client"):
        await cluster.until_ready(name)
    env = cluster.kubelet.exec_context(cluster.get("Pod", "app"), "app").env
    socket = cluster.folder("app") / "8000.sock"
    assert cluster.kubelet.port_address(cluster.get("Pod", "app"), 8000) == socket
    assert (env["HOST"], cluster.folder("app").stat().st_mode & 0o77) == ("unix:../../../8000.sock", 0)
    assert await word(cluster, "client", "http://app/") == (200, "hidden")
    assert await cluster.ask("app") == (200, "hidden")  # by its sidecar
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(env["PORT"]))
    assert cluster.kubelet.exec_context(cluster.get("Pod", "client"), "app").env["HOST"] == "127.0.0.1"
    await cluster.crash("app")
    await cluster.until_restarted(1, "app")
    await cluster.until_ready("app")
    assert await word(cluster, "client", "http://app/") == (200, "hidden")


@meshed
async def test_a_way_out_is_its_pods_own(cluster: Cluster) -> None:
    """With a sidecar and without: who has not the password gets nothing, and it is told to nobody else."""
    service(cluster)
    cluster.pod("app", labels={"app": "app"})
    cluster.create("Pod", "outside", pod_spec(), metadata={"annotations": {"sidecar.istio.io/inject": "false"}})
    for name in ("app", "outside"):
        await cluster.until_ready(name)
        env = cluster.kubelet.exec_context(cluster.get("Pod", name), "app").env
        assert await through(env["http_proxy"], "http://app/") == (200, "")
        record = records.load(cluster.folder(name))
        assert record is not None
        assert record.password in env["http_proxy"]
        for user in ("", "pod:wrong@"):
            status, _ = await through(f"http://{user}127.0.0.1:{record.outbound_port}", "http://app/")
            assert status == 407
        told = [*cluster.folder(name).glob("*/*.log"), *cluster.folder(name).rglob("*.times")]
        assert not any(record.password in path.read_text(errors="replace") for path in told)
        assert record.password not in str(cluster.get("Pod", name))
        assert not any(record.password in " ".join(psutil.Process(pid).cmdline())
                       for pid, _ in processes.marked(f"{cluster.home}:"))  # fmt: skip


@meshed
async def test_rollouts_and_scaling_lose_no_request(cluster: Cluster) -> None:
    service(cluster)
    cluster.deployment(replicas=2, env={"WORD": "one"})
    cluster.pod("client")
    await cluster.until_rolled_out()
    await cluster.until_ready("client")
    env = cluster.kubelet.exec_context(cluster.get("Pod", "client"), "app").env
    words: list[tuple[int, str]] = []
    stop = asyncio.Event()

    async def client() -> None:
        async with aiohttp.ClientSession() as session:
            while not stop.is_set():
                async with session.get("http://app/", proxy=env["http_proxy"]) as response:
                    words.append((response.status, await response.text()))

    clients = [asyncio.create_task(client()) for _ in range(4)]

    def change(deployment: Obj) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "two"

    cluster.store.modify("Deployment", NAMESPACE, "app", change)
    await cluster.until_rolled_out()
    for replicas in (3, 1):
        cluster.scale("app", replicas)
        await cluster.until_rolled_out()
    stop.set()
    await asyncio.gather(*clients)
    assert {status for status, _ in words} == {200}
    assert {word for _, word in words} == {"one", "two"}
    assert words[-1] == (200, "two")


@meshed
async def test_an_envoy_that_dies_is_started_again(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    os.kill(proxy_pid(cluster, "p"), signal.SIGKILL)
    await cluster.until(lambda: cluster.status(container=1).get("restartCount") == 1, "a restart of Envoy")
    await cluster.until_ready()
    assert cluster.status()["restartCount"] == 0
    assert await cluster.ask() == (200, "")


@meshed
async def test_an_envoy_that_the_mesh_could_not_reach_at_first_is_asked_again(cluster: Cluster) -> None:
    mesh = cluster.real_mesh
    assert mesh is not None
    failures = [OSError(28, "No space left on device"), OSError(28, "No space left on device")]
    sync = mesh.sync

    async def fails_at_first() -> None:
        if failures:
            raise failures.pop()
        await sync()

    mesh.sync = fails_at_first  # type: ignore[method-assign]
    cluster.pod()
    await cluster.until_ready()
    assert failures == []
    assert cluster.status(container=1)["restartCount"] == 0


@meshed
async def test_a_sidecar_ends_with_its_job(cluster: Cluster) -> None:
    container = {"name": "work", "image": "example.org/app:v1", "command": ["sh", "-c", "echo $http_proxy; exit $CODE"]}
    for name, code in (("good", "0"), ("bad", "3")):
        spec = {"restartPolicy": "Never", "containers": [{**container, "env": [{"name": "CODE", "value": code}]}]}
        cluster.create("Job", name, {"completions": 1, "backoffLimit": 0, "template": {"metadata": {}, "spec": spec}},
                       version="batch/v1")  # fmt: skip
    await cluster.until(lambda: condition(cluster.get("Job", "good"), "Complete"), "the good Job to complete")
    await cluster.until(lambda: condition(cluster.get("Job", "bad"), "Failed"), "the bad Job to fail")
    pods = {pod["metadata"]["labels"]["job-name"]: pod for pod in cluster.pods()}
    phases = {name: pod["status"]["phase"] for name, pod in pods.items()}
    assert phases == {"good": "Succeeded", "bad": "Failed"}
    log = cluster.kubelet.log_file(pods["good"], "work", False)
    assert re.match(r"http://pod:[\w-]{43}@127\.0\.0\.1:\d+$", log.read_text().strip())
    await cluster.until(lambda: processes.marked(f"{cluster.home}:") == [], "the Envoys to end with the Jobs")
    assert cluster.kubelet.proxies() == []


@meshed
async def test_a_pod_may_do_without(cluster: Cluster) -> None:
    spec = pod_spec()
    meta = {"labels": {"app": "p"}, "annotations": {"sidecar.istio.io/inject": "false"}}
    cluster.create("Pod", "p", spec, metadata=meta)
    await cluster.until_ready()
    pod = cluster.get("Pod", "p")
    assert [entry["name"] for entry in pod["spec"]["containers"]] == ["app"]
    assert [entry["name"] for entry in pod["status"]["containerStatuses"]] == ["app"]
    assert [proxy.mode for proxy in cluster.kubelet.proxies()] == ["plain"]
    messages = [event["message"] for event in cluster.store.list("Event", NAMESPACE)]
    assert not any(".services" in message for message in messages), messages
    cluster.delete("p", grace=5)
    await cluster.until_gone()
    assert processes.marked(f"{cluster.home}:") == []


async def word(cluster: Cluster, pod: str, url: str) -> tuple[int, str]:
    """What an application in `pod` gets from `url`."""
    env = cluster.kubelet.exec_context(cluster.get("Pod", pod), "app").env
    return await through(env["http_proxy"], url)


@meshed
async def test_a_namespace_that_leaves_the_mesh_and_comes_back(cluster: Cluster) -> None:
    """What was there keeps its sidecar, what is made anew is as the label says, and both find each other."""
    service(cluster)
    cluster.deployment(env={"WORD": "hello"})
    cluster.pod("inside")
    for label, containers, mode in ((None, 1, "plain"), ("enabled", 2, "sidecar")):
        await cluster.until_rolled_out()

        def relabel(namespace: Obj, value: str | None = label) -> None:
            namespace["metadata"]["labels"] = {"istio-injection": value} if value else {}

        cluster.store.modify("Namespace", None, NAMESPACE, relabel)
        outside = f"client-{mode}"
        cluster.pod(outside)

        def restart(deployment: Obj, at: str = mode) -> None:
            deployment["spec"]["template"]["metadata"]["annotations"] = {"restartedAt": at}

        cluster.store.modify("Deployment", NAMESPACE, "app", restart)
        await cluster.until_rolled_out()
        await cluster.until_ready(outside)
        (served,) = cluster.store.list("Pod", NAMESPACE, {"app": "app"})
        assert len(served["spec"]["containers"]) == containers
        assert {proxy.mode for proxy in cluster.kubelet.proxies() if proxy.name != "inside"} == {mode}
        for client in ("inside", outside):
            for url in ("http://app/", f"http://app.{NAMESPACE}.svc.cluster.local:80/"):
                assert await word(cluster, client, url) == (200, "hello"), (client, url)
        cluster.delete(outside, grace=5)
        await cluster.until_gone(outside)


@meshed
async def test_a_gateway_listens_on_its_services_node_port(cluster: Cluster) -> None:
    listen = node_port()
    service(cluster)
    labels = {"istio": "ingressgateway"}
    ports = [{"name": "http2", "port": 80, "targetPort": 8080, "nodePort": listen}]
    cluster.create("Service", "gw", {"type": "NodePort", "selector": labels, "ports": ports})
    spec = {"terminationGracePeriodSeconds": 5, "containers": [{"name": "istio-proxy", "image": "auto"}]}
    meta = {"labels": labels, "annotations": {"inject.istio.io/templates": "gateway"}}
    cluster.create("Pod", "gw", spec, metadata=meta)
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    gateway = {"selector": labels, "servers": [{"port": port, "hosts": ["*"]}]}
    cluster.create("Gateway", "gw", gateway, version="networking.istio.io/v1")
    route = {"hosts": ["*"], "gateways": ["gw"], "http": [{"route": [{"destination": {"host": "app"}}]}]}
    cluster.create("VirtualService", "vs", route, version="networking.istio.io/v1")
    cluster.deployment(env={"WORD": "inside"})
    await cluster.until_rolled_out()
    await cluster.until_ready("gw")
    status = cluster.status("gw")
    assert (status["name"], status["ready"]) == ("istio-proxy", True)

    async def ask(host: str = f"127.0.0.1:{listen}") -> tuple[int, str]:
        headers = {"Host": host}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{listen}/", headers=headers) as response,
        ):
            return response.status, await response.text()

    answers: list[tuple[int, str]] = []
    async with asyncio.timeout(20):  # the routes are pushed a moment after the objects have changed
        while not answers or answers[-1] != (200, "inside"):
            answers.append(await ask())
    for host in ("localhost", f"LOCALHOST:{listen}", "a.b.localhost", "[::1]:80", "10.1.2.3", f"gw.{NAMESPACE}.svc"):
        assert await ask(host) == (200, "inside"), host
    foreign = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil", "gw.evil.example")
    for host in foreign:
        code, said = await ask(host)
        assert (code, "DNS rebinding" in said) == (421, True), host
    own = cluster.get("Service", "gw")
    for allowed, wanted in (("shop.example, *.evil.example", [False, True, True, False, True]), ("*", [True] * 5)):
        own["metadata"].setdefault("annotations", {})["pocket/hosts"] = allowed
        cluster.store.update(own)
        async with asyncio.timeout(20):
            while (known := [(await ask(host))[0] == 200 for host in foreign]) != wanted:
                await asyncio.sleep(0.1)
        assert known == wanted
        own = cluster.get("Service", "gw")
    endpoints = cluster.get("Endpoints", "gw")
    assert endpoints["subsets"][0]["ports"][0]["port"] == listen
    context = cluster.kubelet.exec_context(cluster.get("Pod", "gw"), "istio-proxy")
    command = ["pilot-agent", "request", "GET", "server_info"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=context.cwd, env=context.env, capture_output=True, text=True, check=False
    )
    assert '"state": "LIVE"' in done.stdout, done.stderr
    cluster.delete("gw", grace=5)
    await cluster.until_gone("gw")
    assert [name_of(pod) for pod in cluster.pods() if is_ready(pod)] == [name_of(cluster.pods()[0])]


@pytest.mark.parametrize("inject", ["true", "false"])
def test_envoys_run_on_when_the_control_process_has_died(cluster: Cluster, inject: str) -> None:
    cluster.with_envoys()
    name = "istio-proxy" if inject == "true" else ".services"
    unready: list[str] = []

    async def first() -> tuple[int, int]:
        async with cluster.running(stop=False):
            labels = {"app": "p", "sidecar.istio.io/inject": inject}
            cluster.pod(labels=labels)
            await cluster.until_ready()
            return proxy_pid(cluster, "p", name), cluster.port("p")

    pid, port = asyncio.run(first())
    after = Cluster(cluster.home, cluster.settings.port_base)
    after.with_envoys()
    after.store.listen(
        lambda event: unready.append(event.type)
        if event.object["kind"] == "Pod" and not is_ready(event.object)
        else None
    )

    async def second() -> None:
        async with after.running():
            await after.until(lambda: after.kubelet.proxies(), "the Envoy to be found")
            assert (proxy_pid(after, "p", name), after.port("p")) == (pid, port)
            assert await after.ask() == (200, "")
            assert is_ready(after.get("Pod", "p"))
            assert [entry["restartCount"] for entry in after.get("Pod", "p")["status"]["containerStatuses"]][-1] == 0
            assert unready == [], "not for a moment"

    asyncio.run(second())


@meshed
async def test_an_unknown_word_to_pilot_agent(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    context = cluster.kubelet.exec_context(cluster.get("Pod", "p"), "istio-proxy")
    done = await asyncio.to_thread(
        subprocess.run, ["pilot-agent", "wait"], env=context.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "usage: pilot-agent request METHOD PATH" in done.stderr
