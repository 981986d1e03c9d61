"""Whether the filed LoRaWAN keys fit what is in the air; the MIC is the proof, one frame is enough.

A MIC has 32 bits: a wrong key makes it by chance once in 4,294,967,296 tries. What is tried of a key is said with it.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from fieldtool.kept.session_book import SessionBook
from fieldtool.keys.key_check import SYSTEM, CheckState, Progress
from fieldtool.keys.lorawan_keys import FiledLorawanKeys
from keystore.model import LORAWAN_ROLES, KeyRecord, KeyRole, KeyStatus, Provenance
from keystore.vault import Vault
from protocols.crypto import BLOCK
from protocols.errors import ProtocolError
from protocols.lorawan.counter import Effort, search
from protocols.lorawan.facts import MicState
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.mic import DOWN, UP, block_0, request_mic
from protocols.lorawan.phy import DATA, MType, parse_data, parse_join_request
from protocols.model import Link, Outcome, RawFrame, Rung, Telegram
from protocols.plural import counted
from protocols.trial import of_wrong_keys

FRAMES_AN_ADDRESS: Final = 8
"""Data messages of an address that are looked at."""

JOINS: Final = 2_000
"""Join requests, accepts and rejoin requests that are looked at."""

FOREIGN_FRAMES: Final = 200
"""Devices without a key on which all keys of the store are tried, one frame each."""

HALVES: Final = 4
"""Upper halves of the counter that a key of another device is tried with: counters below 262,144."""

MIC_VALUES: Final = 1 << 32
BELIEVED_ODDS: Final = 1e-3
"""Odds that one of all keys tried fits by chance, below which a key is believed to be the device's."""

CHUNK_KEYS: Final = 5_000

_ROOTS: Final = frozenset({KeyRole.LORAWAN_APP_KEY, KeyRole.LORAWAN_NWK_KEY, KeyRole.LORAWAN_GEN_APP_KEY})
"""Roles of the keys that can make the MIC of a join request, the last one by mistake; all others may be a session's."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key of another device that makes a MIC, and the odds that one of all those tried does so by chance."""

    record: KeyRecord
    tried: int
    odds: float

    @property
    def whose(self) -> str:
        """The device that it is filed for."""
        return f"DevAddr {self.record.dev_addr}" if self.record.dev_addr else self.record.meter_text

    @property
    def sentence(self) -> str:
        """Which key it is, and how sure that is."""
        return (
            f"key {self.record.key_check_value}, filed for {self.whose} as {self.record.role_text}, makes the MIC; "
            f"by chance {of_wrong_keys(self.tried)} does so {_once_in(self.odds)}"
        )


@dataclass(frozen=True, slots=True)
class DeviceCheck:
    """What became of one device: how many of its frames were looked at, what was found, and in which words.

    `found` is a key of another device that makes the MIC; `join_eui` is what its join request said.
    """

    dev_eui: str
    dev_addr: str
    frames: int
    state: CheckState
    sentence: str
    key_check_value: str = ""
    found: FoundKey | None = None
    join_eui: str = ""

    @property
    def name(self) -> str:
        """DevEUI, else DevAddr."""
        return self.dev_eui or self.dev_addr

    @property
    def assignable(self) -> bool:
        """True when a person could decide to file the key: a root key that makes a join request's MIC."""
        known = self.found
        return self.state is CheckState.FOUND and known is not None and known.record.role in _ROOTS


class HeardDevices:
    """LoRaWAN frames in the order in which they came, as many of each device as are looked at; the rest is counted."""

    def __init__(self) -> None:
        self._frames: list[RawFrame] = []
        self._of_address: Counter[bytes] = Counter()
        self._joins = 0

    def add(self, frame: RawFrame) -> None:
        """Take a frame of a LoRaWAN device."""
        if not frame.data:
            return
        if frame.link is Link.LORAWAN_PAYLOAD:
            lora = frame.lora
            place = b"" if lora is None else (lora.dev_eui or lora.dev_addr or "").encode()
        elif MType(frame.data[0] >> 5) in DATA:
            place = frame.data[1:5]
        else:
            self._joins += 1
            if self._joins <= JOINS:
                self._frames.append(frame)
            return
        self._of_address[place] += 1
        if self._of_address[place] <= FRAMES_AN_ADDRESS:
            self._frames.append(frame)

    @property
    def frames(self) -> tuple[RawFrame, ...]:
        """What is looked at."""
        return tuple(self._frames)


