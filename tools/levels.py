"""Write docs/levels.md from the table of levels: `python -m tools.levels`."""

from __future__ import annotations

from pathlib import Path

from keystore.certificates.levels import level_table
from keystore.certificates.levels_page import levels_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "levels.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(levels_page(level_table()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
