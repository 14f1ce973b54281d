from pathlib import Path

import pytest

from pocket.rootfs import Outside, command, inside


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
        ("tar cf - /volume", "tar cf - -h -C {root} volume"),
        ("tar cf - code", "tar cf - code"),
        ("tar cf - /etc/hosts", "tar cf - /etc/hosts"),
        ("tar -xmf - -C /code", "tar -xmf - -C {root}/code"),
        ("tar -xmf - --no-same-owner -C /code", "tar -xmf - --no-same-owner -C {root}/code"),
        ("tar -xmf - -C .", "tar -xmf - -C ."),
        ("tar -xmf - -C /tmp/x", "tar -xmf - -C /tmp/x"),
        ("tar -xmf -", "tar -xmf -"),
        ("cat /code/app.py", "cat {root}/code/app.py"),
    ],
)
def test_commands_of_kubectl_cp(tmp_path: Path, words: str, result: str) -> None:
    root = tmp_path / "rootfs"
    (root / "code").mkdir(parents=True)
    (root / "code" / "app.py").touch()
    (root / "volume").symlink_to(tmp_path)
    assert " ".join(command(root, words.split())) == result.format(root=root)


@pytest.mark.parametrize("folder", ["/etc", "/code/../../..", "/tmpfs", "/"])
def test_cp_writes_nothing_into_the_machines_folders(tmp_path: Path, folder: str) -> None:
    with pytest.raises(Outside, match="has no folder"):
        command(tmp_path, ["tar", "-xmf", "-", "-C", folder])
