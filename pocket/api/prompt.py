"""The prompt of a shell that somebody opens in a container: it says the pod and the container's path.

Behind it there is no container: the machine has its own name, and the files lie deep in pocket's home. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# What may stand in a prompt's pattern as it is; what else a path may hold, a shell would take for something of its own.
_PLAIN = re.compile(r"[\w./+@:,=-]+")


def variables(pod: str, cwd: Path, root: Path | None) -> Mapping[str, str]:
    """The environment that makes a shell's prompt `root@POD:/code# `.

    `root`: the container's own tree, which the prompt leaves out of the path. HOSTNAME is the pod's, as in a container.
    Debian's and others' bash sets PS1 anew when it starts, so bash is told again before its first prompt, only then.
    """
    path = "${PWD}"
    if root is not None and _PLAIN.fullmatch(own := str(root.resolve())):
        path = f"${{PWD#{own}}}"
    prompt = f"root@{pod}:{path}# "
    found = {"HOSTNAME": pod, "PS1": prompt, "PROMPT_COMMAND": f"PS1='{prompt}'; unset PROMPT_COMMAND"}
    # Without it a shell asks the kernel where it is, which is the same but for links.
    return found | {"PWD": str(cwd.resolve())}