def check_devices(vault: Vault, heard: HeardDevices, progress: Progress | None = None) -> list[DeviceCheck]:
    """Return what is known of every LoRaWAN device that was heard, in the order of DevEUI or DevAddr.

    Sessions that the store has kept are gone on with, and nothing is written. A device for which nothing is filed is
    tried with the LoRaWAN keys of all others.
    """
    follower = LorawanFollower(FiledLorawanKeys(vault.device_records))
    SessionBook(lambda: vault.receivers_documents).follow(follower)
    seen: dict[str, list[Telegram]] = {}
    for frame in heard.frames:
        telegram = follower.decode(frame)
        facts = telegram.lorawan
        # A join accept that nobody can open says nothing of any device.
        name = "" if facts is None else facts.dev_eui or facts.dev_addr or ""
        if name and telegram.outcome is not Outcome.DAMAGED:
            seen.setdefault(name, []).append(telegram)
    checks = {name: _of_telegrams(telegrams) for name, telegrams in seen.items()}
    foreign = {
        name: seen[name][0].frame
        for name, one in checks.items()
        if one.state is CheckState.MISSING and not any(map(_is_proven, seen[name]))
    }
    found = _search(vault, dict(islice(foreign.items(), FOREIGN_FRAMES)), progress) if foreign else {}
    return [_with_found(one, found.get(name)) for name, one in sorted(checks.items())]


def assign_device(vault: Vault, one: DeviceCheck, source_name: str, now: datetime) -> KeyRecord:
    """File the root key that was found for a device; return the new record."""
    if one.found is None or not one.assignable:
        raise ValueError("there is no key to assign")
    known = one.found.record
    record = KeyRecord(
        number="",
        # A GenAppKey that makes the MIC of a join request was filed in the wrong role.
        role=KeyRole.LORAWAN_APP_KEY if known.role is KeyRole.LORAWAN_GEN_APP_KEY else known.role,
        value=known.value,
        dev_eui=one.dev_eui,
        join_eui=one.join_eui,
        label=known.label,
        meter_type=known.meter_type,
        source=Provenance(SYSTEM, source_name, imported_at=now),
    )
    vault.put([record])
    return record


def _of_telegrams(telegrams: Sequence[Telegram]) -> DeviceCheck:
    facts = [telegram.lorawan for telegram in telegrams if telegram.lorawan is not None]
    state, sentence, shown = _judged(telegrams)
    security = shown.security
    values = "" if security is None else security.key_check_value or ", ".join(security.tried)
    return DeviceCheck(
        dev_eui=next((one.dev_eui for one in facts if one.dev_eui), ""),
        dev_addr=next((one.dev_addr for one in reversed(facts) if one.dev_addr), ""),
        frames=len(telegrams),
        state=state,
        sentence=sentence,
        key_check_value=values or "",
        join_eui=next((one.join_eui for one in facts if one.join_eui), ""),
    )


def _judged(telegrams: Sequence[Telegram]) -> tuple[CheckState, str, Telegram]:
    """State and sentence, and the telegram that they are of."""
    of = f"of {counted(len(telegrams), 'frame')}"
    by_mic: dict[MicState, list[Telegram]] = {state: [] for state in MicState}
    for telegram in telegrams:
        if telegram.frame.link is not Link.LORAWAN_PAYLOAD and telegram.lorawan is not None:
            by_mic[telegram.lorawan.mic].append(telegram)
    proven, half = by_mic[MicState.VERIFIED], by_mic[MicState.HALF_VERIFIED]
    if proven:
        without_app_key = next((one for one in proven if one.outcome is Outcome.NO_KEY), None)
        if without_app_key is not None:
            return CheckState.MISSING, _problem(without_app_key), without_app_key
        roles = " and ".join(dict.fromkeys(_role(telegram) for telegram in proven))
        sentence = f"{roles}: MIC fits in {len(proven)} {of}; a wrong key fits {mic_odds(1)}"
        return CheckState.FITS, sentence, proven[-1]
    if half:
        state = CheckState.FITS_ONCE if len(half) == 1 else CheckState.FITS
        odds = (1 << 16) ** -len(half)
        return state, f"half of the MIC fits in {len(half)} {of}; a wrong key fits {_once_in(odds)}", half[0]
    failed = next((one for one in telegrams if one.outcome is Outcome.WRONG_KEY), None)
    if failed is not None:
        return CheckState.WRONG, _problem(failed), failed
    missing = next((one for one in telegrams if one.outcome is Outcome.NO_KEY), None)
    if missing is not None:
        return CheckState.MISSING, _problem(missing), missing
    if by_mic[MicState.NOT_CHECKED]:
        sentence = "decrypted with the AppSKey, not proven: no network key is filed"
        return CheckState.POSSIBLE, sentence, by_mic[MicState.NOT_CHECKED][0]
    return (
        CheckState.CLEAR,
        f"{counted(len(telegrams), 'payload')}, decrypted by a network server: no key to check",
        telegrams[0],
    )


