"""Write docs/levels.md from the table of levels: `python -m tools.levels`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from keystore.certificates.levels import level_table
from keystore.certificates.levels_page import levels_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "levels.md"


def main(argv: Sequence[str]) -> None:
    """Write the page."""
    argparse.ArgumentParser(prog="python -m tools.levels", description=__doc__).parse_args(argv)
    PAGE.write_text(levels_page(level_table()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
