"""Lines without a telegram: the first ones are told one by one, all others are only counted."""

from __future__ import annotations

from typing import Final

from fieldtool.cli import output
from protocols.captures.model import LINE, OBJECT, BadLine
from protocols.plural import counted

SHOWN: Final = 10


class BadLines:
    """Counts such lines, and tells of them."""

    def __init__(self) -> None:
        self.count = 0
        self._units: set[str] = set()

    def tell(self, bad: BadLine, source: str = "") -> None:
        """Take one more; `source` is where it stands, of several captures."""
        self.count += 1
        self._units.add(bad.unit)
        if self.count <= SHOWN:
            place = f"{source}, {bad.unit}" if source else bad.unit
            output.talk(f"{place} {bad.line}: {bad.problem}")
        elif self.count == SHOWN + 1:
            output.talk(f"further {bad.unit}s without a telegram are only counted")

    @property
    def sum(self) -> str:
        """How many there were, in words; empty where there was none."""
        # They are called objects when all of them are.
        unit = OBJECT if self._units == {OBJECT} else LINE
        return f"{counted(self.count, unit)} held no telegram" if self.count else ""
