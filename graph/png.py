"""An SVG picture to PNG, by a program that is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from graph.errors import GraphError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SCALE = 2.0  # pixels for one unit of the picture
MOST_PIXELS = 24e6  # more of them takes a browser minutes
SECONDS = 120


def convert(svg: str, target: Path) -> None:
    """Writes the picture. Raises GraphError if there is no program for it, or if the program fails."""
    for program in ("rsvg-convert", *BROWSERS):
        found = shutil.which(program)
        if found:
            break
    else:
        raise GraphError(
            500,
            "noConverter",
            "A PNG needs rsvg-convert or Chromium, and neither is on PATH.",
            "Debian: sudo apt-get install librsvg2-bin. Or ask for .svg, which needs nothing; browsers show it.",
        )
    with tempfile.TemporaryDirectory(prefix="graph-png-") as folder:
        source = Path(folder) / "graph.svg"
        source.write_text(svg)
        width, height = size(svg)
        scale = min(SCALE, (MOST_PIXELS / (width * height)) ** 0.5)
        command = (
            [found, f"--zoom={scale:.3f}", "--output", str(target), str(source)]
            if program == "rsvg-convert"
            else _browser(found, source, target, width, height, scale, folder)
        )
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise GraphError(
                500, "noConverter", f"{found} was not done within {SECONDS} s.", "Ask for .svg instead."
            ) from error
    if done.returncode != 0 or not target.exists():
        raise GraphError(500, "noConverter", f"{found} failed: {done.stderr.strip()[-500:]}.", "Ask for .svg instead.")


def size(svg: str) -> tuple[int, int]:
    """Width and height of a picture that svg.draw made."""
    found = re.search(r'width="(\d+)" height="(\d+)"', svg)
    if found is None:
        raise ValueError("the picture does not say how large it is")
    return int(found[1]), int(found[2])


def _browser(program: str, source: Path, target: Path, width: int, height: int, scale: float, folder: str) -> list[str]:
    return [
        program,
        "--headless",
        "--no-sandbox",  # it shows one file that we made, and as root it would not start otherwise
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder}/profile",
        f"--force-device-scale-factor={scale:.3f}",
        f"--window-size={width},{height}",
        f"--screenshot={target.absolute()}",
        source.as_uri(),
    ]