def _with_found(one: DeviceCheck, found: FoundKey | None) -> DeviceCheck:
    if found is None:
        return one
    state = CheckState.FOUND if found.odds < BELIEVED_ODDS else CheckState.POSSIBLE
    return replace(one, state=state, sentence=found.sentence, key_check_value=found.record.key_check_value, found=found)


def _is_proven(telegram: Telegram) -> bool:
    return telegram.lorawan is not None and telegram.lorawan.mic is MicState.VERIFIED


def _problem(telegram: Telegram) -> str:
    step = next((step.next for step in telegram.verdict if step.next), None)
    return f"{telegram.problem}; {step}" if step else telegram.problem or ""


def _role(telegram: Telegram) -> str:
    """The key that made a MIC, as the verdict names it: role and check value."""
    return next((step.detail for step in telegram.verdict if step.rung is Rung.KEY), "key")


def _search(vault: Vault, frames: Mapping[str, RawFrame], progress: Progress | None) -> dict[str, FoundKey]:
    """Try every LoRaWAN key of the store on one frame of each device that has none."""
    tests = {name: test for name, frame in frames.items() if (test := _test_of(frame)) is not None}
    found: dict[str, KeyRecord] = {}
    tried: Counter[str] = Counter()
    records = _stored(vault)
    while tests and (chunk := list(islice(records, CHUNK_KEYS))):
        for name, (roots, proves, _) in tests.items():
            for record in chunk:
                if (record.role in _ROOTS) == roots:
                    tried[name] += 1
                    if name not in found and proves(record.value):
                        found[name] = record
        if progress is not None:
            progress(len(chunk))
    return {
        name: FoundKey(record, tried[name], tried[name] * tests[name][2] / MIC_VALUES) for name, record in found.items()
    }


def _stored(vault: Vault) -> Iterator[KeyRecord]:
    for record in vault.records():
        usable = record.status is not KeyStatus.REVOKED and len(record.value) == BLOCK
        if usable and record.role in LORAWAN_ROLES:
            yield record


def _test_of(frame: RawFrame) -> tuple[bool, Callable[[bytes], bool], int] | None:
    """How a key is tried on a frame: whether root keys are, what tries one, and how many MICs that costs.

    Session keys are tried as the only network key of LoRaWAN 1.0. None for a frame that proves nothing by itself.
    """
    data = frame.data
    try:
        if frame.link is Link.LORAWAN and MType(data[0] >> 5) is MType.JOIN_REQUEST:
            request = parse_join_request(data)
            return True, lambda key: hmac.compare_digest(request_mic(key, request.message), request.mic), 1
        if frame.link is Link.LORAWAN and MType(data[0] >> 5) in DATA:
            message = parse_data(data)
            b0 = block_0(UP if message.uplink else DOWN, message.dev_addr_wire, 0, len(message.message))

            def proves(key: bytes) -> bool:
                found = search(key, b0, message.message, message.fcnt, message.mic, HALVES, Effort())
                return next(found, None) is not None

            return False, proves, HALVES
    except ProtocolError:
        pass
    return None


def mic_odds(tries: int) -> str:
    """How often by chance a MIC fits that so many were computed for."""
    return _once_in(tries / MIC_VALUES)


def _once_in(odds: float) -> str:
    return f"once in {round(1 / odds):,}" if odds <= 0.5 else "more often than not"
