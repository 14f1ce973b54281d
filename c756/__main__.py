"""`python -m c756 VERB`: what the make targets and the scripts of tools/ call.

Exit codes: 0 done, 1 it could not be done (standard error says why), 2 wrong arguments, or a question was not answered
with yes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from c756 import kubectl
from c756.trouble import Trouble


def _say(text: str) -> int:
    print(text)
    return 0


def _context(_: Sequence[str]) -> int:
    return _say(kubectl.context())


def _showcontext(_: Sequence[str]) -> int:
    return _say(kubectl.shown())


def _require(_: Sequence[str]) -> int:
    kubectl.require()
    return 0


def _secrets(_: Sequence[str]) -> int:
    from c756 import rotation, secret

    secret.deploy()
    if os.environ.get("ROTATE", "") not in ("", "0"):
        rotation.rotate()
    return 0


def _tables(arguments: Sequence[str]) -> int:
    from c756 import tables

    return tables.main(arguments[0])


def _emulator(_: Sequence[str]) -> int:
    from c756 import emulator

    return emulator.main()


def _canary(arguments: Sequence[str]) -> int:
    from c756.canary import run

    return run.main(arguments)


def _stuck(arguments: Sequence[str]) -> int:
    from c756 import stuck

    return stuck.main(arguments)


def _worksheet(_: Sequence[str]) -> int:
    from c756 import submission

    return submission.make_sheet(Path.cwd())


def _submission(arguments: Sequence[str]) -> int:
    from c756 import submission

    return submission.submit(Path.cwd(), " ".join(arguments))


def _check_worksheets(arguments: Sequence[str]) -> int:
    from c756 import submission

    return submission.check(arguments)


Verb = Callable[[Sequence[str]], int]
VERBS: dict[str, tuple[Verb, tuple[str, ...] | None]] = {
    "context": (_context, ()),
    "showcontext": (_showcontext, ()),
    "require": (_require, ()),
    "secrets": (_secrets, ()),
    "tables": (_tables, ("init", "clean", "list")),
    "emulator": (_emulator, ()),
    "canary": (_canary, None),
    "stuck": (_stuck, None),
    "worksheet": (_worksheet, ()),
    "submission": (_submission, None),
    "check-worksheets": (_check_worksheets, None),
}
"""Each verb, and the words of which it takes exactly one; most take none. None: it reads its arguments itself. What is
imported is what is needed."""


def usage() -> str:
    """One line for each verb."""
    lines = [
        f"python -m c756 {name} {'...' if words is None else '|'.join(words)}".rstrip()
        for name, (_, words) in VERBS.items()
    ]
    return "usage: " + "\n       ".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs the verb; the exit code."""
    name, rest = arguments[0] if arguments else "", list(arguments[1:])
    verb, words = VERBS.get(name, (None, ()))
    fits = words is None or (len(rest) == bool(words) and set(rest) <= set(words))
    if verb is None or not fits:
        print(usage(), file=sys.stderr)
        return 2
    kubectl.use_the_projects()
    try:
        return verb(rest)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ^C ends it without a traceback
    sys.exit(main(sys.argv[1:]))
