"""`python -m pocket`: see `python -m pocket --help`."""

import sys

try:
    from pocket.cli import main
except KeyboardInterrupt:  # ^C while it is loaded: nothing has been done yet
    sys.exit(130)

sys.exit(main())
