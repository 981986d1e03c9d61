"""Changing a meter's key so that both sides come out of it with the same key, whatever happens on the way.

The new key is in the journal of the vault before anything is sent. Afterwards, and after every failure, the meter is
asked which key it holds, and the vault follows what it proves. Nothing is ever concluded from an answer that did or did
not come.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fieldtool.access import user_name
from fieldtool.actions.action_log import ActionLog, Became, became_of
from fieldtool.actions.errors import ActionRefused, KeyNotTaken, KeyUnsettled, LinkLost, LinkSilent, WrongMeter
from fieldtool.actions.plan import CHANGE_KEY, Held, Settled
from fieldtool.actions.session import AES_KEY_BYTES, Evidence, GuardedSession, OpenSession, refusal
from fieldtool.errors import AccessError
from keystore.key_change import KeyChange
from keystore.matching import ManufacturerFit, manufacturer_fit
from keystore.model import KeyRecord, KeyRole, KeyStatus, key_check_value
from keystore.vault import Vault
from protocols.actions.commands import build_command
from protocols.actions.messages import Result
from protocols.actions.results import ResultCode
from protocols.crypto import wrap_key
from protocols.model import Address
from protocols.plural import counted

KEY_NOT_KNOWN: Final = "which key the meter holds is not known yet, both are kept"


@dataclass(frozen=True, slots=True)
class KeyChangeDone:
    """A key change that the meter did and proved; `result` is None when its answer was lost."""

    settled: Settled
    result: Result | None


class KeyChanger:
    """Changes and settles the keys of one meter over an open session."""

    def __init__(
        self,
        vault: Vault,
        session: GuardedSession,
        clock: Callable[[], datetime],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._vault = vault
        self._session = session
        self._clock = clock
        self._random_bytes = random_bytes

    def change(self, meter: Address, evidence: Evidence, log: ActionLog, new_key: bytes | None) -> KeyChangeDone:
        """Give a meter a new key, made at random unless one is given, and follow with the vault.

        Raises `AccessError` when the meter's present key is not filed, or is the new one; `ActionRefused` when the
        meter refused and proved the old key, `KeyNotTaken` when it did not refuse and proved it nevertheless;
        `KeyUnsettled` when it proved neither; `LinkLost` and `LinkSilent` with the change left open.
        """
        new_key = self._random_bytes(AES_KEY_BYTES) if new_key is None else new_key
        try:
            filed, opened = self._met(meter, new_key)
        except (AccessError, ActionRefused, LinkLost, LinkSilent) as error:
            log.note(became_of(error), error.message)
            raise
        command = build_command(CHANGE_KEY, wrapped_key=wrap_key(new_key, filed.value)).application
        serial = evidence.credential.certificate.serial_text
        change = KeyChange(meter, filed.role, filed.value, new_key, self._clock(), user_name(), serial)
        begun = log.entry(Became.BEGUN, old=key_check_value(filed.value), new=key_check_value(new_key))
        self._vault.key_changes.begin(change, filed, begun)
        try:
            result = self._sent(opened, command, evidence, log)
            settled = self.settle(change, log)
        except (LinkLost, LinkSilent) as error:
            log.note(Became.LINK_FAILED, error.message)
            raise type(error)(f"{error.message}; {KEY_NOT_KNOWN}", recover_hint(meter)) from error
        self._check_taken(meter, settled, result, log)
        log.note(Became.DONE)
        return KeyChangeDone(settled, result)

    def _met(self, meter: Address, new_key: bytes) -> tuple[KeyRecord, OpenSession]:
        """Return the filed record of the key that the meter holds, and a session to change it in."""
        filed = self._present(meter)
        if hmac.compare_digest(new_key, filed.value):
            raise AccessError(f"meter {meter} holds the new key already", "choose another one")
        opened = self._session.hello()
        require_same_meter(meter, opened.meter)
        return filed, opened

    def _sent(self, opened: OpenSession, command: bytes, evidence: Evidence, log: ActionLog) -> Result | None:
        """Send the proof; None when nothing came back, which says nothing of what the meter did."""
        try:
            return self._session.prove(opened, command, evidence)
        except LinkSilent as error:
            log.note(Became.LINK_FAILED, error.message)
            return None

    def _check_taken(self, meter: Address, settled: Settled, result: Result | None, log: ActionLog) -> None:
        if settled.took_new:
            return
        if result is None:
            raise LinkSilent(f"meter {meter} did not answer, and holds {settled.held} as before", "start again")
        if result.code is ResultCode.DONE:
            log.note(Became.DIFFERS, f"the meter says done, and proves {settled.held}")
            raise KeyNotTaken(f"meter {meter} says that it took the new key, but proves {settled.held}", "start again")
        error = refusal(meter, result)
        log.note(Became.REFUSED_BY_METER, error.message)
        raise error

    def settle(self, change: KeyChange, log: ActionLog) -> Settled:
        """Ask the meter which key it holds, and close the change with it; raises `KeyUnsettled`.

        A session is opened first: that cuts the one whose proof may still be under way, so that the answer stays true.
        """
        try:
            require_same_meter(change.address, self._session.hello().meter)
        except ActionRefused as error:
            # A meter that opens no session takes no command either.
            if error.code not in (ResultCode.LOCKED, ResultCode.BUSY):
                raise
        others = [record.value for record in filed_keys(self._vault, change.address)]
        held = self._session.which_key(change.address, (change.new_key, change.old_key, *others))
        if held is None:
            reason = "the meter proves neither the old key nor the new one"
            log.note(Became.UNSETTLED, reason)
            raise KeyUnsettled(
                f"key change of {change.meter_text}: {reason}; both are kept",
                "find out who else changed its key, import that one, then: fieldtool meter recover",
            )
        value, which = key_check_value(held.key), _which(change, held.key)
        entry = log.entry(Became.SETTLED, f"the meter proves {which}", key_check_value=value)
        self._vault.key_changes.settle(change, held.key, held.version, entry)
        return Settled(change.address, which, value, held.version)

    def _present(self, meter: Address) -> KeyRecord:
        """Return the filed record of the key that the meter proves to hold."""
        records = filed_keys(self._vault, meter)
        if not records:
            raise AccessError(
                f"no key is filed for meter {meter}: the new one could not be wrapped", "import its key first"
            )
        held = self._session.which_key(meter, [record.value for record in records])
        if held is None:
            raise AccessError(
                f"meter {meter} proves none of the keys filed for it ({counted(len(records), 'key')})",
                "import the key that it holds first",
            )
        return next(record for record in records if hmac.compare_digest(record.value, held.key))


def filed_keys(vault: Vault, meter: Address) -> list[KeyRecord]:
    """Return the records of the keys that are filed for a meter itself, best first; those revoked are left out."""
    return [
        record
        for record in vault.find(meter.number, meter.manufacturer, KeyRole.WMBUS_DEK)
        if record.number == meter.number
        and len(record.value) == AES_KEY_BYTES
        and record.status is not KeyStatus.REVOKED
        and manufacturer_fit(record.manufacturer, meter.manufacturer) is not ManufacturerFit.OTHER
    ]


def _which(change: KeyChange, key: bytes) -> Held:
    if hmac.compare_digest(key, change.new_key):
        return Held.NEW
    return Held.OLD if hmac.compare_digest(key, change.old_key) else Held.OTHER


def recover_hint(meter: Address) -> str:
    """What to do about a key change that is open."""
    return f"ask it as soon as it can be reached: fieldtool meter recover --at LINK --meter {meter.number}"


def require_same_meter(expected: Address, answers: Address) -> None:
    """Raise `WrongMeter` unless the meter that answers is the one that was met before."""
    if expected != answers:
        raise WrongMeter(f"meter {answers} answers, not {expected}", "check which meter the link leads to")
