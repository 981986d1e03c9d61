"""What a payload decoder works on: fields as table rows, and a draft that keeps what was read before any damage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import wraps
from typing import Protocol

from protocols.errors import BadField, ProtocolError, Truncated, Unsupported
from protocols.lorawan.payloads.numbers import Number, Raw
from protocols.mbus.records import ParsedRecords
from protocols.model import Function, Quality, Record, Value
from protocols.plural import counted
from protocols.profiles.payloads.model import Item, bit_names

LAYER = "records"


@dataclass(frozen=True, slots=True)
class Field:
    """One value: its coding and its meaning, `offset` bytes from where the table is laid.

    value = number x `scale` + `shift`; an int without either. Numbers in `empty` say "no value".
    """

    offset: int
    number: Number
    name: str
    quantity: str
    unit: str = ""
    scale: Decimal | None = None
    shift: Decimal | None = None
    empty: frozenset[int] = frozenset()
    function: Function = Function.INSTANTANEOUS
    storage: int = 0

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + self.number.size


def sequence(*rows: Field, at: int = 0) -> tuple[Field, ...]:
    """The rows one behind the other, the first at offset `at`; their own offsets do not count."""
    placed: list[Field] = []
    for row in rows:
        placed.append(replace(row, offset=at))
        at += row.number.size
    return tuple(placed)


class Draft:
    """A payload while it is read: the bytes `start:end` of `plain`, and what was found in them so far."""

    __slots__ = ("_entries", "_flags", "_notes", "_suspect", "end", "fport", "plain", "position", "start")

    def __init__(self, plain: bytes, start: int, end: int, fport: int | None) -> None:
        self.plain = plain
        self.start = self.position = start
        self.end = end
        self.fport = fport
        self._entries: list[Item | Record] = []
        self._flags: list[str] = []
        self._notes: list[str] = []
        self._suspect: ProtocolError | None = None

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return self.end - self.start

    @property
    def left(self) -> int:
        """Bytes behind the position."""
        return self.end - self.position

    def byte(self, offset: int) -> int:
        """The byte `offset` bytes from the payload's first one; raises `Truncated`."""
        return self.plain[self._checked(self.start + offset, 1)]

    def bytes(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset` from the payload's first one; raises `Truncated`."""
        at = self._checked(self.start + offset, size)
        return self.plain[at : at + size]

    def take(self, size: int) -> int:
        """Step over `size` bytes and return where they begin in `plain`; raises `Truncated`."""
        at = self._checked(self.position, size)
        self.position += size
        return at

    def next_byte(self) -> int:
        """Take one byte."""
        return self.plain[self.take(1)]

    def number(self, number: Number) -> Raw:
        """Take one number."""
        at = self.take(number.size)
        return number.read(self.plain[at : at + number.size])

    def require(self, size: int, what: str) -> None:
        """Raise `Truncated` when the payload is shorter than `size` bytes."""
        if self.size < size:
            raise Truncated(f"{what} of {counted(self.size, 'byte')}, {size} are needed", layer=LAYER, offset=self.end)

    def fields(self, rows: Iterable[Field], at: int | None = None) -> None:
        """Read all rows, laid at the payload's first byte or at `at` (an offset into `plain`)."""
        base = self.start if at is None else at
        for row in rows:
            self.field(row, base)
            self.position = max(self.position, base + row.end)

    def next_field(self, row: Field) -> None:
        """Read a row laid at the position, and step behind it."""
        base = self.position
        self.field(row, base)
        self.position = base + row.end

    def next_fields(self, rows: Iterable[Field]) -> None:
        """Read rows laid at the position, and step behind the last."""
        self.fields(rows, self.position)

    def field(self, row: Field, base: int) -> None:
        """Read one row laid at `base`; raises `Truncated`."""
        number = row.number
        first = self._checked(base + row.offset, number.size)
        last = first + number.size
        value, quality = valued(row, number.read(self.plain[first:last]))
        self._entries.append(
            Item(row.name, row.quantity, value, row.unit, first, last, quality, row.function, row.storage)
        )

    def add(
        self,
        name: str,
        quantity: str,
        value: Value,
        unit: str,
        start: int,
        end: int,
        quality: Quality = Quality.GOOD,
        storage: int = 0,
    ) -> None:
        """Add a value that was worked out from the bytes `start:end` of `plain`."""
        self._entries.append(Item(name, quantity, value, unit, start, end, quality, storage=storage))

    def text(self, name: str, value: str, offset: int, size: int = 1, quantity: str = "code") -> None:
        """Add a word for the bytes at `offset` from the payload's first one."""
        self.add(name, quantity, value, "", self.start + offset, self.start + offset + size)

    def contents(self, words: str, offset: int = 0, size: int = 1) -> None:
        """Say what the payload is, in words."""
        self.text("contents", words, offset, size, "flags")

    def records(self, parsed: ParsedRecords) -> None:
        """Add DIF/VIF records that stand in the payload; raises what stopped their reading."""
        self._entries.extend(parsed.records)
        self._notes.extend(parsed.notes)
        if parsed.problem is not None:
            raise parsed.problem

    def record(self, record: Record) -> None:
        """Add one DIF/VIF record."""
        self._entries.append(record)

    def flag(self, name: str, *, when: bool = True) -> None:
        """Raise an alarm by name, once."""
        if when and name not in self._flags:
            self._flags.append(name)

    def flag_bits(self, word: int, names: Mapping[int, str]) -> None:
        """Raise the alarms of all bits that are set; those without a name as `bit_N`."""
        for name in bit_names(word, names):
            self.flag(name)

    def note(self, note: str) -> None:
        """Note an oddity."""
        self._notes.append(note)

    def suspect(self, problem: str, offset: int = 0) -> None:
        """Say why the payload is not to be believed although its fields could be read."""
        if self._suspect is None:
            self._suspect = BadField(problem, layer=LAYER, offset=self.start + offset)

    def nothing_behind(self, what: str) -> None:
        """Doubt the payload where bytes are left behind `what`, the last thing that it should hold."""
        if self.left:
            self.suspect(f"{counted(self.left, 'byte')} after {what}", self.position - self.start)

    def unsupported(self, what: str, offset: int = 0) -> ProtocolError:
        """The error that says what is not decoded here."""
        return Unsupported(what, layer=LAYER, offset=self.start + offset)

    def bad(self, what: str, offset: int = 0) -> ProtocolError:
        """The error that says which field cannot be."""
        return BadField(what, layer=LAYER, offset=self.start + offset)

    def known_port(self) -> int:
        """The port that says which message this is; raises `Unsupported` where it is not known."""
        if self.fport is None:
            raise self.unsupported("without the port nothing says which message this is")
        return self.fport

    def word(self, name: str) -> int:
        """The whole number that was read under `name`; 0 when there is none."""
        found = next((entry.value for entry in self._entries if entry.name == name), 0)
        return found if isinstance(found, int) else 0

    def payload(self, problem: ProtocolError | None = None) -> BinaryPayload:
        """What was read, with what stopped the reading."""
        suspect = problem is None and self._suspect is not None
        return BinaryPayload(
            tuple(self._entries), tuple(self._flags), problem or self._suspect, tuple(self._notes), suspect
        )

    def _checked(self, at: int, size: int) -> int:
        if at < self.start or at + size > self.end:
            raise Truncated(
                f"the payload ends {counted(at + size - self.end, 'byte')} early: {counted(self.size, 'byte')}",
                layer=LAYER,
                offset=self.end,
            )
        return at


def valued(row: Field, raw: Raw) -> tuple[Value, Quality]:
    """Value and quality of a number that stands in a row's bytes."""
    if raw is None:
        return None, Quality.NOT_AVAILABLE
    if isinstance(raw, (int, Decimal)):
        if raw in row.empty:
            return None, Quality.NOT_AVAILABLE
        value = raw if row.scale is None else raw * row.scale
        return (value if row.shift is None else value + row.shift), Quality.GOOD
    return raw, Quality.GOOD


@dataclass(frozen=True, slots=True)
class BinaryPayload:
    """What a family's function gives back: items and DIF/VIF records in the order of their bytes, alarms by name.

    `problem` stopped the reading; of a `suspect` payload everything was read, but it is not to be believed.
    """

    entries: tuple[Item | Record, ...] = ()
    flags: tuple[str, ...] = ()
    problem: ProtocolError | None = None
    notes: tuple[str, ...] = ()
    suspect: bool = False


class BinaryDecoder(Protocol):
    """Reads `plain[start:end]` as sent on `fport`; pure, never raises."""

    def __call__(self, plain: bytes, start: int, end: int, fport: int | None) -> BinaryPayload:
        """Return the items of the payload."""


def binary_decoder(family: Callable[[Draft], None]) -> BinaryDecoder:
    """Make a total function of one that fills a draft and raises `ProtocolError` where it has to stop."""

    @wraps(family)
    def decode(plain: bytes, start: int, end: int, fport: int | None) -> BinaryPayload:
        draft = Draft(plain, start, min(end, len(plain)), fport)
        try:
            family(draft)
        except ProtocolError as problem:
            return draft.payload(problem)
        return draft.payload()

    return decode
