"""Reading values out of a TOML table, each checked, with errors that name file, table and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from simulators.errors import ScenarioError


class Table:
    """One table of a scenario file; `finish` refuses keys that nobody asked for.

    A value without default must be there. Every method raises `ScenarioError`.
    """

    def __init__(self, source: str, name: str, values: Mapping[str, object]) -> None:
        self._source = source
        self._name = name
        self._values = values
        self._known: list[str] = []

    def rename(self, name: str) -> None:
        """Call the table by a better name in errors."""
        self._name = name

    def error(self, key: str, what: str, hint: str) -> ScenarioError:
        """Build an error about one key."""
        place = f"{self._name}, {key}" if self._name else key
        return ScenarioError(f"{self._source}: {place}: {what}", hint)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(key, f"a text is wanted, not {type(value).__name__}", "write it in quotes")
        return value

    def choice(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        """Return one of the known words."""
        value = self.text(key, default)
        if value not in known:
            raise self.error(key, f"unknown {value!r}", nearest(value, known))
        return value

    def integer(self, key: str, default: int | None = None, *, low: int, high: int | None = None) -> int:
        """Return a whole number within its limits."""
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, f"{value!r} is not a whole number", "write it without quotes")
        if value < low or (high is not None and value > high):
            raise self.error(key, f"{value} is out of range", self._range(low, high))
        return value

    def number(self, key: str, default: float | None = None, *, low: float, high: float) -> float:
        """Return a number within its limits."""
        value = self._get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(key, f"{value!r} is not a number", "write it without quotes")
        if not low <= value <= high:
            raise self.error(key, f"{value} is out of range", self._range(low, high))
        return float(value)

    def decimal(self, key: str, default: Decimal | None = None) -> Decimal:
        """Return an exact decimal, written as a text; never negative."""
        value = self._get(key, default)
        try:
            result = Decimal(value) if isinstance(value, str | int | Decimal) else Decimal("nan")
        except InvalidOperation:
            result = Decimal("nan")
        if not result.is_finite() or result < 0:
            raise self.error(key, f"{value!r} is not a decimal number of 0 or more", 'write it in quotes, as "12.345"')
        return result

    def moment(self, key: str, default: datetime | None = None) -> datetime:
        """Return a time with its time zone."""
        value = self._get(key, default)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.error(key, f"{value!s} is not a time with a zone", "write it as 2026-01-01T00:00:00Z")
        return value

    def table(self, key: str) -> Table:
        """Return a table within this one; an empty one when it is not there."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "not a table", f"write [{key}]")
        return Table(self._source, f"{self._name}, {key}" if self._name else f"[{key}]", value)

    def tables(self, key: str) -> Iterable[Table]:
        """Return the tables of an array of tables, in order."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, "not a list of tables", f"write [[{key}]] before each")
        return [Table(self._source, f"[[{key}]] number {place}", item) for place, item in enumerate(value, 1)]

    def finish(self) -> None:
        """Refuse what nobody asked for, naming the nearest known key."""
        for key in self._values:
            if key not in self._known:
                raise self.error(key, "unknown key", nearest(key, self._known))

    def _get(self, key: str, default: object) -> object:
        self._known.append(key)
        if key in self._values:
            return self._values[key]
        if default is None:
            raise self.error(key, "missing", f"add {key} = ...")
        return default

    @staticmethod
    def _range(low: float, high: float | None) -> str:
        return f"write {low} or more" if high is None else f"write a value from {low} to {high}"


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint that names the nearest known word, or all of them."""
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
