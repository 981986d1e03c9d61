"""The rows of a list as an action takes them: what each asks for, each meter once, and no two in each other's way."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from fieldtool import enrolment
from fieldtool.actions.batch import BatchRow
from fieldtool.actions.links import MeterChoice, link_url, parse_meter
from fieldtool.actions.plan import PRIMARY_ADDRESS, wish_for
from fieldtool.actions.wired_link import OPTICAL
from fieldtool.cli import output
from fieldtool.cli.meter_values import read_values
from fieldtool.errors import UsageError
from fieldtool.report.expected import AT_COLUMN, SET_COLUMN, ExpectedMeter, rows_of_list
from protocols.actions.table import ActionForm


def rows_for(arguments: Namespace, form: ActionForm) -> list[BatchRow]:
    """Return the rows of the list that was given, each meter once; `InputError`, `UsageError` naming the line."""
    read: list[BatchRow] = []
    for line, listed in rows_of_list(arguments.list, output.talk):
        try:
            read.append(_row(arguments, form, line, listed))
        except UsageError as error:
            raise UsageError(f"{arguments.list.name}, line {line}: {error.message}", error.hint) from error
    rows = _once_each(_named(read, arguments.list.name), arguments.list.name)
    _check_addresses(arguments, form, rows)
    _check_heads(rows)
    return rows


def _row(arguments: Namespace, form: ActionForm, line: int, listed: ExpectedMeter) -> BatchRow:
    """Return what a row of the list asks for; `UsageError`."""
    meter = parse_meter(f"{listed.manufacturer or ''}{listed.number}")
    if not meter.number:
        raise UsageError(f"{meter} is no meter number", "give the meter's number, or use --meter")
    at = listed.at or arguments.at
    if not at:
        raise UsageError(f"meter {meter} has no link", f"give --at LINK, or a column headed `{AT_COLUMN}`")
    link_url(at)
    if listed.value and arguments.values:
        raise UsageError(f"meter {meter} has a value of its own", "leave --set out")
    values = read_values(form, [listed.value] if listed.value else arguments.values)
    try:
        wish = wish_for(form.name, values, enrolment.now())
    except UsageError as error:
        raise UsageError(error.message, f"give --set VALUE for all, or a column headed `{SET_COLUMN}`") from error
    return BatchRow(line, meter, listed.label, at, wish)


def _named(rows: Sequence[BatchRow], thing: str) -> list[BatchRow]:
    """Return the rows, those without a maker with the one that another row of the number has; `UsageError` for two."""
    makers: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.meter.manufacturer is not None:
            makers[row.meter.number].setdefault(row.meter.manufacturer, row.line)
    named = []
    for row in rows:
        lines = makers[row.meter.number]
        if row.meter.manufacturer is None and len(lines) > 1:
            which = " or ".join(map(str, lines.values()))
            raise UsageError(
                f"{thing}, line {row.line}: meter {row.meter} may be that of line {which}",
                "write the maker's three letters before the number",
            )
        maker = row.meter.manufacturer or next(iter(lines), None)
        named.append(replace(row, meter=MeterChoice(row.meter.number, maker)))
    return named


def _once_each(rows: Sequence[BatchRow], thing: str) -> list[BatchRow]:
    """Return the rows without those of meters that were named before; `UsageError` where they say something else."""
    firsts: dict[MeterChoice, BatchRow] = {}
    for row in rows:
        first = firsts.setdefault(row.meter, row)
        if first is row:
            continue
        where = f"{thing}, line {row.line}: meter {row.meter} stands in line {first.line}"
        if (first.at, first.wish.arguments) != (row.at, row.wish.arguments):
            raise UsageError(f"{where} too, with another link or value", "leave one of them out")
        output.talk(f"{where} already; it is asked once")
    return list(firsts.values())


def _check_addresses(arguments: Namespace, form: ActionForm, rows: Sequence[BatchRow]) -> None:
    """Two meters of a line with one primary address would answer at once, and nobody would understand either."""
    if form.name != PRIMARY_ADDRESS:
        return
    seen: dict[tuple[tuple[str, str], str], BatchRow] = {}
    for row in rows:
        address = row.wish.shown(enrolment.now())
        first = seen.setdefault((_port(row), address), row)
        if first is not row:
            raise UsageError(
                f"{arguments.list.name}, line {row.line}: line {first.line} has primary address {address} already",
                f"give each meter one of its own, in a column headed `{SET_COLUMN}`",
            )


def _check_heads(rows: Sequence[BatchRow]) -> None:
    """An optical head sits on one meter: nobody would move it in time."""
    heads = [_port(row) for row in rows if link_url(row.at).kind == OPTICAL]
    if len(heads) != len(set(heads)):
        raise UsageError("an optical head reaches one meter only", "do these meters one by one, with --meter")


def _port(row: BatchRow) -> tuple[str, str]:
    """Return what a row's link opens, however its options are written."""
    url = link_url(row.at)
    return url.kind, os.path.realpath(url.target) if url.target.startswith("/") else url.target.casefold()
