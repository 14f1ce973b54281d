"""What the kubelet does for all pods together."""

import pytest

from pocket.images import ImageUnknown
from pocket.kubelet.kubelet import manual_address
from tests.pocket.cluster import DOCKERFILE, IMAGE, Cluster, live


@live
async def test_long_logs_are_shortened_while_the_container_runs(cluster: Cluster) -> None:
    cluster.pod(env={"WORD": "x" * 500})
    await cluster.until_ready()
    cluster.kubelet.rotate_logs(limit=100)
    assert cluster.log() == ""
    older = cluster.folder() / "app" / "0.log.1"
    assert older.read_text().startswith("serving")
    await cluster.crash()
    await cluster.until_restarted(1)
    await cluster.until(lambda: cluster.log().startswith("serving"), "the new run to write")


def test_images_that_nobody_can_need_any_more_are_removed(cluster: Cluster) -> None:
    digests = [cluster.build(DOCKERFILE + f"ENV N={number}\n") for number in range(4)]
    lost, pinned, used, tagged = digests

    @live
    async def run(cluster: Cluster) -> None:
        cluster.create(
            "ReplicaSet",
            "old",
            {
                "replicas": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {}, "spec": {"containers": [{"name": "a", "image": f"{IMAGE}@{pinned}"}]}},
            },
            version="apps/v1",
        )
        cluster.pod(image=f"{IMAGE}@{used}")
        await cluster.until_ready()
        cluster.images.prune(cluster.kubelet._images_in_use())

    run(cluster)
    for digest in (pinned, used, tagged):
        assert cluster.images.config(digest).workdir == "/code"
    with pytest.raises(ImageUnknown):
        cluster.images.config(lost)


def test_addresses_that_somebody_wrote() -> None:
    subsets = [
        {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
    ]
    assert manual_address({"subsets": subsets}, "b") == ("127.0.0.1", 2)
    assert manual_address({"subsets": subsets}, None) == ("127.0.0.1", 1)
    assert manual_address({"subsets": subsets}, "c") is None
    assert manual_address({}, None) is None
