"""Whether the filed keys fit what is in the air, and which of them would fit a meter that has none: not assigned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice
from math import expm1, log1p
from typing import Final

from keystore.model import WMBUS_ROLES, KeyRecord, KeyRole, KeyStatus, Provenance
from keystore.vault import Vault
from protocols.model import Address, Key, Outcome, Telegram
from protocols.plural import counted
from protocols.trial import MAX_TELEGRAMS, NEEDED_TELEGRAMS, KeyTrial, trial

SYSTEM: Final = "keys check"
CHUNK_KEYS: Final = 5_000
Progress = Callable[[int], None]
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


def check(
    vault: Vault, heard: HeardTelegrams, more: Sequence[Candidate] = (), progress: Progress | None = None
) -> list[MeterCheck]:
    """Return what is known of every meter that was heard, in the order of their numbers.

    A meter that none of its own keys opens is tried with every wireless M-Bus key of the store and with `more`; of a
    million keys only a few thousand are held at a time. `progress` is told how many more keys have been tried.
    """
    found = [
        MeterCheck(meter, count, CheckState.CLEAR, f"{counted(count, 'telegram')}, not encrypted")
        for meter, count in heard.clear.items()
    ]
    own: dict[Address, tuple[KeyTrial, ...]] = {}
    for meter, telegrams in heard.encrypted.items():
        trials = trial(telegrams, (), vault.keys_for)
        if any(one.opened for one in trials):
            found.append(_of_filed(vault, meter, len(telegrams), trials))
        else:
            own[meter] = trials
    unopened = {meter: heard.encrypted[meter] for meter in own}
    others = _search(unopened, chain(_stored(vault), more), progress) if unopened else {}
    for meter, telegrams in unopened.items():
        found.append(_of_others(meter, len(telegrams), own[meter], others.get(meter, []), vault.revoked_for(meter)))
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


def _stored(vault: Vault) -> Iterator[Candidate]:
    for record in vault.records():
        if record.role in WMBUS_ROLES and record.has_key and record.status is not KeyStatus.REVOKED:
            label = f"{record.meter_text} from {record.source.file_name or record.source.system}"
            yield Candidate(Key(record.value, label), record)


def _search(
    heard: Mapping[Address, Sequence[Telegram]], candidates: Iterator[Candidate], progress: Progress | None
) -> dict[Address, list[tuple[KeyTrial, Candidate]]]:
    """Return the keys that open a telegram of a meter; the odds are those of all keys that were tried."""
    first_ones = [telegram for telegrams in heard.values() for telegram in telegrams[:NEEDED_TELEGRAMS]]
    fitting: dict[Address, dict[bytes, Candidate]] = {}
    tried = 0
    while chunk := list(islice(candidates, CHUNK_KEYS)):
        # The label says which one it was: six hex digits of a check value would not, in a large store.
        keys = [Key(one.key.value, str(index)) for index, one in enumerate(chunk)]
        for result in trial(first_ones, keys):
            candidate = chunk[int(result.label)]
            fitting.setdefault(result.meter, {}).setdefault(candidate.key.value, candidate)
        tried += len(chunk)
        if progress is not None:
            progress(len(chunk))
    found: dict[Address, list[tuple[KeyTrial, Candidate]]] = {}
    for meter, by_value in fitting.items():
        for candidate in by_value.values():
            for result in trial(heard[meter], [candidate.key]):
                found.setdefault(meter, []).append((_of_so_many(result, tried), candidate))
    return found


def _of_so_many(result: KeyTrial, tried: int) -> KeyTrial:
    """Return the result of one key as that of one among so many."""
    if result.odds >= 1:
        return replace(result, keys_tried=tried)
    return replace(result, keys_tried=tried, odds=-expm1(tried / result.keys_tried * log1p(-result.odds)))


def _of_filed(vault: Vault, meter: Address, telegrams: int, trials: Sequence[KeyTrial]) -> MeterCheck:
    """Return what is known of a meter that one of its own keys opens."""
    best = max(trials, key=lambda one: (bool(one.opened), one.authenticated, one.opened))
    proven = best.authenticated or best.opened >= NEEDED_TELEGRAMS
    filed = (
        record
        for record in vault.find(meter.number)
        if record.key_check_value == best.key_check_value and meter.number in (record.number, record.adapter)
    )
    record = next(filed, None)
    return MeterCheck(
        meter,
        telegrams,
        CheckState.FITS if proven else CheckState.FITS_ONCE,
        best.sentence,
        best.key_check_value,
        None if record is None else Candidate(Key(record.value, best.label), record),
        list(trials).index(best) if proven and record is not None else 0,
    )


def _of_others(
    meter: Address,
    telegrams: int,
    own: Sequence[KeyTrial],
    others: Sequence[tuple[KeyTrial, Candidate]],
    revoked: Sequence[str],
) -> MeterCheck:
    """Return what is known of a meter that no key of its own opens."""
    if not others:
        if not own:
            what = f"its key {', '.join(revoked)} is revoked" if revoked else "no key is filed"
            return MeterCheck(meter, telegrams, CheckState.MISSING, f"{what}, and none of the filed keys opens it")
        values = ", ".join(dict.fromkeys(one.key_check_value for one in own))
        sentence = f"filed key {values} opens none of {counted(own[0].of, 'telegram')}, and no other filed key does"
        return MeterCheck(meter, telegrams, CheckState.WRONG, sentence, values)
    best, candidate = max(others, key=lambda one: (one[0].authenticated, one[0].opened))
    alike = sum(one.authenticated == best.authenticated and one.opened == best.opened for one, _ in others)
    several = f"; {alike} keys do" if alike > 1 else ""
    sentence = f"{best.sentence} ({candidate.key.label}){several}"
    state = CheckState.FOUND if best.believed and alike == 1 else CheckState.POSSIBLE
    return MeterCheck(meter, telegrams, state, sentence, best.key_check_value, candidate)
