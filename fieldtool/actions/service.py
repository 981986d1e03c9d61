"""Actions with a meter, for the command line and the screens: plan, check, do, read back, compare; everything audited.

The check here is a safety catch: it says no before anything is sent. The lock is the meter, which checks the
certificate itself. Reading out needs neither and is in `read_out`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fieldtool.actions.action_log import RECOVER, ActionLog, Attempt, Became, became_of, standing_at
from fieldtool.actions.errors import ActionRefused, KeyUnsettled, LinkLost, LinkSilent
from fieldtool.actions.key_change import KEY_NOT_KNOWN, KeyChanger, filed_keys, recover_hint, require_same_meter
from fieldtool.actions.links import FieldLink, MeterChoice
from fieldtool.actions.plan import EVENT_LOG, ActionOutcome, ActionPlan, Settled, wish_for
from fieldtool.actions.read_out import NOT_SHOWN, ReadOut, take_read_out
from fieldtool.actions.session import Evidence, GuardedSession, OpenSession, counter_shown, is_authentic, refusal
from fieldtool.enrolment import Enrolment
from fieldtool.errors import UsageError
from keystore.certificates.errors import NotPermitted
from keystore.certificates.standing import Standing
from keystore.certificates.wallet import Wallet
from keystore.key_change import KeyChange
from keystore.lint import lint
from keystore.model import KeyRecord
from keystore.vault import Vault
from protocols.actions.commands import Command
from protocols.actions.event_log import LoggedEvent, parse_events
from protocols.actions.messages import Result
from protocols.actions.parameters import Argument
from protocols.actions.results import ResultCode
from protocols.errors import ProtocolError
from protocols.mbus.spans import data_words
from protocols.model import Address

CLOCK_APART: Final = timedelta(minutes=10)
"""A meter's clock that is further away than this is told: it judges certificates by it."""
_ANSWER_LOST: Final = "the meter's answer was lost; asking the meter showed that the action was done"
_NOT_PROVED: Final = "none of the keys that are filed for the meter proves its answer"
NOT_KNOWN: Final = "whether it was done is not known"
_READ_IT: Final = "read the meter out to see"


