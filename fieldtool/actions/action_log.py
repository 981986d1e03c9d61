"""What the audit log says of actions: every attempt, whoever ended it, with certificate and reason; never a key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from fieldtool.actions.errors import ActionRefused
from fieldtool.actions.links import MeterChoice
from fieldtool.enrolment import Enrolment
from fieldtool.errors import FieldToolError, ReceiverError
from keystore.audit import AuditAction, AuditEntry
from keystore.certificates.standing import Standing
from keystore.key_change import ChangeNote
from keystore.vault import Vault
from protocols.model import Address
from protocols.text import safe_text

RECOVER: Final = "recover"
"""What settling a key change is called, which is no action of the table."""

OLDER: Final = frozenset({AuditAction.RESTORED, AuditAction.OLDER_COPY_ACCEPTED})
"""Entries that say that the store, and the log before them, is not the newest."""


class Became(StrEnum):
    """What became of an attempt."""

    BEGUN = "begun"
    DONE = "done"
    REFUSED_HERE = "refused by the tool"
    REFUSED_BY_METER = "refused by the meter"
    LINK_FAILED = "link failed"
    INTERRUPTED = "interrupted"
    DIFFERS = "done, but the read-out differs"
    UNPROVED = "done, but the answer is not proved"
    SETTLED = "key change settled"
    UNSETTLED = "key change not settled"


def became_of(error: FieldToolError) -> Became:
    """Return what an error made of an attempt that had not begun yet."""
    if isinstance(error, ActionRefused):
        return Became.REFUSED_BY_METER
    return Became.LINK_FAILED if isinstance(error, ReceiverError) else Became.REFUSED_HERE


@dataclass(frozen=True, slots=True)
class ActionLog:
    """The entries of one attempt; a meter that was not met yet is named as the user named it."""

    vault: Vault
    action: str
    meter: Address | MeterChoice
    standing: Standing
    parameter: str = ""

    def note(self, became: Became, reason: str = "", **more: str) -> None:
        """Append an entry, in a transaction of its own."""
        entry = self.entry(became, reason, **more)
        self.vault.audit.note(entry.event, entry.subject, **entry.detail)

    def entry(self, became: Became, reason: str = "", **more: str) -> ChangeNote:
        """Return an entry that somebody else appends within a transaction."""
        credential = self.standing.credential
        told = {
            "meter_action": self.action,
            "became": str(became),
            "parameter": self.parameter,
            "level": self.standing.title,
            "serial": "" if credential is None else credential.certificate.serial_text,
            "reason": safe_text(reason),
            **more,
        }
        met = isinstance(self.meter, Address)
        subject = f"{self.meter.manufacturer} {self.meter.number}" if met else str(self.meter)
        return ChangeNote(AuditAction.METER_ACTION, subject, {name: text for name, text in told.items() if text})


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody wants an action done; what keeps it from beginning is written down. `clock` gives aware UTC."""

    vault: Vault
    clock: Callable[[], datetime]
    action: str
    meter: MeterChoice
    parameter: str = ""

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Write down that the link failed, or the meter refused, while the body ran; the error goes on."""
        try:
            yield
        except (ActionRefused, ReceiverError) as error:
            log = ActionLog(self.vault, self.action, self.meter, standing_at(self.vault, self.clock()), self.parameter)
            log.note(became_of(error), error.message)
            raise


def standing_at(vault: Vault, now: datetime) -> Standing:
    """Return the level in use; the clock is judged first, and remembered when it can be trusted."""
    certificates = Enrolment(vault, now)
    certificates.attend_clock()
    return certificates.standing()


@dataclass(frozen=True, slots=True)
class DoneBefore:
    """An action that the log has as done and confirmed: what was set, and when."""

    parameter: str
    at: datetime


def done_before(entries: Iterable[AuditEntry], action: str) -> dict[str, DoneBefore]:
    """Return with which meters an action was done, by their names in the log (`KAM 63001468`).

    The newest attempt that began counts: behind one whose end is not known, nothing is known to be done. A key change
    that was settled later counts when the meter took the key that this attempt offered. Behind a restored or an older
    store, what happened after it was copied is not known, and nothing counts.
    """
    done: dict[str, DoneBefore] = {}
    offered: dict[str, tuple[str, str]] = {}
    for entry in entries:
        if entry.action in OLDER:
            done.clear()
        name, became = entry.detail.get("meter_action"), entry.detail.get("became")
        if entry.action != AuditAction.METER_ACTION or name not in (action, RECOVER):
            continue
        parameter = entry.detail.get("parameter", "")
        if name == action and became == Became.BEGUN:
            done.pop(entry.subject, None)
            offered[entry.subject] = entry.detail.get("new", ""), parameter
        elif name == action and became == Became.DONE:
            done[entry.subject] = DoneBefore(parameter, entry.at)
        elif became == Became.SETTLED:
            value, parameter = offered.get(entry.subject, ("", ""))
            if value and value == entry.detail.get("key_check_value"):
                done[entry.subject] = DoneBefore(parameter, entry.at)
    return done
