"""The meters that somebody expects to hear: those of the keystore, or of a list in a file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fieldtool.actions.action_log import Became
from fieldtool.errors import InputError
from keystore.audit import AuditAction
from keystore.errors import ImportRejected
from keystore.formats.csv_cells import cell_text, manufacturer_cell, serial_cell
from keystore.formats.csv_columns import Column, meanings_of, speaks_of_a_key
from keystore.formats.key_text import looks_like_key
from keystore.formats.table_text import DELIMITERS, Line, TableText, cells_of, is_text
from keystore.matching import normal_number, number_spellings
from keystore.model import KEYLESS_OWNERSHIPS, KeyRecord, KeyStatus
from keystore.vault import Vault
from protocols.text import safe_text

LIST_LIMIT: Final = 1 << 24
FEWEST_DIGITS: Final = 3
"""Of what is taken for a meter number: `flat 12` is none."""

LABEL_SIZE: Final = 14
"""Medium, maker, block and number as on labels (DIN 43863-5)."""

AT_COLUMN: Final = "at"
SET_COLUMN: Final = "set"
"""Headings of what an action with a list takes from it: a meter's own link, and its own value."""

_MAKER_BEFORE: Final = re.compile(r"([A-Za-z]{3})[\s._/:-]*([0-9][0-9\s._/:-]*)")
_HEX_NUMBER: Final = re.compile(r"[0-9a-f]{8}|[0-9a-f]{16}")
_CONFIRMED: Final = frozenset({str(Became.DONE), str(Became.SETTLED)})

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExpectedMeter:
    """A meter of the list; `names` are the numbers and EUIs, in normal form, that its telegrams may come under.

    `adapters` are the numbers of radio adapters that may send for it, `old_keys` the check values of its superseded
    keys, `done` the actions that were done with it and confirmed, each with its date. `at` and `value` are the cells
    of a list that actions take from it.
    """

    number: str
    manufacturer: str | None
    label: str
    names: frozenset[str]
    done: tuple[str, ...] = ()
    adapters: frozenset[str] = frozenset()
    old_keys: frozenset[str] = frozenset()
    at: str = ""
    value: str = ""


def expected_of_store(vault: Vault, order: str = "", owner: str = "") -> list[ExpectedMeter]:
    """Return the meters of a store, of one order or owner if these are given; not those given away or not claimed.

    Texts are compared whole, without regard to case.
    """
    done = _done(vault)
    register = _Register()
    for record in vault.records():
        if not _is_meant(record, order, owner):
            continue
        number = record.number or record.dev_eui
        is_old = record.has_key and record.status is KeyStatus.SUPERSEDED
        meter = ExpectedMeter(
            number,
            record.manufacturer,
            record.label,
            frozenset(filter(None, (record.number, record.dev_eui))),
            done.get(record.meter_text, ()),
            frozenset(filter(None, (record.adapter,))),
            frozenset({record.key_check_value} if is_old else ()),
        )
        register.add(meter)
    return register.meters


def expected_of_file(path: Path, tell: Tell | None = None) -> list[ExpectedMeter]:
    """Return the meters of a table: columns by their headings; else numbers in the first and names in the second.

    Numbers are taken in any spelling, with the maker's letters or without, and DevEUIs. `tell` is told, a line each,
    what is odd: meters that come twice, above all. Raises `InputError` when the file cannot be read, or a line that may
    be meant for a meter has no number.
    """
    register = _Register()
    lines: list[int] = []
    for line, meter in rows_of_list(path, tell):
        place = register.add(meter)
        if place == len(lines):
            lines.append(line)
        elif tell is not None:
            named = safe_text(f"{meter.manufacturer or ''} {meter.number}".strip())
            tell(f"{path.name}, line {line}: {named} is in line {lines[place]} already, and counts once")
    return register.meters


