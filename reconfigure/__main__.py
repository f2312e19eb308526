"""`python -m reconfigure` is `reconfigure`."""

import sys

from reconfigure.cli import main

if __name__ == "__main__":
    sys.exit(main())
