"""`fieldtool meter ACTION --list FILE`: one action with all meters of a list."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from fieldtool import enrolment
from fieldtool.actions.batch import FINE, ActionBatch, BatchRow, RowResult, RowState
from fieldtool.actions.links import FieldLink, LinkContext, open_link
from fieldtool.cli import output
from fieldtool.cli.asking import confirmed
from fieldtool.cli.ctrl_c import CtrlC
from fieldtool.exit_codes import ExitCode
from fieldtool.export.batch_text import row_facts, row_lines, states_text, what_is_set
from keystore.certificates.errors import NotPermitted
from keystore.certificates.levels import level_table
from keystore.certificates.standing import Standing
from keystore.vault import Vault
from protocols.plural import counted

MOST_LINKS: Final = 4
"""Links of a list that are shown before somebody says yes."""


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
    left_open = {told.row.line: told for told in batch.keys_open(open_rows)}
    for told in left_open.values():
        output.talk(f"a key change of meter {told.row.meter} is not settled: the list stops there")
    if arguments.dry_run:
        for row in rows:
            teller.tell(batch.before(row) or left_open.get(row.line) or RowResult(row, RowState.PLANNED))
        if left_open:
            batch.stop("a key change is not settled", ExitCode.KEYSTORE)
    elif not open_rows or confirmed(_question(arguments, open_rows), yes=arguments.yes or not action.writes):
        _one_by_one(rows, batch, teller)
    else:
        output.talk("nothing was written")
        return ExitCode.SOME_FAILED
    with suppress(OSError):
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
        "links": _links(arguments, open_rows),
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


def _links(arguments: Namespace, rows: Sequence[BatchRow]) -> str:
    """Return where the list leads to, when it is not where the command says."""
    links = list(dict.fromkeys(row.at for row in rows))
    if set(links) <= {arguments.at}:
        return ""
    more = len(links) - MOST_LINKS
    return ", ".join((*links[:MOST_LINKS], *((f"{more} more",) if more > 0 else ())))


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
