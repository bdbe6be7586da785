"""``python -m mlc``; see `mlc.command.line`."""

import sys

from .command.line import main

if __name__ == "__main__":
    sys.argv[0] = "mlc"
    sys.exit(main())
