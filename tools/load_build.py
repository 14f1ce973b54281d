"""Compiles gatling/ when something in it has changed, with nothing of the machine's own.

What that takes is fetched the first time, and held to its checksums: a Java from PyPI (gatling/requirements.lock), and
from Maven Central Gatling's libraries and a compiler (gatling/jars.lock).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RELEASE = "17"
"""The oldest Java that runs the classes: that of gatling/Dockerfile."""
CENTRAL = "https://repo1.maven.org/maven2"
"""MAVEN_MIRROR names another."""
COMPILER = "org/eclipse/jdt/ecj/"
_AT_ONCE, _TRIES = 8, 3  # downloads, times
_PATIENCE, _PAUSE = 60.0, 1.0  # seconds
_MOST = 20  # lines of a compiler's complaint


class Missing(Exception):
    """Something that this machine must have first; the message names it and the cure."""


class BuildError(Exception):
    """The simulations don't compile, or a library is not the locked one."""


def java() -> str:
    """The java to compile and run simulations with: there once `prepare` has returned."""
    return str(Path(sys.prefix) / "bin" / "java")


def prepare(project: Path) -> Path:
    """Makes sure that PROJECT/target/classes and PROJECT/target/lib are those of the sources. Returns PROJECT/target.

    Says what takes its time. Raises Missing for what cannot be fetched, BuildError for what is wrong with the project.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    with _alone(target / "lock"):
        stamp = target / "stamp"
        wanted = fingerprint(project)
        if stamp.exists() and stamp.read_text() == wanted and Path(java()).exists():
            return target
        stamp.unlink(missing_ok=True)
        install_java()
        lock = locked((project / "jars.lock").read_text())
        fetch({path: digest for path, digest in lock.items() if not path.startswith(COMPILER)}, target / "lib")
        fetch({path: digest for path, digest in lock.items() if path.startswith(COMPILER)}, target / "compiler")
        compile_all(project, target)
        stamp.write_text(wanted)
    return target


def install_java() -> None:
    """Raises Missing where that fails."""
    if subprocess.run([ROOT / "tools" / "setup.sh", "gatling"], check=False).returncode != 0:
        raise Missing("There is no Java for Gatling, see above; without load, all the rest works.")


def fingerprint(project: Path) -> str:
    """A digest of everything that the build reads."""
    digest = hashlib.sha256()
    files = [project / "requirements.lock", project / "jars.lock"]
    files += sorted(path for path in (project / "src").rglob("*") if path.is_file())
    files += sorted((project / "resources").glob("*.csv"))
    for path in files:
        digest.update(f"{path.relative_to(project)} {_sha256(path)}\n".encode())
    return digest.hexdigest()


def locked(text: str) -> dict[str, str]:
    """Path in a Maven repository to SHA-256, from lines as sha256sum prints them."""
    return {path.lstrip("*"): digest for digest, path in (line.split(None, 1) for line in text.splitlines())}


def fetch(lock: Mapping[str, str], folder: Path) -> None:
    """Makes sure that the folder holds exactly these jars. Raises Missing, BuildError."""
    folder.mkdir(exist_ok=True)
    names = {path.rpartition("/")[2] for path in lock}
    for left in folder.iterdir():
        if left.name not in names:
            left.unlink()
    todo = [path for path, digest in lock.items() if not _is(folder / path.rpartition("/")[2], digest)]
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        jobs = [pool.submit(_fetch_one, path, lock[path], folder) for path in todo]
        for done, job in enumerate(jobs, 1):
            job.result()
            _progress(done, len(jobs))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fetch_one(path: str, digest: str, folder: Path) -> None:
    target = folder / path.rpartition("/")[2]
    new = target.with_name(f"{target.name}.new")
    own = Path.home() / ".m2" / "repository" / path
    if _is(own, digest):  # this machine's Maven has it
        shutil.copyfile(own, new)
    else:
        url = f"{os.environ.get('MAVEN_MIRROR') or CENTRAL}/{path}"
        new.write_bytes(_download(url))
        if not _is(new, digest):
            new.unlink()
            raise BuildError(f"{url} has another content than gatling/jars.lock says")
    new.rename(target)


def _download(url: str) -> bytes:
    for left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310  a fixed https address, or the user's
                content: bytes = answer.read()
                return content
        except OSError as error:
            if left == 0:
                raise Missing(
                    f"{url} cannot be fetched: {getattr(error, 'reason', error)}\n"
                    "Connect to the internet once (or set https_proxy, or MAVEN_MIRROR to a mirror of Maven Central) "
                    "and run this again; later runs need no network."
                ) from error
            time.sleep(_PAUSE)
    raise AssertionError("unreachable")


def _progress(done: int, count: int) -> None:
    text = f"  - Gatling's libraries from Maven Central: {done} of {count}"
    if sys.stdout.isatty():
        print(f"\r{text}", end="\n" if done == count else "", flush=True)
    elif done == count or done % 25 == 0:
        print(text, flush=True)


def compile_all(project: Path, target: Path) -> None:
    """PROJECT/target/classes from the sources and resources. Raises BuildError."""
    print("  - compiling the simulations", flush=True)
    classes = target / "classes"
    # What is left of a source that is gone would still be found. Jobs that run have their own classes.
    shutil.rmtree(classes, ignore_errors=True)
    classes.mkdir()
    (compiler,) = (target / "compiler").glob("*.jar")
    libraries = os.pathsep.join(map(str, sorted((target / "lib").glob("*.jar"))))
    sources = map(str, sorted((project / "src" / "main" / "java").rglob("*.java")))
    command = [
        java(), "-jar", str(compiler), "-source", RELEASE, "-target", RELEASE, "-encoding", "UTF-8", "-proc:none",
        "-classpath", libraries, "-d", str(classes), *sources,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:_MOST])
        raise BuildError(f"the simulations do not compile:\n{said}")
    # The songs and users are the files that the loader puts into the tables.
    for resource in [*(project / "src" / "main" / "resources").glob("*"), *(project / "resources").glob("*.csv")]:
        shutil.copyfile(resource, classes / resource.name)


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and _sha256(path) == digest


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One build at a time; the second then finds that all is done."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """`python -m tools.load_build`: compile gatling/ where needed, for an image. Returns the exit code."""
    if arguments:
        print("usage: python -m tools.load_build", file=sys.stderr)
        return 2
    try:
        prepare(ROOT / "gatling")
    except (Missing, BuildError) as error:
        print(f"load_build.py: {error}", file=sys.stderr)
        return 3 if isinstance(error, Missing) else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