def rows_of_list(path: Path, tell: Tell | None = None) -> list[tuple[int, ExpectedMeter]]:
    """Return the meters of a table with the line of each, those that come twice too; else as `expected_of_file`."""
    text = TableText(_data_of(path), path.name)
    if tell is not None:
        for warning in text.warnings:
            tell(f"{path.name}: {warning}")
    try:
        rows = list(_meters_of(text, path.name, tell))
    except ImportRejected as error:
        raise InputError(error.message, error.hint) from error
    if not rows:
        raise InputError(
            f"{path} names no meter", "write one meter number a line, in the first column or below a heading `number`"
        )
    return rows


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the columns are; None where there is none."""

    number: int | None = 0
    label: int | None = 1
    manufacturer: int | None = None
    adapter: int | None = None
    dev_eui: int | None = None
    at: int | None = None
    value: int | None = None
    width: int = 0

    @property
    def is_set_apart(self) -> bool:
        """Whether a column holds what is going to be done: it must be told from its neighbours for sure."""
        return self.at is not None or self.value is not None

    @classmethod
    def of(cls, headings: Sequence[str]) -> _Places | None:
        """Find them by their headings; None where none of these is known for numbers."""
        meanings = meanings_of([cell_text(cell) for cell in headings])
        at = {meaning: place for place, meaning in reversed(list(enumerate(meanings)))}
        number, dev_eui = at.get(Column.SERIAL), at.get(Column.DEV_EUI)
        words = [cell_text(cell).strip().lower() for cell in headings]
        link, value = (words.index(one) if one in words[1:] else None for one in (AT_COLUMN, SET_COLUMN))
        if number is None and dev_eui is None:
            if link is None and value is None:
                return None
            number = 0
        named = {number, dev_eui, at.get(Column.MANUFACTURER), at.get(Column.ADAPTER), link, value}
        others = (p for p, cell in enumerate(headings) if p not in named and not speaks_of_a_key(cell))
        label = at.get(Column.LABEL, next(others, None))
        maker, adapter = at.get(Column.MANUFACTURER), at.get(Column.ADAPTER)
        return cls(number, label, maker, adapter, dev_eui, link, value, len(headings))


def _meters_of(text: TableText, thing: str, tell: Tell | None) -> Iterator[tuple[int, ExpectedMeter]]:
    """Yield the meters with their lines; a line that may be a meter's is never passed over."""
    delimiter = text.declared or _delimiter(text.head)
    places, begun, below_heading = _Places(), False, False
    titles: list[Line] = []
    for line in text.rows(delimiter, 0):
        cells = [cell_text(cell) for cell in line.cells]
        _check_quotes(line, delimiter, thing)
        meter = _meter_of(line, cells, places, thing)
        if meter is not None:
            _check_titles(titles, thing, tell)
            begun, titles = True, []
            if places.is_set_apart and any(cells[places.width :]):
                raise InputError(
                    f"{thing}, line {line.number} has more cells than there are headings",
                    f"put texts that hold {delimiter!r} into quotes",
                )
            yield line.number, meter
        elif not begun and (found := _Places.of(line.cells)) is not None:
            _check_headings(line, cells, thing)
            # What stands above it are titles; what stands below it are meters.
            places, below_heading, titles = found, True, []
        elif begun or below_heading:
            raise _no_number(line, cells, places, thing)
        else:
            titles.append(line)
    _check_titles(titles, thing, None)


def _check_titles(titles: Sequence[Line], thing: str, tell: Tell | None) -> None:
    """Refuse what stands above the first meter, is no heading that is known, and may be a meter's mistyped number."""
    for line in titles:
        cells = [cell_text(cell) for cell in line.cells]
        if not cells[0] or any(c.isdigit() for cell in cells for c in cell):
            raise _no_number(line, cells, _Places(), thing)
        if tell is not None:
            shown = repr(safe_text(cells[0]))
            tell(f"{thing}, line {line.number}: {shown} is taken for a heading, and not for a meter")


