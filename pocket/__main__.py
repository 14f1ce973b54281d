"""`python -m pocket`: see `python -m pocket --help`."""

import sys

from pocket.cli import main

sys.exit(main())
