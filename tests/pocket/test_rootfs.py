from pathlib import Path

import pytest

from pocket.rootfs import inside


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
