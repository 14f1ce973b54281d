import sys
from pathlib import Path

import pytest

import pocket.unpack
from pocket.files import Outside
from pocket.rootfs import command, inside


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("/code/app.py", "{root}/code/app.py"),
        ("/code/", "{root}/code/"),
        ("/bin/sh", "/bin/sh"),
        ("app.py", "app.py"),
        ("/", "/"),
        ("", ""),
        ("/code:/bin:/code/app.py", "{root}/code:/bin:{root}/code/app.py"),
        ("http://x:80/code", "http://x:80/code"),
        ("/code/../../outside", "/code/../../outside"),
        ("--file=/code/app.py", "--file=/code/app.py"),
    ],
)
def test_paths_of_the_container(tmp_path: Path, text: str, result: str) -> None:
    root = tmp_path / "rootfs"
    (root / "code").mkdir(parents=True)
    (root / "code" / "app.py").touch()
    (tmp_path / "outside").touch()
    assert inside(root, text) == result.format(root=root)


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("tar cf - /code/app.py", "tar cf - -C {root} code/app.py"),
        ("tar cf - /code/", "tar cf - -C {root} code"),
        ("tar cf - /volume", "tar cf - -C {root} volume/."),
        ("tar cf - app.py", "tar cf - -C {root}/code app.py"),
        ("tar cf - ../code", "tar cf - -C {root}/code ."),
        ("tar cf - /tmp/x", "tar cf - -C / tmp/x"),
        ("tar -xmf - -C /code", "{unpack} {root}/code {pod}"),
        ("tar -xmf - --no-same-owner -C /volume", "{unpack} {pod}/volume {pod}"),
        ("tar -xmf - -C .", "{unpack} {root}/code {pod}"),
        ("tar -xmf - -C /tmp/x", "{unpack} /tmp/x /tmp"),
        ("tar -xmf -", "{unpack} {root}/code {pod}"),
        ("cat /code/app.py", "cat {root}/code/app.py"),
    ],
)
def test_commands_of_kubectl_cp(tmp_path: Path, words: str, result: str) -> None:
    pod = tmp_path / "pods" / "uid"
    root = rootfs(pod)
    unpack = f"{sys.executable} -I -S {Path(pocket.unpack.__file__)}"
    expected = result.format(root=root, pod=pod, unpack=unpack)
    assert " ".join(command(root, words.split(), root / "code")) == expected


def rootfs(pod: Path) -> Path:
    root = pod / "web" / "rootfs"
    (root / "code").mkdir(parents=True)
    (root / "code" / "app.py").touch()
    (pod / "volume").mkdir()
    (root / "volume").symlink_to(pod / "volume")
    (root / "away").symlink_to("/etc")
    (pod.parent / "other").mkdir()
    return root


@pytest.mark.parametrize("path", ["/etc", "/away", "/away/x", "/code/../../..", f"{'../' * 20}etc", "/tmpfs", "/",
                                  "../../../../other"])  # fmt: skip
def test_cp_neither_reads_nor_writes_outside_of_the_pod(tmp_path: Path, path: str) -> None:
    root = rootfs(tmp_path / "pods" / "uid")
    for words in (["tar", "-xmf", "-", "-C", path], ["tar", "cf", "-", path]):
        with pytest.raises(Outside, match="has no"):
            command(root, words, root / "code")
