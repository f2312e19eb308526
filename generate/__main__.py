"""Write what is made from the parsers; --check only names what is not as it would be written."""

from __future__ import annotations

import sys

from generate import outputs


def main() -> int:
    """Write the files, or check them; return the exit code."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print("usage: bin/generate [--check]", file=sys.stderr)
        return 2
    stale = outputs.stale()
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(outputs.REPO)}")
    if not check:
        outputs.write()
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
