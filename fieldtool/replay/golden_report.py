"""Differences from a golden in words and as JSON: one line each, and sums in the end.

What stands in a golden is shown as hostile text: cut, and without anything that steers a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Final, TypeAlias

from fieldtool.replay.golden import Difference, Kind, Telegram, kind_of
from fieldtool.replay.golden_members import Absent, Change, Number
from protocols.plural import counted
from protocols.text import safe_text

SHOWN: Final = 5
"""Differences of a kind that are shown in words."""

VALUE_LIMIT: Final = 60
DIGITS: Final = 32
"""Digits of a frame that is missing or extra: enough to look it up."""

NAME_LIMIT: Final = 80
NAMES: Final = 1000
"""Different members, and kinds of meters, that are counted each for itself; real goldens have some hundred."""

DEPTH: Final = 8
"""How far values are shown that are nested: those of a telegram go half as deep."""

_OTHERS: Final = "(others)"
_CONTEXT: Final = 15
_DEEPER: Final = "…"

_WORDS: Final = {
    Kind.CHANGED: "changed",
    Kind.ONLY_IN_GOLDEN: "only in golden",
    Kind.NEW: "new",
    Kind.MISSING: "missing",
    Kind.EXTRA: "extra",
}

_What: TypeAlias = tuple[Kind, str]
"""A kind of difference: what it is, and in which member."""


@dataclass(slots=True)
class Sums:
    """How many telegrams differ, in all, by member and by kind of meter; the memory it takes is bounded."""

    different: int = 0
    missing: int = 0
    extra: int = 0
    unreadable: int = 0
    by_member: Counter[_What] = field(default_factory=Counter)
    by_meter: dict[str, Counter[Kind]] = field(default_factory=dict)

    def add(self, difference: Difference) -> None:
        """Count a telegram that differs."""
        if difference.now is None:
            self.missing += 1
            kind = Kind.MISSING
        elif difference.golden is None:
            self.extra += 1
            kind = Kind.EXTRA
        else:
            self.different += 1
            kind = Kind.CHANGED
            for what in dict.fromkeys(map(_what, difference.changes)):
                known = what in self.by_member or len(self.by_member) < NAMES
                self.by_member[what if known else (Kind.CHANGED, _OTHERS)] += 1
        name = _kind_of_meter(difference.telegram)
        if name not in self.by_meter and len(self.by_meter) >= NAMES:
            name = _OTHERS
        self.by_meter.setdefault(name, Counter())[kind] += 1

    @property
    def is_of_another_capture(self) -> bool:
        """True when no telegram that differs is in both."""
        return bool(self.missing and self.extra and not self.different)

    @property
    def all_equal(self) -> bool:
        """True when nothing differs, and all of the golden could be read."""
        return not (self.different or self.missing or self.extra or self.unreadable)


class InWords:
    """Differences as lines for people, only so many of each kind unless all are asked for."""

    def __init__(self, limit: int | None = SHOWN) -> None:
        self._limit = limit
        self._shown: Counter[_What] = Counter()
        self._held_back = 0

    def lines(self, difference: Difference) -> Iterator[str]:
        """Yield what is to be shown of a telegram that differs."""
        if difference.changes:
            for change in difference.changes:
                if self._may_show(_what(change)):
                    yield f"line {difference.line}  {_sender(difference)}  {_change_text(change)}"
            return
        kind = Kind.MISSING if difference.now is None else Kind.EXTRA
        if self._may_show((kind, "")):
            where = "line" if kind is Kind.MISSING else "before line"
            outcome, digits = difference.telegram.get("outcome"), difference.telegram.get("hex")
            told = f"{safe_text(_plain(outcome), NAME_LIMIT)}, hex {safe_text(_plain(digits), DIGITS)}"
            yield f"{where} {difference.line}  {_sender(difference)}  {kind}: {told}"

    def _may_show(self, what: _What) -> bool:
        if self._limit is None:
            return True
        if what not in self._shown and len(self._shown) >= NAMES:
            what = (what[0], _OTHERS)
        self._shown[what] += 1
        if self._shown[what] <= self._limit:
            return True
        self._held_back += 1
        return False

    def summary(self, sums: Sums, equal: int, *, whole: bool) -> Iterator[str]:
        """Yield the sums as tables; `whole` is False when the replay did not come to its end."""
        if self._held_back:
            yield f"{counted(self._held_back, 'further difference')} not shown: --all-differences shows them"
        if self._shown or (self._limit is None and not sums.all_equal):
            yield ""
        yield from _table(
            ("telegrams", "" if whole else "so far: not all was replayed"),
            [
                (equal, "equal"),
                (sums.different, "different"),
                (sums.missing, "missing: only in golden"),
                (sums.extra, "extra: not in golden"),
                *([(sums.unreadable, "golden lines that are no telegram")] if sums.unreadable else []),
            ],
        )
        if sums.by_member:
            yield ""
            rows = [(count, _WORDS[kind], member) for (kind, member), count in sums.by_member.most_common()]
            yield from _table(("telegrams", "what", "member"), rows)
        if sums.by_meter:
            yield ""
            yield from _table(
                ("different", "missing", "extra", "profile, or kind of meter"),
                [(*_counts(counts), name) for name, counts in _by_count(sums.by_meter)],
            )


class AsJson:
    """Differences as one JSON object each, all of them."""

    def lines(self, difference: Difference) -> Iterator[str]:
        """Yield one object for each member that differs, or for the telegram that is missing or extra."""
        telegram = difference.telegram
        begin = {
            "line": difference.line,
            "meter": _meter(telegram),
            "access_number": _access_number(telegram),
            "profile": telegram.get("profile"),
            "hex": telegram.get("hex"),
        }
        for change in difference.changes:
            told = {"kind": kind_of(change).value, **begin, "member": ".".join(change.path), "which": change.which}
            if not isinstance(change.golden, Absent):
                told["golden"] = change.golden
            if not isinstance(change.now, Absent):
                told["now"] = change.now
            yield json_text(told)
        if not difference.changes:
            yield json_text({"kind": (Kind.MISSING if difference.now is None else Kind.EXTRA).value, **begin})

    def summary(self, sums: Sums, equal: int, *, whole: bool) -> Iterator[str]:
        """Yield the sums as one object."""
        members = [
            {"kind": kind.value, "member": member, "telegrams": count}
            for (kind, member), count in sums.by_member.most_common()
        ]
        meters = [
            {"name": name, **dict(zip(_COLUMNS, _counts(counts), strict=True))}
            for name, counts in _by_count(sums.by_meter)
        ]
        numbers = {
            "equal": equal,
            "different": sums.different,
            "missing": sums.missing,
            "extra": sums.extra,
            "unreadable": sums.unreadable,
        }
        yield json_text(
            {
                "kind": "summary",
                "whole": whole,
                **numbers,
                "members": members,
                "meters": meters,
            }
        )


_COLUMNS: Final = ("different", "missing", "extra")


def _counts(counts: Counter[Kind]) -> tuple[int, int, int]:
    return counts[Kind.CHANGED], counts[Kind.MISSING], counts[Kind.EXTRA]


def _by_count(by_meter: dict[str, Counter[Kind]]) -> list[tuple[str, Counter[Kind]]]:
    return sorted(by_meter.items(), key=lambda item: -item[1].total())


def _what(change: Change) -> _What:
    return kind_of(change), safe_text(".".join(change.path), NAME_LIMIT)


def _table(head: Iterable[str], rows: Iterable[tuple[int | str, ...]]) -> Iterator[str]:
    """Lines with numbers at the right of their columns and words at the left."""
    titles, rows = list(head), list(rows)
    widths = [max(len(str(row[place])) for row in [titles, *rows]) for place in range(len(titles))]
    for row in [titles, *rows]:
        numbered = rows[0]
        cells = (
            str(cell).rjust(width) if isinstance(number, int) else str(cell).ljust(width)
            for cell, width, number in zip(row, widths, numbered, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _kind_of_meter(telegram: Telegram) -> str:
    """Name the profile; where there is none, maker, medium and version."""
    profile, meter = telegram.get("profile"), telegram.get("meter")
    if isinstance(profile, str):
        return safe_text(profile, NAME_LIMIT)
    if not isinstance(meter, dict) or not isinstance(meter.get("manufacturer"), str):
        return "without a profile"
    words = [f"{meter['manufacturer']}", _plain(meter.get("medium")), f"version {_plain(meter.get('version'))}"]
    return safe_text(f"{', '.join(words)}: without a profile", NAME_LIMIT)


def _sender(difference: Difference) -> str:
    number = _access_number(difference.telegram)
    access = "" if number is None else f"  access {value_text(number)}"
    return safe_text(_meter(difference.telegram) or "no address", NAME_LIMIT) + access


def _meter(telegram: Telegram) -> str | None:
    """Maker and number, or what names a LoRaWAN device."""
    meter = telegram.get("meter")
    if not isinstance(meter, dict):
        return None
    number = meter.get("printed_number") or meter.get("number")
    if isinstance(meter.get("manufacturer"), str) and isinstance(number, str):
        return f"{meter['manufacturer']} {number}"
    device = meter.get("dev_eui") or meter.get("dev_addr")
    return device if isinstance(device, str) else None


def _access_number(telegram: Telegram) -> Number | None:
    """The access number, or the counter of a LoRaWAN frame."""
    security = telegram.get("security")
    if not isinstance(security, dict):
        return None
    number = security.get("access_number") or security.get("fcnt")
    return number if isinstance(number, Number) else None


def _plain(value: object) -> str:
    return value if isinstance(value, str) else value_text(value)


def _change_text(change: Change) -> str:
    kind, name = _what(change)
    which = f" ({safe_text(change.which, NAME_LIMIT)})" if change.which else ""
    if kind is Kind.CHANGED:
        return f"{name}{which}: {_from_to(change.golden, change.now)}"
    return f"{name}{which} {_WORDS[kind]}: {value_text(change.now if kind is Kind.NEW else change.golden)}"


def _from_to(golden: object, now: object) -> str:
    """Both values; of long ones what stands around the first place at which they differ."""
    one, other = _short(golden), _short(now)
    if len(one) > VALUE_LIMIT or len(other) > VALUE_LIMIT:
        same = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        if same > VALUE_LIMIT - _CONTEXT:
            one, other = _DEEPER + one[same - _CONTEXT :], _DEEPER + other[same - _CONTEXT :]
    return f"{safe_text(one, VALUE_LIMIT)} → {safe_text(other, VALUE_LIMIT)}"


def value_text(value: object) -> str:
    """Return a value as people read it, safe and short."""
    return safe_text(_short(value), VALUE_LIMIT)


def _short(value: object) -> str:
    """A value in full; of a reading value and unit, of a rung its state."""
    if isinstance(value, dict) and isinstance(value.get("quantity"), str):
        return f"{json_text(value.get('value'))} {_plain(value.get('unit'))}".rstrip()
    if isinstance(value, dict) and isinstance(value.get("state"), str):
        return str(value["state"])
    return json_text(value)


def json_text(value: object, depth: int = DEPTH) -> str:
    """Return a value as JSON in ASCII, numbers as they were written; what is nested deeper than `depth` is left out."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Number):
        return value.decode()
    if depth <= 0:
        return encode_basestring_ascii(_DEEPER)
    if isinstance(value, dict):
        inner = (f"{encode_basestring_ascii(name)}: {json_text(below, depth - 1)}" for name, below in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(json_text(below, depth - 1) for below in value)}]"
    raise TypeError(f"{type(value).__name__} is not JSON")
