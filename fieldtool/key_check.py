"""Whether the filed keys fit what is in the air, and which of them would fit a meter that has none: not assigned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from keystore.model import WMBUS_ROLES, KeyRecord, KeyRole, KeyStatus, Provenance
from keystore.vault import Vault
from protocols.model import Address, Key, Outcome, Telegram
from protocols.trial import MAX_TELEGRAMS, NEEDED_TELEGRAMS, KeyTrial, trial

SYSTEM: Final = "keys check"
_ENCRYPTED: Final = frozenset({Outcome.NO_KEY, Outcome.WRONG_KEY, Outcome.NOT_PERMITTED})


class CheckState(StrEnum):
    """What is known of a meter's key; a key that was filed needs two telegrams or a MAC as well as any other."""

    FITS = "fits"
    FITS_ONCE = "fits once"
    WRONG = "wrong"
    FOUND = "found"
    POSSIBLE = "possible"
    MISSING = "missing"
    CLEAR = "not encrypted"


IN_ORDER: Final = frozenset({CheckState.FITS, CheckState.CLEAR})
"""States that need nobody's attention."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key to be tried on meters that it was not filed for; `record` is None for one that came without a meter."""

    key: Key
    record: KeyRecord | None = None


@dataclass(frozen=True, slots=True)
class MeterCheck:
    """What became of one meter: how many of its telegrams were looked at, what was found, and in which words.

    `candidate` is the key that fits, None when none does. `rivals` counts other keys that are filed for the meter and
    tried before the one that telegrams have proven.
    """

    meter: Address
    telegrams: int
    state: CheckState
    sentence: str
    key_check_value: str = ""
    candidate: Candidate | None = None
    rivals: int = 0

    @property
    def assignable(self) -> bool:
        """True when a person could decide to file the key: it is believed, and not filed for this meter."""
        return self.state is CheckState.FOUND and self.candidate is not None


class HeardTelegrams:
    """Telegrams of every meter, as many as a trial looks at; the rest is only counted."""

    def __init__(self) -> None:
        self._kept: dict[Address, dict[bytes, Telegram]] = {}
        self._clear: Counter[Address] = Counter()

    def add(self, telegram: Telegram) -> None:
        """Take a telegram; it need not have been decrypted."""
        meter = telegram.meter
        if meter is None or telegram.outcome in {Outcome.DAMAGED, Outcome.UNSUPPORTED}:
            return
        if telegram.outcome not in _ENCRYPTED and (telegram.security is None or not telegram.security.key_check_value):
            self._clear[meter] += 1
            return
        kept = self._kept.setdefault(meter, {})
        if len(kept) < MAX_TELEGRAMS:
            kept.setdefault(telegram.data, telegram)

    @property
    def encrypted(self) -> dict[Address, list[Telegram]]:
        """The telegrams to be tried, by meter."""
        return {meter: list(kept.values()) for meter, kept in self._kept.items()}

    @property
    def clear(self) -> dict[Address, int]:
        """How many telegrams came unencrypted, of the meters that send nothing else."""
        return {meter: count for meter, count in self._clear.items() if meter not in self._kept}


def candidates(vault: Vault, more: Iterable[Candidate] = ()) -> list[Candidate]:
    """Return every different wireless M-Bus key of the store, and `more` that are to be tried as well."""
    usable = (
        Candidate(Key(record.value, f"{record.meter_text} from {record.source.file_name}"), record)
        for record in vault.records()
        if record.role in WMBUS_ROLES and record.has_key and record.status is not KeyStatus.REVOKED
    )
    by_value: dict[bytes, Candidate] = {}
    for candidate in (*usable, *more):
        by_value.setdefault(candidate.key.value, candidate)
    # Labels tell the keys of a trial apart: six hex digits of a check value would not, in a large store.
    return [
        replace(one, key=Key(one.key.value, f"{one.key.label} #{number}"))
        for number, one in enumerate(by_value.values(), start=1)
    ]


def check(vault: Vault, heard: HeardTelegrams, others: Sequence[Candidate]) -> list[MeterCheck]:
    """Return what is known of every meter that was heard, in the order of their numbers."""
    found = [
        _meter_check(meter, len(telegrams), trial(telegrams, [one.key for one in others], vault.keys_for), others)
        for meter, telegrams in heard.encrypted.items()
    ]
    found += [
        MeterCheck(meter, count, CheckState.CLEAR, f"{count} telegrams, none of them encrypted")
        for meter, count in heard.clear.items()
    ]
    return sorted(found, key=lambda one: (one.meter.manufacturer, one.meter.number))


def assign(vault: Vault, one: MeterCheck, source_name: str, now: datetime) -> KeyRecord:
    """File the key that was found for a meter, and put it before any other key of it; return the new record."""
    if one.candidate is None:
        raise ValueError("there is no key to assign")
    known = one.candidate.record
    meter = one.meter
    record = KeyRecord(
        number=meter.number,
        role=KeyRole.PRIOS64 if len(one.candidate.key.value) == 8 else KeyRole.WMBUS_DEK,
        value=one.candidate.key.value,
        manufacturer=meter.manufacturer,
        version=meter.version,
        medium_code=meter.medium_code,
        serial=known.serial if known is not None and not known.is_radio_number else "",
        label=known.label if known is not None else "",
        source=Provenance(SYSTEM, source_name, imported_at=now),
    )
    vault.put([record])
    vault.confirm(record)
    return record


def confirm(vault: Vault, one: MeterCheck) -> None:
    """Put the filed key that telegrams have proven before the other keys of its meter."""
    if one.candidate is None or one.candidate.record is None:
        raise ValueError("there is no filed key to confirm")
    vault.confirm(one.candidate.record)


def _is_filed_key(candidate: Candidate, found: KeyTrial) -> bool:
    record = candidate.record
    return (
        record is not None
        and record.key_check_value == found.key_check_value
        and found.meter.number in (record.number, record.adapter)
    )


def _meter_check(meter: Address, telegrams: int, trials: Sequence[KeyTrial], others: Sequence[Candidate]) -> MeterCheck:
    opened = [one for one in trials if one.opened]
    if not opened:
        if trials:
            values = ", ".join(dict.fromkeys(one.key_check_value for one in trials))
            sentence = f"filed key {values} opens none of {trials[0].of} telegrams, and no other filed key does"
            return MeterCheck(meter, telegrams, CheckState.WRONG, sentence, values)
        return MeterCheck(meter, telegrams, CheckState.MISSING, "no key is filed, and none of the filed keys opens it")
    best = max(opened, key=lambda one: (one.authenticated, one.opened))
    proven = best.authenticated or best.opened >= NEEDED_TELEGRAMS
    if best.filed:
        state = CheckState.FITS if proven else CheckState.FITS_ONCE
        rivals = list(trials).index(best) if proven else 0
        candidate = next((one for one in others if _is_filed_key(one, best)), None)
        return MeterCheck(
            meter, telegrams, state, best.sentence, best.key_check_value, candidate, rivals if candidate else 0
        )
    candidate = next((one for one in others if one.key.label == best.label), None)
    several = f"; {len(opened)} keys do" if len(opened) > 1 else ""
    label = best.label.rpartition(" #")[0]
    sentence = f"{best.sentence} ({label}){several}"
    state = CheckState.FOUND if best.believed and len(opened) == 1 else CheckState.POSSIBLE
    return MeterCheck(meter, telegrams, state, sentence, best.key_check_value, candidate)
