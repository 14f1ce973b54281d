"""Compiles gatling/ when something in it has changed, and checks what Maven brought against gatling/lib.sha256."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

JAVA_LEAST = 17
"""As maven.compiler.release in gatling/pom.xml."""
KEGS = ("/opt/homebrew/opt/openjdk/bin", "/usr/local/opt/openjdk/bin")
"""Homebrew's JDK, which is not put on the PATH: there, macOS has a java of its own that only asks for a real one."""

_NETWORK = re.compile(
    r"Could not transfer|Unknown host|UnknownHostException|Connection refused|Connection timed out|Connect timed out"
    r"|Network is unreachable|in offline mode|No route to host|Temporary failure in name resolution"
)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # Maven writes some even where nobody sees colours
_VERSION = re.compile(r'version "(?:1\.)?([0-9]+)')


class Missing(Exception):
    """Something that this machine must have first; the message names it and the cure."""


class NoRegistry(Missing):
    """Maven needs artifacts that it can't fetch."""


class BuildError(Exception):
    """The simulations don't compile, or a dependency is not the locked one."""


def java() -> str:
    """The java to run simulations with, of JAVA_HOME, the PATH or Homebrew. Raises Missing."""
    cure = (
        f"Install a JDK, {JAVA_LEAST} or newer: apt-get install openjdk-17-jdk-headless maven (Debian, Ubuntu), "
        "brew install openjdk maven (macOS)."
    )
    home = os.environ.get("JAVA_HOME", "")
    program = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if not home and program in (None, "/usr/bin/java"):
        program = shutil.which("java", path=os.pathsep.join(KEGS)) or program
    if program is None:
        where = f"JAVA_HOME is {home}, without bin/java" if home else "no java on the PATH"
        raise Missing(f"There is no Java: {where}. {cure}")
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(answer.stderr + answer.stdout)
    if answer.returncode or found is None:
        raise Missing(f"{program} does not run: {(answer.stderr or answer.stdout).strip()} {cure}")
    if int(found.group(1)) < JAVA_LEAST:
        raise Missing(f"{program} is Java {found.group(1)}: too old. {cure}")
    return program


def prepare(project: Path, say: Iterable[str] = ()) -> Path:
    """Makes sure that PROJECT/target/classes and PROJECT/target/lib are those of the sources. Returns PROJECT/target.

    Raises Missing or NoRegistry for what the machine lacks, BuildError for what is wrong with the project.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    with _alone(target / "lock"):
        stamp = target / "stamp"
        wanted = fingerprint(project)
        if stamp.exists() and stamp.read_text() == wanted and (target / "classes").is_dir():
            return target
        stamp.unlink(missing_ok=True)
        for line in say:
            print(line, flush=True)
        # Maven would leave classes and libraries whose source is gone. Jobs that run have their own classes.
        for folder in ("classes", "lib", "maven-status"):
            shutil.rmtree(target / folder, ignore_errors=True)
        _maven(project)
        wrong = differences(locked((project / "lib.sha256").read_text()), hashes(target / "lib"))
        if wrong:
            raise BuildError(
                "\n  ".join(["the libraries differ from gatling/lib.sha256:", *wrong])
                + "\nIf pom.xml was changed on purpose: (cd gatling/target/lib && sha256sum *.jar) > gatling/lib.sha256"
            )
        stamp.write_text(wanted)
    return target


def fingerprint(project: Path) -> str:
    """A digest of everything that the build reads."""
    digest = hashlib.sha256()
    files = [project / "pom.xml", project / "lib.sha256"]
    files += sorted(path for path in (project / "src").rglob("*") if path.is_file())
    files += sorted((project / "resources").glob("*.csv"))
    for path in files:
        digest.update(f"{path.relative_to(project)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def locked(text: str) -> dict[str, str]:
    """File name to SHA-256, from the output of sha256sum."""
    return {name.lstrip("*"): digest for digest, name in (line.split(None, 1) for line in text.splitlines())}


def hashes(folder: Path) -> dict[str, str]:
    """File name to SHA-256, of the jars in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is missing, too much, or different; one line each, sorted by name."""
    return (
        [f"{name}: missing" for name in sorted(wanted.keys() - found.keys())]
        + [f"{name}: not locked" for name in sorted(found.keys() - wanted.keys())]
        + [f"{name}: another content" for name in sorted(wanted.keys() & found.keys()) if wanted[name] != found[name]]
    )


def _maven(project: Path) -> None:
    program = shutil.which("mvn")
    if program is None:
        raise Missing(
            "There is no Maven (mvn), which compiles the simulations. "
            "Install it: apt-get install maven (Debian, Ubuntu), brew install maven (macOS)."
        )
    # --strict-checksums: a download that does not match its checksum is an error, not a warning.
    command = [program, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(project / "pom.xml"), "compile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    output = (done.stdout + done.stderr).strip()
    if _NETWORK.search(output):
        raise NoRegistry(
            f"Maven needs to fetch libraries and can't reach its registry. Its own words:\n{_first_errors(output)}\n"
            "Connect to the internet once (or set a proxy or mirror in ~/.m2/settings.xml) and run this again; "
            "later runs need no network."
        )
    if "No compiler is provided" in output:
        raise Missing("Maven finds no Java compiler. A JRE is not enough: apt-get install openjdk-17-jdk-headless")
    raise BuildError(f"the simulations do not compile:\n{_first_errors(output)}")


def _first_errors(output: str, most: int = 12) -> str:
    """The errors, without Maven's advice on how to see more of them."""
    text = _STYLE.sub("", output).partition("[ERROR] To see the full stack trace")[0]
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.replace(" -> [Help 1]", "") for line in lines if line.startswith("[ERROR]") and line != "[ERROR] "]
    return "\n".join((errors or lines)[:most])


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
        java()
        prepare(Path(__file__).resolve().parents[1] / "gatling", ["compiling the simulations"])
    except (Missing, BuildError) as error:
        print(f"load_build.py: {error}", file=sys.stderr)
        return 3 if isinstance(error, Missing) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
