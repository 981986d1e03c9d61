"""The meters that somebody expects to hear: those of the keystore, or of a list in a file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldtool.actions.action_log import Became
from fieldtool.errors import InputError
from keystore.audit import AuditAction
from keystore.matching import normal_number
from keystore.model import KEYLESS_OWNERSHIPS, KeyRecord
from keystore.vault import Vault
from protocols.text import safe_text

LIST_LIMIT: Final = 1 << 24
AT_COLUMN: Final = "at"
SET_COLUMN: Final = "set"
_DELIMITERS: Final = ";\t,"
_MAKER_BEFORE: Final = re.compile(r"([A-Za-z]{3})[\s._/:-]*([0-9][0-9\s._/:-]*)")
_CONFIRMED: Final = frozenset({str(Became.DONE), str(Became.SETTLED)})


@dataclass(frozen=True, slots=True)
class ExpectedMeter:
    """A meter of the list; `names` are the numbers and EUIs, in normal form, that its telegrams may come under.

    `done` are the actions that were done with it and confirmed, each with its date.
    """

    number: str
    manufacturer: str | None
    label: str
    names: frozenset[str]
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of a list in a file; `at` and `value` are the cells under the headings `at` and `set`, for actions."""

    line: int
    number: str
    manufacturer: str | None
    label: str
    at: str = ""
    value: str = ""


def expected_of_store(vault: Vault, order: str = "", owner: str = "") -> list[ExpectedMeter]:
    """Return the meters of a store, of one order or owner if these are given; not those given away or not claimed.

    Texts are compared whole, without regard to case.
    """
    done = _done(vault)
    meters: dict[tuple[str | None, str], ExpectedMeter] = {}
    for record in vault.records():
        if not _is_meant(record, order, owner):
            continue
        number = record.number or record.dev_eui
        known = meters.get((record.manufacturer, number))
        names = frozenset(filter(None, (record.number, record.adapter, record.dev_eui)))
        meters[record.manufacturer, number] = ExpectedMeter(
            number,
            record.manufacturer,
            record.label or (known.label if known else ""),
            names | (known.names if known else frozenset()),
            done.get(record.meter_text, ()),
        )
    return list(meters.values())


def expected_of_file(path: Path) -> list[ExpectedMeter]:
    """Return the meters of a table, each once; raises as `rows_of_list`."""
    meters: dict[tuple[str | None, str], ExpectedMeter] = {}
    for row in rows_of_list(path):
        names = frozenset({row.number, row.number.lower()})
        meters[row.manufacturer, row.number] = ExpectedMeter(row.number, row.manufacturer, row.label, names)
    return list(meters.values())


def rows_of_list(path: Path) -> list[ListRow]:
    """Return the rows of a table: a number in the first column, and what the meter is called in the second.

    The number is taken in any spelling, with the maker's letters or without; a first line without a digit in it is a
    heading. Raises `InputError` when the file cannot be read, or a line has no number.
    """
    text = _text_of(path)
    delimiter = max(_DELIMITERS, key=text.count)
    rows: list[ListRow] = []
    heading: list[str] = []
    for line, cells in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), 1):
        first = cells[0].strip() if cells else ""
        if first and line == 1 and not any(c.isdigit() for c in first):
            heading = [cell.strip().lower() for cell in cells]
        elif first:
            rows.append(_row(path, line, [cell.strip() for cell in cells], heading))
    if not rows:
        raise InputError(f"{path} names no meter", "write one meter number a line")
    return rows


def _row(path: Path, line: int, cells: list[str], heading: list[str]) -> ListRow:
    named = _MAKER_BEFORE.fullmatch(cells[0])
    number = normal_number(named[2] if named else cells[0])
    if not any(c.isdigit() for c in number):
        raise InputError(
            f"{path.name}, line {line}: {safe_text(cells[0])!r} is no meter number",
            "put the number in the first column",
        )
    by_name = dict(zip(heading, cells, strict=False))
    has_label = len(cells) > 1 and heading[1:2] not in ([AT_COLUMN], [SET_COLUMN])
    return ListRow(
        line,
        number,
        named[1].upper() if named else None,
        cells[1] if has_label else "",
        by_name.get(AT_COLUMN, ""),
        by_name.get(SET_COLUMN, ""),
    )


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LIST_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check the name") from error
    if len(data) > LIST_LIMIT or b"\0" in data:
        raise InputError(f"{path} is no list of meters", "save it as CSV, one meter a line")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


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
