"""`python -m fieldtool`."""

from __future__ import annotations

import sys

from fieldtool.cli.main import program

if __name__ == "__main__":
    sys.exit(program())
