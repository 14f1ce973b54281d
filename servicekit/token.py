"""`python -m servicekit.token [USER_ID]`: prints a token signed with JWT_SECRET, valid for TOKEN_SECONDS.

It is an operator's, who may do everything, or the one that the user USER_ID would get.
"""

from __future__ import annotations

import sys

from servicekit.auth import Tokens
from servicekit.config import AuthConfig, ConfigError, Env


def main(arguments: list[str]) -> int:
    """Prints the token; 2 and a message where the secret is missing or too short."""
    env = Env()
    config = AuthConfig.read(env)
    try:
        env.check()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(Tokens(config).issue(arguments[0] if arguments else "operator", operator=not arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