def _check_headings(line: Line, cells: Sequence[str], thing: str) -> None:
    words = [cell.lower() for cell in cells]
    twice = next((one for one in (AT_COLUMN, SET_COLUMN) if words.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"{thing}, line {line.number}: the heading {twice!r} stands there twice", "keep one of them")


def _check_quotes(line: Line, delimiter: str, thing: str) -> None:
    """Refuse a cell that holds other lines with numbers: their meters would be taken for a part of its text."""
    for cell in line.cells:
        for below, text in enumerate(cell.splitlines()[1:], 1):
            first = next(iter(cells_of(text, delimiter)), "")
            if _is_number(normal_number(cell_text(first))):
                raise InputError(
                    f"{thing}, line {line.number}: a quote there has no end before line {line.number + below}",
                    "check the quotes of that line",
                )


def _no_number(line: Line, cells: Sequence[str], places: _Places, thing: str) -> InputError:
    first = next(filter(None, (_cell(cells, place) for place in (places.number, places.dev_eui))), "")
    shown = "a key is" if looks_like_key(first) else f"{safe_text(first)!r} is" if first else "there is"
    return InputError(
        f"{thing}, line {line.number}: {shown} no meter number",
        "put the number in the first column, or in the one with the heading `number`, and a # before titles",
    )


def _meter_of(line: Line, cells: Sequence[str], places: _Places, thing: str) -> ExpectedMeter | None:
    text, dev_eui = _cell(cells, places.number), _cell(cells, places.dev_eui)
    named = _MAKER_BEFORE.fullmatch(text)
    try:
        # A shorter number may be a maker's own, and must not be padded: it is looked for with zeros and without.
        serial = serial_cell(named[2] if named else text, on_air=len(text) >= LABEL_SIZE)
        manufacturer = named[1].upper() if named else serial.manufacturer
        if manufacturer is None and (maker := _cell(cells, places.manufacturer)):
            manufacturer = manufacturer_cell(maker)
    except ValueError as error:
        raise InputError(f"{thing}, line {line.number}: {error}", "correct the cell, formatted as text") from error
    numbers = [one for one in (serial.number, normal_number(dev_eui)) if _is_number(one)]
    if not numbers:
        return None
    names = [name for one in numbers for name in (*number_spellings(one), one.lower())]
    adapter = normal_number(_cell(cells, places.adapter))
    label = _cell(cells, places.label)
    return ExpectedMeter(
        numbers[0].lower() if _HEX_NUMBER.fullmatch(numbers[0].lower()) else numbers[0],
        manufacturer,
        "" if looks_like_key(label) else label,
        frozenset(names),
        adapters=frozenset({adapter} if _is_number(adapter) else ()),
        at=_cell(cells, places.at),
        value=_cell(cells, places.value),
    )


def _cell(cells: Sequence[str], place: int | None) -> str:
    return "" if place is None or place >= len(cells) else cells[place]


def _is_number(text: str) -> bool:
    if _HEX_NUMBER.fullmatch(text.lower()) or looks_like_key(text):
        return not looks_like_key(text)
    digits = sum(c.isdigit() for c in text)
    return digits >= FEWEST_DIGITS and digits > sum(c.isalpha() for c in text)


def _delimiter(head: Sequence[str]) -> str:
    """Return the delimiter that sets most numbers apart, and then most cells."""

    def apart(delimiter: str) -> tuple[int, int]:
        rows = [cells_of(line, delimiter) for line in head]
        with_number = sum(any(_is_number(normal_number(cell_text(cell))) for cell in row) for row in rows)
        return with_number, sum(len(row) > 1 for row in rows)

    return max(DELIMITERS, key=apart)


def _data_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LIST_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check the name") from error
    if len(data) > LIST_LIMIT or not is_text(data):
        raise InputError(f"{path} is no list of meters", "save it as CSV, one meter a line")
    return data


class _Register:
    """Meters, each once: two makers may give the same number, but where one is not named, it is the same meter."""

    def __init__(self) -> None:
        self.meters: list[ExpectedMeter] = []
        self._places: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, meter: ExpectedMeter) -> int:
        """Take a meter in, and return its place."""
        for place in self._places[meter.number]:
            known = self.meters[place]
            if None in (meter.manufacturer, known.manufacturer) or meter.manufacturer == known.manufacturer:
                self.meters[place] = _joined(known, meter)
                return place
        self.meters.append(meter)
        self._places[meter.number].append(len(self.meters) - 1)
        return len(self.meters) - 1


def _joined(known: ExpectedMeter, more: ExpectedMeter) -> ExpectedMeter:
    """What two records, or two lines, say of one meter."""
    return replace(
        known,
        manufacturer=known.manufacturer or more.manufacturer,
        label=more.label or known.label,
        names=known.names | more.names,
        done=more.done or known.done,
        adapters=known.adapters | more.adapters,
        old_keys=known.old_keys | more.old_keys,
    )


def _is_meant(record: KeyRecord, order: str, owner: str) -> bool:
    wanted = ((order, record.order), (owner, record.owner))
    return record.ownership not in KEYLESS_OWNERSHIPS and all(
        not text or text.casefold() == has.casefold() for text, has in wanted
    )


def _done(vault: Vault) -> dict[str, tuple[str, ...]]:
    """Which actions the audit log has as done and confirmed, by the meter's name there."""
    done: dict[str, tuple[str, ...]] = {}
    for entry in vault.audit.entries():
        if entry.action == AuditAction.METER_ACTION and entry.detail.get("became") in _CONFIRMED:
            text = f"{entry.detail.get('meter_action', '')} {entry.at:%Y-%m-%d}"
            done[entry.subject] = (*_without(done.get(entry.subject, ()), text), text)
    return done


def _without(texts: Iterable[str], text: str) -> tuple[str, ...]:
    return tuple(one for one in texts if one != text)
