import os
from pathlib import Path

import pytest

from pocket.images import Build, DockerfileError, ImageStore, build
from pocket.images.store import Config, Entry, ImageUnknown


@pytest.fixture
def context(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    for name, text in {
        "app.py": "print('app')\n",
        "other.py": "other\n",
        "kit/__init__.py": "",
        "kit/log.py": "log\n",
        "kit/__pycache__/log.pyc": "compiled",
        "data/a.csv": "a",
        "data/b.csv": "b",
        "data/c.txt": "c",
        ".dockerignore": "**/__pycache__\n",
    }.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    return context


class Builder:
    def __init__(self, context: Path, tmp_path: Path) -> None:
        self.context, self.tmp = context, tmp_path
        self.store = ImageStore(tmp_path / "images")
        self.count = 0

    def __call__(self, text: str, tag: str = "x/app:v1", **arguments: str) -> Build:
        dockerfile = self.tmp / "Dockerfile"
        dockerfile.write_text(f"FROM scratch\n{text}\n")
        return build(self.store, self.context, dockerfile, tag, arguments)

    def tree(self, text: str) -> dict[str, str]:
        """Path to content of what comes out."""
        self.count += 1
        target = self.tmp / f"out{self.count}"
        self.store.checkout(self(text), target)
        return {
            str(path.relative_to(target)): path.read_text() for path in sorted(target.rglob("*")) if path.is_file()
        }

    def error(self, text: str) -> str:
        with pytest.raises(DockerfileError) as caught:
            self(text)
        return str(caught.value)


@pytest.fixture
def builder(context: Path, tmp_path: Path) -> Builder:
    return Builder(context, tmp_path)


def test_files_and_folders(builder: Builder) -> None:
    assert builder.tree("WORKDIR /code\nCOPY app.py .\nCOPY kit kit") == {
        "code/app.py": "print('app')\n",
        "code/kit/__init__.py": "",
        "code/kit/log.py": "log\n",
    }


def test_a_file_may_get_another_name_or_go_into_a_folder(builder: Builder) -> None:
    assert list(builder.tree("COPY app.py /code/main.py")) == ["code/main.py"]
    assert list(builder.tree("COPY app.py /code/")) == ["code/app.py"]
    assert list(builder.tree("WORKDIR /code\nCOPY app.py /code")) == ["code/app.py"]


def test_a_folder_brings_its_content(builder: Builder) -> None:
    assert list(builder.tree("COPY data /")) == ["a.csv", "b.csv", "c.txt"]
    assert list(builder.tree("COPY data /data")) == ["data/a.csv", "data/b.csv", "data/c.txt"]
    assert "kit/log.py" in builder.tree("COPY . /")


def test_wildcards(builder: Builder) -> None:
    assert list(builder.tree("COPY data/*.csv /d/")) == ["d/a.csv", "d/b.csv"]
    assert list(builder.tree("COPY *.py kit /d/")) == ["d/__init__.py", "d/app.py", "d/log.py", "d/other.py"]
    assert "no file of" in builder.error("COPY *.json /d/")
    assert "more than one file" in builder.error("COPY data/*.csv /d")


def test_later_lines_win(builder: Builder) -> None:
    assert builder.tree("COPY app.py /x\nCOPY other.py /x") == {"x": "other\n"}
    assert "is a file already, and cannot become a dir" in builder.error("COPY app.py /x\nCOPY kit /x/")


def test_missing_files_are_named_with_their_line(builder: Builder, context: Path) -> None:
    message = builder.error("WORKDIR /code\nCOPY nothing.py .")
    assert message.endswith(f"Dockerfile:3: COPY: nothing.py: no such file in {context}")
    assert "left out by .dockerignore" in builder.error("COPY kit/__pycache__/log.pyc /")


def test_nothing_from_outside_the_context(builder: Builder, context: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert "no such file" in builder.error("COPY ../secret /")
    (context / "link").symlink_to("../secret")
    assert "leads out of the context" in builder.error("COPY link /")
    (context / "data" / "absolute").symlink_to("/etc/passwd")
    assert "data/absolute is a link to /etc/passwd" in builder.error("COPY data /")


def test_links_stay_links(builder: Builder, context: Path, tmp_path: Path) -> None:
    (context / "data" / "link").symlink_to("a.csv")
    builder.store.checkout(builder("COPY data /"), tmp_path / "out")
    assert os.readlink(tmp_path / "out" / "link") == "a.csv"


def test_files_behind_a_link_go_where_it_leads(builder: Builder, context: Path) -> None:
    (context / "data" / "link").symlink_to("../real")
    tree = builder.tree("COPY data /deep/data\nCOPY app.py /deep/data/link/x/")
    assert tree["deep/real/x/app.py"] == "print('app')\n"


@pytest.mark.parametrize("target", ["../..", "../../etc", "link"])
def test_no_link_leads_out_of_the_image(builder: Builder, context: Path, tmp_path: Path, target: str) -> None:
    (context / "data" / "link").symlink_to(target)
    assert "Dockerfile:2: COPY: /d/link is a link to" in builder.error("COPY data /d\nCOPY app.py /d/link/evil")
    (context / "data" / "link").unlink()
    (context / "data" / "link").symlink_to("deep")  # harmless, until a second link makes it lead elsewhere
    (context / "kit" / "deep").symlink_to("..")
    (context / "kit" / "on").symlink_to("deep/../..")
    assert "leads out of the image" in builder.error("COPY data /d\nCOPY kit /d")


def test_a_file_is_no_folder(builder: Builder) -> None:
    assert "/x is a file already, and cannot become a dir" in builder.error("COPY app.py /x\nCOPY app.py /x/y")


def test_an_image_from_before_writes_nothing_behind_a_link(builder: Builder, context: Path, tmp_path: Path) -> None:
    with builder.store.locked():
        content = builder.store.add_file(context / "app.py")
        entries = {"l": Entry("link", 0o777, ".."), "l/evil": Entry("file", 0o644, content)}
        digest = builder.store.add_image("old:1", entries, Config())
    with pytest.raises(OSError, match="l/evil lies behind a link of the image: build it again"):
        builder.store.checkout(digest, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "evil").exists()


def test_a_digest_is_no_path(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"config": {}}')
    (tmp_path / "images" / "manifests").mkdir(parents=True)
    with pytest.raises(ImageUnknown, match="no image with that digest"):
        builder.store.resolve("sha256:../../x")


def test_what_is_no_file_is_refused(builder: Builder, context: Path) -> None:
    os.mkfifo(context / "data" / "pipe")
    assert "data/pipe: neither a file, a link nor a folder" in builder.error("COPY data /")


def test_modes(builder: Builder, context: Path, tmp_path: Path) -> None:
    (context / "app.py").chmod(0o755)
    builder.store.checkout(builder("COPY app.py /\nCOPY --chmod=600 other.py /"), tmp_path / "out")
    assert (tmp_path / "out" / "app.py").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "other.py").stat().st_mode & 0o777 == 0o600


def test_the_digest_covers_content_mode_and_settings_and_nothing_else(builder: Builder, context: Path) -> None:
    text = "COPY app.py /\nCMD [\"a\"]"
    first = builder(text)
    os.utime(context / "app.py", (1, 1))
    (context / "other.py").write_text("changed")
    assert builder(f"# another comment\n{text}") == first
    (context / "app.py").chmod(0o755)
    mode = builder(text)
    (context / "app.py").write_text("changed")
    content = builder(text)
    settings = builder('COPY app.py /\nCMD ["b"]')
    assert len({first, mode, content, settings}) == 4


def test_equal_content_is_stored_once(builder: Builder, context: Path, tmp_path: Path) -> None:
    builder("COPY app.py /a\nCOPY app.py /b", tag="x:1")
    builder("COPY app.py /c", tag="x:2")
    assert len(list((tmp_path / "images" / "blobs").iterdir())) == 1


def test_stages(builder: Builder) -> None:
    tree = builder.tree("""
        COPY data /data
        FROM scratch AS base
        COPY app.py /base/
        FROM base
        COPY --from=0 /data/a.csv /data/b* /got/
        COPY --from=base /base/app.py /copy.py
    """)
    assert list(tree) == ["base/app.py", "copy.py", "got/a.csv", "got/b.csv"]


def test_what_only_run_would_make_has_no_effect_and_is_noted(builder: Builder) -> None:
    built = builder("RUN pip install x\nFROM scratch\nCOPY --from=0 /usr/local /usr/local\nCOPY --from=nginx /x /x")
    assert [note.partition("Dockerfile:")[2].split(":")[0] for note in built.notes] == ["2", "4", "5"]


def test_a_program_that_only_run_would_make_is_named(builder: Builder) -> None:
    assert builder('FROM scratch\nRUN make-it\nCMD ["nowhere-to-be-found", "x"]').missing == "nowhere-to-be-found"
    assert builder('FROM scratch\nCMD ["python", "app.py"]').missing == ""
    assert builder('FROM scratch\nCOPY app.py /bin/\nCMD ["/bin/app.py"]').missing == ""
    assert builder("FROM scratch\nCMD nowhere-to-be-found x").missing == ""  # the shell of this machine will say so


def test_a_dockerfiles_own_ignore_file_comes_first(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.dockerignore").write_text("data\n!data/a.csv\n")
    assert list(builder.tree("COPY data /data\nCOPY kit/__pycache__ /p")) == ["data/a.csv", "p/log.pyc"]


def test_build_arguments(builder: Builder) -> None:
    digest = builder("ARG NAME=none\nCOPY data/$NAME.csv /\nENV N=$NAME", NAME="a")
    assert builder.store.config(digest).env == {"N": "a"}


def test_missing_dockerfile_and_context(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    with pytest.raises(DockerfileError, match="Dockerfile: No such file"):
        build(store, tmp_path, tmp_path / "Dockerfile", "x")
    (tmp_path / "Dockerfile").write_text("FROM x")
    with pytest.raises(DockerfileError, match="context is not a folder"):
        build(store, tmp_path / "nowhere", tmp_path / "Dockerfile", "x")