class ActionService:
    """Actions with the meter at the other end of a link, with the certificates and keys of an unlocked vault.

    `clock` gives aware UTC. Raises what the link raises, `NotPermitted`, `ActionRefused`, and what the vault raises.
    """

    def __init__(
        self,
        vault: Vault,
        link: FieldLink,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._vault = vault
        self._link = link
        self._clock = clock
        self._random_bytes = random_bytes

    def standing(self) -> Standing:
        """What may be done now; the clock is judged first, and remembered when it can be trusted."""
        return standing_at(self._vault, self._clock())

    def plan(
        self,
        action: str,
        meter: MeterChoice,
        arguments: dict[str, Argument],
        new_key: bytes | None = None,
        *,
        dry_run: bool = False,
    ) -> ActionPlan:
        """Look at the meter, and return what would be done; nothing is changed.

        Raises `UsageError` for an action or parameters that do not fit. A meter that cannot be looked at ends the
        attempt, which is written down; a dry run is none.
        """
        wish = wish_for(action, arguments, self._clock(), new_key)
        attempt = Attempt(self._vault, self._clock, action, meter, wish.shown(self._clock()))
        with nullcontext() if dry_run else attempt.noted():
            opened = self._session(meter).hello()
            read_out = take_read_out(self._link, self._vault.keys_for)
            if read_out.meter is not None:
                require_same_meter(opened.meter, read_out.meter)
        now, standing = self._clock(), self.standing()
        address = opened.meter
        return ActionPlan(
            wish,
            address,
            read_out.family,
            now,
            standing,
            standing.why_not(wish.action, address.manufacturer, read_out.family, address.number),
            before=_shown(read_out, wish.command(now)),
            reconfigurations_left=opened.reconfigurations_left,
            unsettled=self._vault.key_changes.pending_for(address) is not None,
            notes=(*_notes(opened, read_out, now), *_of_new_key(address, new_key)),
        )

    def check(self, plan: ActionPlan) -> Standing:
        """Return the level in use when it allows the action now; else write that down and raise `NotPermitted`."""
        standing = self.standing()
        address = plan.meter
        try:
            standing.require(plan.action, address.manufacturer, plan.family, address.number)
        except NotPermitted as error:
            self._log(plan, standing).note(Became.REFUSED_HERE, error.message)
            raise
        return standing

    def execute(self, plan: ActionPlan) -> ActionOutcome:
        """Do what was planned, with the level that is in use now, and compare with what the meter shows afterwards.

        A key change of the meter that is still open is settled before. Every way out is in the audit log.
        """
        standing = self.check(plan)
        return self._perform(plan, self.evidence(standing), self._log(plan, standing))

    def _perform(self, plan: ActionPlan, evidence: Evidence, log: ActionLog) -> ActionOutcome:
        """Do what was planned without asking the level in use: the part of `execute` that the meter's lock stands for.

        Nothing but `execute` calls it; that the meter refuses what should never have come so far is tested with it.
        """
        settled = self._settled_before(plan, log)
        try:
            outcome = (
                self._change_key(plan, evidence, log) if plan.wish.changes_key else self._write(plan, evidence, log)
            )
        except KeyboardInterrupt:
            log.note(Became.INTERRUPTED)
            raise
        return outcome if settled is None else replace(outcome, notes=(settled.text, *outcome.notes))

    def left_open(self, plan: ActionPlan) -> tuple[str, str]:
        """Return what is not known of an action that was interrupted, and what to do."""
        if self._vault.key_changes.pending_for(plan.meter) is None:
            return NOT_KNOWN, _READ_IT
        return KEY_NOT_KNOWN, recover_hint(plan.meter)

    def recover(self, meter: MeterChoice) -> Settled | None:
        """Settle the key change of a meter that is open, by asking it; None when none is."""
        with Attempt(self._vault, self._clock, RECOVER, meter).noted():
            address = self._session(meter).hello().meter
        change = self._vault.key_changes.pending_for(address)
        return None if change is None else self._settle(change)

    def evidence(self, standing: Standing) -> Evidence:
        """Return what proves a level to the meter; `NotPermitted` without a certificate."""
        if standing.credential is None or standing.chain is None:
            raise NotPermitted("no certificate is in use", "see: fieldtool certs show")
        wallet: Wallet = Enrolment(self._vault, self._clock()).wallet
        issuers = standing.chain.issuers
        lists = [one for one in wallet.lists if any(one.is_signed_by(issuer) for issuer in issuers)]
        return Evidence(standing.credential, tuple(one.data for one in issuers[:-1]), tuple(lists))

    def _session(self, meter: MeterChoice | Address) -> GuardedSession:
        choice = MeterChoice(meter.number, meter.manufacturer) if isinstance(meter, Address) else meter
        return GuardedSession(self._link, choice, self._random_bytes)

    def _log(self, plan: ActionPlan, standing: Standing) -> ActionLog:
        return ActionLog(self._vault, plan.action.name, plan.meter, standing, plan.parameter)

    def _changer(self, meter: Address) -> KeyChanger:
        return KeyChanger(self._vault, self._session(meter), self._clock, self._random_bytes)

    def _settled_before(self, plan: ActionPlan, log: ActionLog) -> Settled | None:
        """Settle an open key change of the meter; without that, nothing else is done with it."""
        change = self._vault.key_changes.pending_for(plan.meter)
        if change is None:
            return None
        try:
            return self._settle(change)
        except (LinkLost, LinkSilent) as error:
            log.note(Became.LINK_FAILED, error.message)
            raise
        except KeyUnsettled as error:
            log.note(Became.REFUSED_HERE, error.message)
            raise

    def _settle(self, change: KeyChange) -> Settled:
        log = ActionLog(self._vault, RECOVER, change.address, self.standing())
        return self._changer(change.address).settle(change, log)

    def _change_key(self, plan: ActionPlan, evidence: Evidence, log: ActionLog) -> ActionOutcome:
        done = self._changer(plan.meter).change(plan.meter, evidence, log, plan.wish.new_key)
        result = done.result
        left = None if result is None else counter_shown(result.reconfigurations_left)
        notes = (_ANSWER_LOST,) if result is None else ()
        return ActionOutcome(plan, done.settled.text, matches=True, reconfigurations_left=left, notes=notes)

    def _write(self, plan: ActionPlan, evidence: Evidence, log: ActionLog) -> ActionOutcome:
        command = plan.wish.command(self._clock())
        if command is None:
            raise UsageError(f"{plan.action.name} cannot be done this way")
        opened = self._opened(plan, log)
        result = self._proved(plan, opened, command, evidence, log)
        if result is None:
            return self._found_out(plan, command, log)
        keys = [record.value for record in filed_keys(self._vault, plan.meter)]
        authentic = is_authentic(result, opened, keys)
        events = _events(plan, result, log)
        try:
            after, matches = self._read_back(plan, command)
        except (LinkLost, LinkSilent) as error:
            log.note(Became.LINK_FAILED, f"done, but not read back: {error.message}")
            raise type(error)(f"the meter says done, but {error.message}", "read it out to see") from error
        became, problem = Became.DONE, ""
        notes = (_NOT_PROVED,) if authentic is False else ()
        if matches is False:
            became, problem = Became.DIFFERS, f"the meter says done, but shows {after}"
        elif notes and keys:
            became, problem, notes = Became.UNPROVED, f"the meter says done, but {_NOT_PROVED}", ()
        log.note(became, problem)
        left = counter_shown(result.reconfigurations_left)
        return ActionOutcome(plan, after, matches, authentic, left, events, problem, notes)

    def _opened(self, plan: ActionPlan, log: ActionLog) -> OpenSession:
        """Open the session that a command goes in; what goes wrong is written down and raised."""
        try:
            opened = self._session(plan.meter).hello()
            require_same_meter(plan.meter, opened.meter)
        except (ActionRefused, LinkLost, LinkSilent) as error:
            log.note(became_of(error), error.message)
            raise
        log.note(Became.BEGUN)
        return opened

    def _proved(
        self, plan: ActionPlan, opened: OpenSession, command: Command, evidence: Evidence, log: ActionLog
    ) -> Result | None:
        """Send the command with its proof; a refusal, and what goes wrong on the way, is written down and raised.

        None when the answer was lost. That is so, too, when the meter says that it has seen the proof before: then it
        was the tool's own, sent again by the link.
        """
        try:
            result = self._session(plan.meter).prove(opened, command.application, evidence)
        except LinkLost as error:
            log.note(Became.LINK_FAILED, error.message)
            raise LinkLost(f"{error.message}; {NOT_KNOWN}", _READ_IT) from error
        except LinkSilent as error:
            log.note(Became.LINK_FAILED, error.message)
            return None
        if result.code is ResultCode.REPLAY:
            return None
        if result.code is not ResultCode.DONE:
            refused_so = refusal(plan.meter, result)
            log.note(Became.REFUSED_BY_METER, refused_so.message)
            raise refused_so
        return result

    def _found_out(self, plan: ActionPlan, command: Command, log: ActionLog) -> ActionOutcome:
        """Find out from the read-out whether a command was done whose answer was lost.

        A new session cuts the one whose proof may still be under way, so that what is read stays true.
        """
        try:
            opened = self._session(plan.meter).hello()
            after, matches = self._read_back(plan, command)
        except (LinkLost, LinkSilent) as error:
            log.note(Became.LINK_FAILED, error.message)
            raise type(error)(f"{error.message}; {NOT_KNOWN}", _READ_IT) from error
        except ActionRefused as error:
            log.note(Became.REFUSED_BY_METER, f"{error.message}; {NOT_KNOWN}")
            raise
        if not matches:
            what = f"it was not done: it shows {after}" if matches is False else NOT_KNOWN
            log.note(Became.LINK_FAILED, f"the answer was lost; {what}")
            raise LinkSilent(f"the answer of meter {plan.meter} was lost; {what}", "start again")
        log.note(Became.DONE, "the answer was lost, but the read-out shows the change")
        left = opened.reconfigurations_left
        return ActionOutcome(plan, after, matches, reconfigurations_left=left, notes=(_ANSWER_LOST,))

    def _read_back(self, plan: ActionPlan, command: Command) -> tuple[str, bool | None]:
        """Return what the meter shows after a command, and whether it is what was written; None: it shows nothing."""
        wanted = command.read_back
        if wanted is None:
            return "", None
        read_out = take_read_out(self._link, self._vault.keys_for)
        if read_out.meter is not None:
            require_same_meter(plan.meter, read_out.meter)
        return _shown(read_out, command), read_out.shows(wanted)


def _shown(read_out: ReadOut, command: Command | None) -> str:
    """Return what a read-out shows of what a command writes, in words; empty for commands that leave no record."""
    wanted = None if command is None else command.read_back
    if wanted is None:
        return ""
    record = read_out.record(wanted.header)
    return NOT_SHOWN if record is None else data_words(record)


def _notes(opened: OpenSession, read_out: ReadOut, now: datetime) -> tuple[str, ...]:
    notes = []
    apart = datetime.fromtimestamp(opened.challenge.meter_time, UTC) - now
    if abs(apart) > CLOCK_APART:
        way = "ahead" if apart > timedelta(0) else "behind"
        notes.append(f"the meter's clock is {abs(apart) // timedelta(minutes=1)} minutes {way}: it judges dates by it")
    if read_out.problem:
        notes.append(f"the read-out: {read_out.problem}")
    return tuple(notes)


def _of_new_key(meter: Address, key: bytes | None) -> tuple[str, ...]:
    """Return what is wrong with a key that was given, a sentence at most; never the key."""
    if key is None:
        return ()
    found = lint([KeyRecord(number=meter.number, manufacturer=meter.manufacturer, value=key)])
    return tuple(f"{one.text}; anybody may guess it: leave --key-file out for a random one" for one in found)


def _events(plan: ActionPlan, result: Result, log: ActionLog) -> tuple[LoggedEvent, ...]:
    if plan.action.name != EVENT_LOG:
        return ()
    try:
        return parse_events(result.reply)
    except ProtocolError as error:
        log.note(Became.LINK_FAILED, str(error))
        raise LinkSilent(f"the event log of meter {plan.meter} cannot be read: {error}", "try again") from error
