import base64
from pathlib import Path

import pytest

from pocket.kubelet import volumes
from pocket.kubelet.environment import ConfigError
from pocket.objects import Obj


def pod(*sources: Obj) -> Obj:
    named = [{"name": f"v{index}", **source} for index, source in enumerate(sources)]
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "x"}},
        "spec": {"volumes": named, "containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]},
    }


class Cluster(dict[tuple[str, str], Obj]):
    def __call__(self, kind: str, namespace: str | None, name: str) -> Obj | None:
        return self.get((kind, name))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(
        {
            ("ConfigMap", "c"): {"data": {"a": "1", "b": "2"}},
            ("Secret", "s"): {"data": {"password": base64.b64encode(b"hush").decode()}},
        }
    )


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_contents(tmp_path: Path, cluster: Cluster) -> None:
    volumes.prepare(
        pod(
            {"emptyDir": {}},
            {"configMap": {"name": "c"}},
            {"secret": {"secretName": "s", "items": [{"key": "password", "path": "deep/pw"}]}},
            {
                "projected": {
                    "sources": [
                        {"configMap": {"name": "c", "items": [{"key": "a", "path": "x"}]}},
                        {"serviceAccountToken": {"path": "token"}},
                        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    ]
                }
            },
            {
                "downwardAPI": {
                    "items": [{"path": "cpu", "resourceFieldRef": {"resource": "limits.cpu", "containerName": "c"}}]
                }
            },
        ),
        tmp_path,
        cluster,
        {"token": b"t"},
    )
    assert files(tmp_path) == {
        "v1/a": "1", "v1/b": "2", "v2/deep/pw": "hush",
        "v3/labels": 'app="x"', "v3/token": "t", "v3/x": "1", "v4/cpu": "2",
    }  # fmt: skip
    assert (tmp_path / "v0").is_dir()
    secret = tmp_path / "v2" / "deep" / "pw"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700


def test_changes_show_and_removed_keys_go(tmp_path: Path, cluster: Cluster) -> None:
    volumes.prepare(pod({"configMap": {"name": "c"}}, {"emptyDir": {}}), tmp_path, cluster, {})
    (tmp_path / "v1" / "kept").write_text("own")
    cluster["ConfigMap", "c"] = {"data": {"a": "changed"}}
    volumes.prepare(pod({"configMap": {"name": "c"}}, {"emptyDir": {}}), tmp_path, cluster, {})
    assert files(tmp_path) == {"v0/a": "changed", "v1/kept": "own"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"hostPath": {"path": "/"}}, 'volume "v0": hostPath: not supported by pocket'),
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "s", "items": [{"key": "no", "path": "x"}]}}, "non-existent secret key: no"),
        ({"configMap": {"name": "c", "items": [{"key": "a", "path": "../x"}]}}, "leads out of the volume"),
        ({"configMap": {"name": "c", "items": [{"key": "a", "path": "/x"}]}}, "leads out of the volume"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "/x"}}]}}, "leads out of the volume"),
        ({"downwardAPI": {"items": [{"path": "/x", "fieldRef": {"fieldPath": "metadata.name"}}]}}, "leads out"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "clusterTrustBundle: not supported"),
    ],
)
def test_refusals(tmp_path: Path, cluster: Cluster, source: Obj, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        volumes.prepare(pod(source), tmp_path, cluster, {})


def test_optional_ones_may_be_missing(tmp_path: Path, cluster: Cluster) -> None:
    volumes.prepare(pod({"configMap": {"name": "none", "optional": True}}), tmp_path, cluster, {})
    assert files(tmp_path) == {}


def test_mounts(tmp_path: Path, cluster: Cluster) -> None:
    there = pod({"configMap": {"name": "c"}}, {"emptyDir": {}})
    volumes.prepare(there, tmp_path / "volumes", cluster, {})
    rootfs = tmp_path / "rootfs"
    (rootfs / "etc" / "app").mkdir(parents=True)
    (rootfs / "etc" / "app" / "hidden").touch()
    container = {
        "volumeMounts": [
            {"name": "v0", "mountPath": "/etc/app"},
            {"name": "v0", "mountPath": "/one", "subPath": "a"},
            {"name": "v1", "mountPath": "/var/data/", "subPath": "made/here"},
        ]
    }
    volumes.mount(there, container, tmp_path / "volumes", rootfs)
    assert files(rootfs / "etc" / "app") == {"a": "1", "b": "2"}
    assert (rootfs / "one").read_text() == "1"
    (rootfs / "var" / "data" / "x").write_text("x")
    assert (tmp_path / "volumes" / "v1" / "made" / "here" / "x").read_text() == "x"
    assert volumes.mounted_at(container, "/var/data") == container["volumeMounts"][2]
    assert volumes.mounted_at(container, "/tmp") is None


@pytest.mark.parametrize("path", ["/", "/../x", "/away/x", "/away/deep/x"])
def test_impossible_mounts(tmp_path: Path, path: str) -> None:
    rootfs = tmp_path / "pod" / "web" / "rootfs"
    rootfs.mkdir(parents=True)
    (rootfs / "away").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="cannot mount there"):
        volumes.link_in(rootfs, path, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pod"]


def test_links_that_a_container_puts_into_a_volume_are_not_followed_out_of_it(tmp_path: Path, cluster: Cluster) -> None:
    there, outside = pod({"configMap": {"name": "c", "items": [{"key": "a", "path": "deep/a"}]}}), tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "volumes"
    volumes.prepare(there, place, cluster, {})
    (place / "v0" / "deep" / "a").unlink()
    (place / "v0" / "deep" / "a").symlink_to(outside / "a")
    volumes.prepare(there, place, cluster, {})
    assert not (place / "v0" / "deep" / "a").is_symlink()
    (place / "v0" / "deep" / "a").unlink()
    (place / "v0" / "deep").rmdir()
    (place / "v0" / "deep").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out of the volume"):
        volumes.prepare(there, place, cluster, {})
    container = {"name": "app", "volumeMounts": [{"name": "v0", "mountPath": "/d", "subPath": "deep/x"}]}
    message = 'failed to prepare subPath for volumeMount "v0" of container "app"'
    with pytest.raises(ConfigError, match=message):
        volumes.mount(there, container, place, tmp_path / "pod" / "web" / "rootfs")
    assert list(outside.iterdir()) == []


def test_unknown_volume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='no volume "x"'):
        volumes.mount(pod(), {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}, tmp_path, tmp_path)


def test_uses() -> None:
    there = pod({"secret": {"secretName": "s"}}, {"projected": {"sources": [{"configMap": {"name": "c"}}]}})
    assert volumes.uses(there, "Secret", "s")
    assert volumes.uses(there, "ConfigMap", "c")
    assert not volumes.uses(there, "ConfigMap", "s")
