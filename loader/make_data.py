"""Makes gatling/resources/users.csv and music.csv: `python -m loader.make_data DIRECTORY`.

The same program always makes the same files, ids included, so that loads, tests and people can rely on them.
Names, titles and addresses are made up.
"""

from __future__ import annotations

import csv
import random
import sys
import uuid
from pathlib import Path

ROWS = 120
USER_COLUMNS = ("user_id", "fname", "lname", "email")
SONG_COLUMNS = ("music_id", "Artist", "SongTitle")


def _words(text: str) -> list[str]:
    return text.split(",")


_FIRST = _words("Ada,Bao,Chidi,Dara,Elif,Farid,Gita,Hana,Ines,Joon,Kofi,Lena,Mateo,Nadia,Omar,Priya,Quinn,Rosa,Sven")
_LAST = _words("Abara,Berg,Castillo,Dubois,Eriksen,Fontaine,Garcia,Haddad,Ivanova,Jensen,Kimura,Moreau,Novak,Okafor")
_BAND = _words("Paper,Silver,Northern,Velvet,Hollow,Golden,Distant,Electric,Quiet,Crooked,Harbour,Midnight")
_NOUN = _words("Lanterns,Foxes,Harbours,Engines,Orchards,Signals,Meridians,Sparrows,Cartographers,Tides")
_VERB = _words("Counting,Chasing,Leaving,Drawing,Remembering,Crossing,Building,Waiting for,Singing to,Losing")
_THING = _words("the Rain,Small Hours,the Long Way Home,Every Door,a Borrowed Map,Tuesday,the Last Train,Copper")


def users() -> list[tuple[str, ...]]:
    """ROWS users, all different."""
    source = random.Random("c756 users")  # noqa: S311  not a secret
    rows: list[tuple[str, ...]] = []
    for number in range(ROWS):
        first, last = source.choice(_FIRST), source.choice(_LAST)
        rows.append((_uuid(source), first, last, f"{first}.{last}{number}@example.org".lower()))
    return rows


def songs() -> list[tuple[str, ...]]:
    """ROWS songs, all with different titles."""
    source = random.Random("c756 music")  # noqa: S311  not a secret
    titles = [f"{verb} {thing}" for verb in _VERB for thing in _THING]
    titles += [f"{title} (Reprise)" for title in titles]
    return [
        (_uuid(source), f"The {source.choice(_BAND)} {source.choice(_NOUN)}", title)
        for title in source.sample(titles, ROWS)
    ]


def _uuid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def main(arguments: list[str]) -> int:
    """Writes both files into the directory given."""
    if len(arguments) != 1:
        print("usage: python -m loader.make_data DIRECTORY", file=sys.stderr)
        return 2
    for name, columns, rows in (("users.csv", USER_COLUMNS, users()), ("music.csv", SONG_COLUMNS, songs())):
        with (Path(arguments[0]) / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
