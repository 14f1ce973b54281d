from pathlib import Path

import pytest

from pocket.images.store import Config, Entry, ImageStore, ImageUnknown


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def add(store: ImageStore, tmp_path: Path, tag: str, text: str) -> str:
    source = tmp_path / "source"
    source.write_text(text)
    config = Config({"A": "1"}, "/code", ("e",), None, ("80",), {"l": "x"})
    entries = {"code": Entry("dir"), "code/file": Entry("file", 0o444, store.add_file(source))}
    return store.add_image(tag, entries, config)


def test_tags(store: ImageStore, tmp_path: Path) -> None:
    tag = "ghcr.io/OWNER/cmpt756s2:v2"
    digest = add(store, tmp_path, tag, "two")
    assert store.resolve(tag) == digest
    assert store.resolve(f"{tag}@{digest}") == digest
    assert store.resolve(digest) == digest
    assert [(image.tag, image.digest) for image in store.list()] == [(tag, digest)]
    newer = add(store, tmp_path, tag, "newer")
    assert store.resolve(tag) == newer != digest
    assert store.resolve(f"{tag}@{digest}") == digest


def test_latest_is_the_tag_of_what_has_none(store: ImageStore, tmp_path: Path) -> None:
    digest = add(store, tmp_path, "localhost:5000/app", "x")
    assert store.resolve("localhost:5000/app:latest") == digest


def test_an_unknown_image_says_how_to_build_it(store: ImageStore) -> None:
    with pytest.raises(ImageUnknown, match=r"x/y:1.*has not been built.*pocket build -t x/y:1"):
        store.resolve("x/y:1")
    with pytest.raises(ImageUnknown, match="no image with that digest"):
        store.resolve("x/y:1@sha256:00")
    with pytest.raises(ImageUnknown, match="is no image name"):
        store.resolve("x y")


def test_configuration_comes_back(store: ImageStore, tmp_path: Path) -> None:
    digest = add(store, tmp_path, "x", "x")
    assert store.config(digest) == Config({"A": "1"}, "/code", ("e",), None, ("80",), {"l": "x"})


def test_each_copy_is_its_owners(store: ImageStore, tmp_path: Path) -> None:
    digest = add(store, tmp_path, "x", "content")
    for name in ("one", "two"):
        store.checkout(digest, tmp_path / name)
    file = tmp_path / "one" / "code" / "file"
    assert file.stat().st_mode & 0o200  # though the image has it read-only
    file.write_text("changed")
    store.checkout(digest, tmp_path / "three")
    assert (tmp_path / "two" / "code" / "file").read_text() == "content"
    assert (tmp_path / "three" / "code" / "file").read_text() == "content"


def test_prune_keeps_tags_and_what_is_in_use(store: ImageStore, tmp_path: Path) -> None:
    used, lost, tagged = (add(store, tmp_path, "x", text) for text in ("used", "lost", "tagged"))
    assert store.prune(in_use=[used]) == (lost,)
    store.checkout(used, tmp_path / "out")
    with pytest.raises(ImageUnknown):
        store.config(lost)
    assert len(list((tmp_path / "images" / "blobs").iterdir())) == 2
    store.remove("x")
    assert set(store.prune()) == {used, tagged}
    assert list((tmp_path / "images" / "blobs").iterdir()) == []
