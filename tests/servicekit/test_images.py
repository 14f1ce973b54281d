"""What every image of ours has in common."""

from __future__ import annotations

import re

import pytest

from tests.realservices import ROOT, Image

FOLDERS = ["s1", "s2/v1", "s2/v2", "db", "loader"]
PORTS = {"s1": "30000", "s2/v1": "30001", "s2/v2": "30001", "db": "30002"}
# Those that pocket understands; RUN only in the stage that installs the dependencies.
INSTRUCTIONS = {"FROM", "COPY", "ENV", "WORKDIR", "CMD", "EXPOSE", "LABEL", "USER", "RUN"}


def lines(folder: str) -> list[str]:
    text = (ROOT / folder / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_dockerfile(folder: str) -> None:
    words = [line.split()[0] for line in lines(folder)]
    assert set(words) <= INSTRUCTIONS
    assert "RUN" not in words[words.index("FROM", 1) :]
    users = [line for line in lines(folder) if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    bases = [line for line in lines(folder) if line.startswith("FROM ")]
    assert all(re.fullmatch(r"FROM python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}( AS \w+)?", line) for line in bases)


@pytest.mark.parametrize("folder", FOLDERS)
def test_image(folder: str) -> None:
    image = Image.read(ROOT / folder / "Dockerfile")
    assert ("servicekit", "servicekit") in image.copies
    assert (f"{folder}/app.py", "app.py") in image.copies
    assert image.env.get("PORT") == PORTS.get(folder)
    if folder == "loader":
        assert image.command == ["python", "app.py"]
    else:
        assert image.command == ["gunicorn", "-c", "python:servicekit.gunicorn_conf", "app:create_app()"]


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", ["servicekit/requirements.lock", "db/requirements.lock"])
def test_images_install_what_the_tests_run(path: str) -> None:
    """The images' locks are compiled with the root's as constraint: `uv pip compile -c requirements.lock ...`."""
    everything = pins("requirements.lock")
    image = pins(path)
    assert len(image) > 15
    assert {name: everything[name] for name in image} == image
    hashed = (ROOT / path).read_text().count("--hash=sha256:")
    assert hashed >= len(image)


def test_only_db_knows_boto3() -> None:
    assert "boto3" in pins("db/requirements.lock")
    assert "boto3" not in pins("servicekit/requirements.lock")
