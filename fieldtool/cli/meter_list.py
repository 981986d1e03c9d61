"""`fieldtool meter ACTION --list FILE`: one action with all meters of a list."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from fieldtool import enrolment
from fieldtool.actions.batch import FINE, ActionBatch, BatchRow, RowResult, RowState
from fieldtool.actions.links import FieldLink, LinkContext, MeterChoice, link_url, open_link, parse_meter
from fieldtool.actions.plan import PRIMARY_ADDRESS, wish_for
from fieldtool.actions.wired_link import OPTICAL
from fieldtool.cli import output
from fieldtool.cli.asking import confirmed
from fieldtool.cli.ctrl_c import CtrlC
from fieldtool.cli.meter_values import read_values
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.batch_text import row_facts, row_lines, states_text, what_is_set
from fieldtool.report.expected import AT_COLUMN, SET_COLUMN, ExpectedMeter, rows_of_list
from keystore.certificates.errors import NotPermitted
from keystore.certificates.levels import level_table
from keystore.certificates.standing import Standing
from keystore.vault import Vault
from protocols.actions.table import ActionForm
from protocols.plural import counted


def rows_for(arguments: Namespace, form: ActionForm) -> list[BatchRow]:
    """Return the rows of the list that was given, each meter once; `InputError`, `UsageError` naming the line."""
    rows: list[BatchRow] = []
    by_number: dict[str, list[BatchRow]] = {}
    for line, listed in rows_of_list(arguments.list, output.talk):
        try:
            row = _row(arguments, form, line, listed)
        except UsageError as error:
            raise UsageError(f"{arguments.list.name}, line {line}: {error.message}", error.hint) from error
        namesakes = by_number.setdefault(row.meter.number, [])
        first = next((one for one in namesakes if _is_same_meter(one.meter, row.meter)), None)
        if first is None:
            namesakes.append(row)
            rows.append(row)
            continue
        where = f"{arguments.list.name}, line {row.line}: meter {row.meter} stands in line {first.line}"
        if (first.at, first.wish.arguments) != (row.at, row.wish.arguments):
            raise UsageError(f"{where} too, with another link or value", "leave one of them out")
        output.talk(f"{where} already; it is asked once")
    _check_addresses(arguments, form, rows)
    _check_heads(rows)
    return rows


def act_on_list(arguments: Namespace, rows: Sequence[BatchRow], vault: Vault) -> ExitCode:
    """Check the whole list, ask once, and do the action meter by meter; `NotPermitted` when it is not covered."""
    context = LinkContext(vault.keys_for, output.meanwhile, enrolment.now)
    places = {row.line: place for place, row in enumerate(rows, 1)}

    def open_to(row: BatchRow) -> FieldLink:
        output.meanwhile(f"{places[row.line]} of {len(rows)}: meter {row.meter}")
        return open_link(row.at, row.meter, context)

    action = level_table().actions[arguments.action]
    batch = ActionBatch(vault, action, open_to, lambda: enrolment.now(), again=arguments.again)
    standing = batch.standing()
    teller = _Teller(arguments, standing, max(len(row.label) for row in rows))
    open_rows = [row for row in rows if batch.before(row) is None]
    _announce(arguments, rows, open_rows, standing)
    refused = batch.check(open_rows, dry_run=arguments.dry_run)
    if refused:
        _refuse(refused, len(rows), standing, teller)
    if arguments.dry_run:
        for row in rows:
            teller.tell(batch.before(row) or RowResult(row, RowState.PLANNED))
    elif not open_rows or confirmed(_question(arguments, open_rows), yes=arguments.yes or not action.writes):
        _one_by_one(rows, batch, teller)
    else:
        output.talk("nothing was written")
        return ExitCode.SOME_FAILED
    with suppress(BrokenPipeError):
        _sum_up(teller, again=arguments.again)
    if teller.failure is not None and not isinstance(teller.failure, BrokenPipeError):
        raise teller.failure
    return batch.exit_code


def _one_by_one(rows: Sequence[BatchRow], batch: ActionBatch, teller: _Teller) -> None:
    """Do the rows, and tell of every single one, whoever interrupts it and wherever."""
    with CtrlC() as ctrl_c:
        for row in rows:
            if ctrl_c.waits:
                batch.stop(f"the list was stopped before meter {row.meter}", ExitCode.INTERRUPTED)
            if teller.failure is not None:
                batch.stop("nobody can read any more what is done", ExitCode.SOME_FAILED)
            before = batch.exit_code
            try:
                with ctrl_c.let_through():
                    result = batch.do(row)
            except KeyboardInterrupt:
                result = batch.left(row)
            if batch.exit_code is ExitCode.INTERRUPTED is not before:
                output.end_line()
            teller.tell(result)


def _sum_up(teller: _Teller, *, again: bool) -> None:
    """Say how many meters there are of each state, and how to go on."""
    output.talk(states_text(teller.told))
    states = {one.state for one in teller.told}
    if not states <= FINE:
        first = "once the key change is settled, " if RowState.KEY_OPEN in states else ""
        goes_on = (
            "begins again with all meters: leave out those that are done" if again else "goes on with what is not done"
        )
        output.talk(f"{first}the same command {goes_on}")


class _Teller:
    """Prints the result of each row, and keeps it for the sum at the end; `failure` is why nothing can be printed."""

    def __init__(self, arguments: Namespace, standing: Standing, label_width: int) -> None:
        self.told: list[RowResult] = []
        self.failure: OSError | None = None
        self._json = arguments.json
        self._standing = standing
        self._label_width = label_width

    def tell(self, result: RowResult) -> None:
        """Print a row at once: what is done must be known even if the next meter never answers."""
        self.told.append(result)
        if self.failure is not None:
            return
        try:
            self._print(result)
        except OSError as error:
            self.failure = error
            output.let_go()

    def _print(self, result: RowResult) -> None:
        now = enrolment.now()
        if self._json:
            output.data(row_facts(result, self._standing, now), flush=True)
            return
        for line in row_lines(result, now, label_width=self._label_width):
            output.data(line, flush=True)


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


def _is_same_meter(one: MeterChoice, other: MeterChoice) -> bool:
    return one.number == other.number and (
        None in (one.manufacturer, other.manufacturer) or one.manufacturer == other.manufacturer
    )


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


def _announce(
    arguments: Namespace, rows: Sequence[BatchRow], open_rows: Sequence[BatchRow], standing: Standing
) -> None:
    """Say what is going to be done, before anybody is asked."""
    if arguments.json:
        return
    before = len(rows) - len(open_rows)
    skipped = f", {before} of them done before: --again does them anyway" if before else ""
    lines = f"lines {rows[0].line} to {rows[-1].line}"
    action = level_table().actions[arguments.action]
    facts = {
        "list": f"{arguments.list.name}, {lines}: {counted(len(rows), 'meter')}{skipped}",
        "action": action.text,
        "new": what_is_set(open_rows, enrolment.now()),
        "needs": " or ".join(level.title for level in level_table().levels_allowing(action)),
        "in use": standing.title,
    }
    for name, text in facts.items():
        if text:
            output.talk(f"{name:12}{text}")
    for warning in standing.warnings:
        output.talk(warning)
    families = standing.grant.scope.families
    if families is not None:
        output.talk(f"the certificate is for {', '.join(sorted(families))}: which family a meter is, it is asked first")


def _refuse(refused: Sequence[RowResult], count: int, standing: Standing, teller: _Teller) -> None:
    """Print the rows that are not covered, and raise: nothing was sent to any meter."""
    for result in refused:
        teller.tell(result)
    reasons = list(dict.fromkeys(one.why for one in refused))
    why = reasons[0] if len(reasons) == 1 else "each says why"
    raise NotPermitted(
        f"{len(refused)} of {counted(count, 'meter')} may not be asked for this, and none was: {why}", refused[0].hint
    )


def _question(arguments: Namespace, open_rows: Sequence[BatchRow]) -> str:
    value = what_is_set(open_rows, enrolment.now())
    what = f"{level_table().actions[arguments.action].text}{f': {value}' if value else ''}"
    return f"{counted(len(open_rows), 'meter')} of {arguments.list.name}: {what}"
