"""`python -m reconfigure` is `reconfigure`."""

import sys

from reconfigure.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
