"""One action with the meters of a list, one after the other, each as if it were the only one.

What the level in use does not cover is found before anything is sent to any meter. After that every meter has the same
service, and the same guard, as a meter alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fieldtool.actions.action_log import ActionLog, Attempt, Became, DoneBefore, done_before, standing_at
from fieldtool.actions.errors import ActionRefused, LinkSilent
from fieldtool.actions.key_change import KEY_NOT_KNOWN, recover_hint
from fieldtool.actions.links import FieldLink, MeterChoice
from fieldtool.actions.plan import ActionOutcome, ActionPlan, Wish
from fieldtool.actions.service import NOT_KNOWN, ActionService
from fieldtool.errors import FieldToolError, ReceiverError, UsageError
from fieldtool.exit_codes import ExitCode
from keystore.certificates.errors import NotPermitted
from keystore.certificates.levels import Action, Capability
from keystore.certificates.standing import Standing
from keystore.errors import Damaged, KeystoreError
from keystore.matching import ManufacturerFit, manufacturer_fit
from keystore.vault import Vault
from protocols.actions.results import ResultCode

FOR_NOW: Final = timedelta(days=1)
"""How long the time of sending, once set, counts as set."""
LASTS: Final = {
    "reset-alarms": FOR_NOW,
    "reset-peaks": FOR_NOW,
    "test-mode": FOR_NOW,
    "change-key": timedelta(days=30),
}
"""How long an action counts as done that is done again some day although nothing else is wanted then."""
OF_THE_LEVEL: Final = frozenset(
    {ResultCode.LEVEL_TOO_LOW, ResultCode.REVOKED, ResultCode.UNTRUSTED, ResultCode.BAD_SIGNATURE}
)
"""Refusals that are about who asks, and not about the one meter: the next meter would refuse as well."""


class RowState(StrEnum):
    """What became of a row of the list."""

    DONE = "done"
    DONE_BEFORE = "done_before"
    PLANNED = "planned"
    NOT_COVERED = "not_covered"
    DIFFERS = "differs"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    FAILED = "failed"
    LINK_LOST = "link_lost"
    KEY_OPEN = "key_open"
    INTERRUPTED = "interrupted"
    NOT_DONE = "not_done"


FINE: Final = frozenset({RowState.DONE, RowState.DONE_BEFORE, RowState.PLANNED})


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A meter of the list: its line there, what it is called, where it is, and what is to be done with it."""

    line: int
    meter: MeterChoice
    label: str
    at: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: `why` it is not done, and what to do about it (`hint`); `at` is when it was done before."""

    row: BatchRow
    state: RowState
    outcome: ActionOutcome | None = None
    why: str = ""
    hint: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """Why no further meter is asked, and the exit code of that."""

    why: str
    exit_code: ExitCode


class ActionBatch:
    """One action with many meters, in an unlocked vault; `open_to` opens the link of a row, `clock` gives aware UTC.

    Whoever asks for the rows one by one gets a result for each, whatever happens on the way: `do` raises only what is
    a defect.
    """

    def __init__(
        self,
        vault: Vault,
        action: Action,
        open_to: Callable[[BatchRow], FieldLink],
        clock: Callable[[], datetime],
        *,
        again: bool = False,
    ) -> None:
        self._vault = vault
        self._action = action
        self._open_to = open_to
        self._clock = clock
        # What only reads leaves nothing that could be there already.
        self._done = self._log() if action.writes and not again else {}
        self._before: dict[int, RowResult | None] = {}
        self._ended: _End | None = None
        self._gone: dict[str, _End] = {}
        self._failed = False

    def standing(self) -> Standing:
        """The level in use now."""
        return standing_at(self._vault, self._clock())

    def check(self, rows: Iterable[BatchRow], *, dry_run: bool = False) -> list[RowResult]:
        """Return the rows that the level in use does not cover; nothing is sent.

        A meter's family is not known before it is asked: what the certificate says of families is checked then. Every
        refusal is in the audit log, but for a dry run.
        """
        standing = self.standing()
        refused = []
        for row in rows:
            why = self._why_not(standing, row)
            if why:
                refused.append(RowResult(row, RowState.NOT_COVERED, why=why, hint="see: fieldtool certs show"))
                if not dry_run:
                    log = ActionLog(self._vault, self._action.name, row.meter, standing, self._parameter(row))
                    log.note(Became.REFUSED_HERE, why)
        return refused

    def before(self, row: BatchRow) -> RowResult | None:
        """Return that the audit log has the row as done, with the same parameters; None when it has not.

        It stays so for the whole list: what nobody was asked about is not done because time has passed.
        """
        if row.line not in self._before:
            self._before[row.line] = self._looked_up(row)
        return self._before[row.line]

    def keys_open(self, rows: Iterable[BatchRow]) -> list[RowResult]:
        """Return the rows whose meters have a key change that is not settled: the list stops there."""
        pending = self._vault.key_changes.pending()
        found = ((row, next((one for one in pending if row.meter.fits(one.address)), None)) for row in rows)
        return [
            RowResult(row, RowState.KEY_OPEN, why=KEY_NOT_KNOWN, hint=recover_hint(change.address))
            for row, change in found
            if change is not None
        ]

    def stop(self, why: str, code: ExitCode) -> None:
        """Ask no further meter; what has ended the list already stays the reason."""
        self._ended = self._ended or _End(why, code)

    def left(self, row: BatchRow) -> RowResult:
        """Return what is known of a row that was interrupted where not even that could be found out."""
        self._failed = True
        hint = "read the meter out to see, and look at: fieldtool audit list"
        return self._end(row, RowState.INTERRUPTED, f"interrupted; {NOT_KNOWN}", hint, ExitCode.INTERRUPTED)

    def do(self, row: BatchRow) -> RowResult:
        """Do the action with the meter of a row, unless it was done before, or the list or its link has ended."""
        result = self.before(row) or self._not_done(row)
        try:
            result = result or self._attempted(row)
        except KeystoreError as error:
            # The store failed again while it was asked what the first failure has left.
            result = self._end(row, RowState.FAILED, error.message, error.hint, ExitCode.KEYSTORE)
        self._failed = self._failed or result.state not in FINE
        return result

    @property
    def exit_code(self) -> ExitCode:
        """How the list ended: what ended it, else whether a row failed."""
        ended = self._ended or next(iter(self._gone.values()), None)
        if ended is not None:
            return ended.exit_code
        return ExitCode.SOME_FAILED if self._failed else ExitCode.OK

    def _log(self) -> dict[str, dict[str, DoneBefore]]:
        """Return what the audit log has as done, by number and maker; `Damaged` where it cannot be believed."""
        report = self._vault.audit.verify()
        if not report.ok:
            raise Damaged(
                f"the audit log cannot say what was done before: {report.problems[0]}",
                "run: fieldtool store verify; --again does all meters of the list",
            )
        done: dict[str, dict[str, DoneBefore]] = {}
        for name, one in done_before(self._vault.audit.entries(), self._action.name).items():
            maker, _, number = name.rpartition(" ")
            done.setdefault(number, {})[maker] = one
        return done

    def _looked_up(self, row: BatchRow) -> RowResult | None:
        by_maker = self._done.get(row.meter.number, {})
        found = [(maker, done) for maker, done in by_maker.items() if row.meter.manufacturer in (None, maker)]
        if len(found) != 1:
            return None
        maker, done = found[0]
        if not self._is_same(row, done) or (row.meter.manufacturer is None and self._has_namesake(row, maker)):
            return None
        return RowResult(row, RowState.DONE_BEFORE, hint="--again does it anyway", at=done.at)

    def _has_namesake(self, row: BatchRow, maker: str) -> bool:
        """Whether another maker's meter is filed under the number: a row without a maker may mean that one."""
        filed = (one.manufacturer for one in self._vault.find(row.meter.number) if one.number == row.meter.number)
        return any(one and manufacturer_fit(one, maker) is ManufacturerFit.OTHER for one in filed)

    def _is_same(self, row: BatchRow, done: DoneBefore) -> bool:
        lasts = FOR_NOW if row.wish.is_for_now else LASTS.get(self._action.name)
        if lasts is not None and abs(self._clock() - done.at) >= lasts:
            return False
        return row.wish.is_for_now or done.parameter == self._parameter(row)

    def _parameter(self, row: BatchRow) -> str:
        return row.wish.shown(self._clock())

    def _not_done(self, row: BatchRow) -> RowResult | None:
        """Return that nothing is asked any more, or not on this link."""
        ended = self._ended or self._gone.get(row.at)
        return None if ended is None else RowResult(row, RowState.NOT_DONE, why=ended.why)

    def _attempted(self, row: BatchRow) -> RowResult:
        plan: ActionPlan | None = None
        outcome: ActionOutcome | None = None
        if left_open := self.keys_open([row]):
            return self._end(row, RowState.KEY_OPEN, left_open[0].why, left_open[0].hint, ExitCode.KEYSTORE)
        try:
            with closing(self._opened(row)) as link:
                service = ActionService(self._vault, link, self._clock)
                plan = service.plan(self._action.name, row.meter, row.wish.arguments)
                outcome = service.execute(plan)
        except KeyboardInterrupt:
            if outcome is not None:
                # It was the link that was being closed.
                self._ended = _End(f"the list was stopped behind meter {row.meter}", ExitCode.INTERRUPTED)
                return _as_told(row, outcome)
            why, hint = ("nothing was done", "") if plan is None else service.left_open(plan)
            is_open = bool(self.keys_open([row]))
            state = RowState.KEY_OPEN if is_open else RowState.INTERRUPTED
            return self._end(row, state, f"interrupted; {why}", hint, ExitCode.INTERRUPTED)
        except (FieldToolError, KeystoreError) as error:
            return self._failure(row, error, met=plan is not None)
        return _as_told(row, outcome)

    def _opened(self, row: BatchRow) -> FieldLink:
        with Attempt(self._vault, self._clock, self._action.name, row.meter, self._parameter(row)).noted():
            return self._open_to(row)

    def _failure(self, row: BatchRow, error: FieldToolError | KeystoreError, *, met: bool) -> RowResult:
        """Return what an error makes of a row, and end the list where the next meter would fare no better.

        `met` says that the meter was looked at: something may have been sent to it since.
        """
        told = error.message, error.hint
        code = error.exit_code if isinstance(error, FieldToolError) else ExitCode.KEYSTORE
        if self.keys_open([row]):
            return self._end(row, RowState.KEY_OPEN, *told, code)
        match error:
            case LinkSilent():
                return RowResult(row, RowState.NO_ANSWER, None, *told)
            case ReceiverError() | UsageError():
                self._gone[row.at] = _End(f"the link ended at meter {row.meter}", code)
                return RowResult(row, RowState.LINK_LOST, None, *told)
            case ActionRefused() if error.code in OF_THE_LEVEL:
                return self._end(row, RowState.REFUSED, *told, code)
            case ActionRefused():
                return RowResult(row, RowState.REFUSED, None, *told)
            case NotPermitted() if not self._why_not(self.standing(), row):
                # It was its family: the next meter may be of another one.
                return RowResult(row, RowState.NOT_COVERED, None, *told)
            case NotPermitted():
                return self._end(row, RowState.NOT_COVERED, *told, code)
            case KeystoreError():
                why = f"{error.message}; {NOT_KNOWN}" if met else error.message
                return self._end(row, RowState.FAILED, why, error.hint, code)
        return RowResult(row, RowState.FAILED, None, *told)

    def _end(self, row: BatchRow, state: RowState, why: str, hint: str, code: ExitCode) -> RowResult:
        self._ended = _End(f"the list was stopped at meter {row.meter}", code)
        return RowResult(row, state, None, why, hint)

    def _why_not(self, standing: Standing, row: BatchRow) -> str:
        """Return why the level in use does not cover a row, leaving aside what only the meter can say."""
        scope = standing.grant.scope
        makers = scope.manufacturers
        maker = row.meter.manufacturer or (self._filed_maker(row.meter.number, makers) if makers else None)
        wide = replace(standing, grant=replace(standing.grant, scope=replace(scope, families=None)))
        why = wide.why_not(self._action, maker, None, row.meter.number)
        may = self._action.needs is Capability.READ or self._action.needs in standing.grant.capabilities
        if why and may and makers and maker is None:
            return f"{why}, and the maker of this one is not known: write its three letters before the number"
        return why

    def _filed_maker(self, number: str, allowed: frozenset[str]) -> str | None:
        """Return the maker that a meter is filed under; of one house, the one that the certificate names."""
        filed = {one.manufacturer for one in self._vault.find(number) if one.number == number} - {None}
        if len(filed) != 1:
            return None
        maker = filed.pop()
        same = (one for one in sorted(allowed) if manufacturer_fit(maker, one) <= ManufacturerFit.SAME_HOUSE)
        return next(same, maker)


def _as_told(row: BatchRow, outcome: ActionOutcome) -> RowResult:
    """Return what became of a row that the meter has done."""
    if outcome.problem:
        return RowResult(row, RowState.DIFFERS, outcome, outcome.problem, "read the meter out, and try again")
    return RowResult(row, RowState.DONE, outcome)
