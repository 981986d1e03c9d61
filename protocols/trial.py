"""Trying many keys on the telegrams of many meters, honestly: how likely a wrong key passes is part of the result.

Two check bytes accept one wrong key in 65,536, so among some thousand keys one fits by chance every dozen telegrams. A
key that was filed for a meter needs to open one of its telegrams; any other key counts only when all records can be
read and a second telegram, or a MAC, agrees. Nothing is assigned here: what is found is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import expm1, log1p
from typing import Final

from protocols.application import Opaque
from protocols.crypto import key_check_value
from protocols.decode import decode, no_keys
from protocols.mbus.compact import FormatLibrary
from protocols.model import Address, Key, KeyLookup, Outcome, Telegram
from protocols.plural import counted
from protocols.profiles.registry import ProfileRegistry
from protocols.wmbus.afl import AuthenticationLayer

MAX_TELEGRAMS: Final = 4
"""Telegrams of a meter that are looked at; what opens four of them opens all."""

NEEDED_TELEGRAMS: Final = 2
"""Telegrams that a key must open that was not filed for the meter."""

CHECK_BITS: Final = 16
"""Check bytes 2F2F, or the payload CRC of the extended link layer."""

WEAKER_CHECKS: Final[Mapping[str, float]] = {
    "Diehl PRIOS": 8,
    "SAP PRIOS": 8,
    "Diehl real data": 7,
    "APT-WMBUS-NA-1 AES-128-CBC": 8,
    # Mode 3 tries two orders of the fields; the day does not enter the check bytes.
    "DES-CBC": CHECK_BITS - 1,
}
"""Bits that a wrong key must meet by chance, by the name of the protection."""

_ENCRYPTED: Final = frozenset({Outcome.NO_KEY, Outcome.WRONG_KEY})


@dataclass(frozen=True, slots=True)
class KeyTrial:
    """What one key did to the telegrams of one meter.

    `filed` says that it was filed for this meter. `opened` counts the telegrams that it opened with all records read,
    `of` those that were looked at. `odds` is the probability that at least one of `keys_tried` wrong keys does as much
    by chance; the records that could be read are not counted in. `believed` is what follows from all this.
    """

    meter: Address
    key_check_value: str
    label: str
    filed: bool
    opened: int
    of: int
    authenticated: bool
    keys_tried: int
    odds: float
    believed: bool

    @property
    def sentence(self) -> str:
        """The result in words, odds included."""
        of = counted(self.of, "telegram")
        telegrams = f"{self.opened} of {of}"
        if not self.opened:
            return f"key {self.key_check_value}, filed for {self.meter.number}, opens none of {of}"
        proof = " with a MAC" if self.authenticated else ""
        chance = f"by chance {of_wrong_keys(self.keys_tried)} does so {_once_in(self.odds)}"
        if self.filed:
            return f"key {self.key_check_value}, filed for {self.meter.number}, opens {telegrams}{proof}; {chance}"
        need = "" if self.believed else ": it does not count before a second telegram agrees"
        return (
            f"key {self.key_check_value}, not filed for {self.meter.number}, opens {telegrams}{proof}; {chance}{need}"
        )


def trial(
    telegrams: Sequence[Telegram],
    keys: Sequence[Key],
    filed: KeyLookup = no_keys,
    *,
    formats: FormatLibrary | None = None,
    profiles: ProfileRegistry | None = None,
) -> tuple[KeyTrial, ...]:
    """Try keys on every meter that sends encrypted telegrams; results in the order in which meters were first heard.

    `keys` are all that are at hand, `filed` looks up those of one address. For each meter every filed key is
    reported; when none opens a telegram, so is each of the others that opens one. `formats` and `profiles` are as for
    `decode`.
    """
    results: list[KeyTrial] = []
    for meter, heard in _by_meter(telegrams).items():
        own = _filed_for(heard[0], filed)
        meter_trial = _MeterTrial(meter, heard, formats, profiles)
        of_own = [meter_trial.result(key, filed=True, keys_tried=len(own)) for key in own]
        results += of_own
        if not any(result.opened for result in of_own):
            others = [key for key in keys if key not in own]
            fitting = meter_trial.fitting(others)
            results += [meter_trial.result(key, filed=False, keys_tried=len(others)) for key in fitting]
    return tuple(results)


def odds_of(bits: float, telegrams: int, keys_tried: int) -> float:
    """The probability that at least one of so many wrong keys meets so many checks of so many bits by chance."""
    one_key = 2.0 ** (-bits * telegrams)
    return -expm1(keys_tried * log1p(-one_key)) if one_key < 1 else 1.0


@dataclass(frozen=True, slots=True)
class _MeterTrial:
    """The telegrams of one meter, to be opened with one key after the other."""

    meter: Address
    heard: tuple[Telegram, ...]
    formats: FormatLibrary | None
    profiles: ProfileRegistry | None

    def result(self, key: Key, *, filed: bool, keys_tried: int) -> KeyTrial:
        """What one key does to all of them."""
        opened = [telegram for telegram in self._opened(key) if _proves(telegram)]
        bits = min((_check_bits(telegram) for telegram in opened), default=0.0)
        authenticated = any(t.security is not None and t.security.authenticated for t in opened)
        enough = len(opened) >= NEEDED_TELEGRAMS or authenticated or (filed and bool(opened))
        odds = odds_of(bits, len(opened), max(1, keys_tried)) if opened else 1.0
        return KeyTrial(
            meter=self.meter,
            key_check_value=key_check_value(key.value),
            label=key.label,
            filed=filed,
            opened=len(opened),
            of=len(self.heard),
            authenticated=authenticated,
            keys_tried=max(1, keys_tried),
            odds=odds,
            believed=enough,
        )

    def fitting(self, keys: Sequence[Key]) -> list[Key]:
        """The keys that open at least one of the telegrams, in the order given."""
        found = {position for telegram in self.heard for position in self._positions(telegram, keys)}
        return [keys[position] for position in sorted(found)]

    def _positions(self, telegram: Telegram, keys: Sequence[Key]) -> Iterator[int]:
        """Where the keys stand that open a telegram; one call of the decoder tries all up to the next that fits."""
        start = 0
        while start < len(keys):
            rest = keys[start:]
            decoded = self._decode(telegram, rest)
            value = decoded.security.key_check_value if decoded.security is not None else None
            fits = next((n for n, key in enumerate(rest) if value == key_check_value(key.value)), None)
            if value is None or fits is None:
                return
            if _proves(decoded):
                yield start + fits
            start += fits + 1

    def _opened(self, key: Key) -> Iterator[Telegram]:
        for telegram in self.heard:
            decoded = self._decode(telegram, (key,))
            if decoded.security is not None and decoded.security.key_check_value == key_check_value(key.value):
                yield decoded

    def _decode(self, telegram: Telegram, keys: Sequence[Key]) -> Telegram:
        return decode(telegram.frame, lambda _: keys, formats=self.formats, profiles=self.profiles)


def _by_meter(telegrams: Sequence[Telegram]) -> dict[Address, tuple[Telegram, ...]]:
    """Different encrypted telegrams of each meter, at most `MAX_TELEGRAMS`."""
    heard: dict[Address, dict[bytes, Telegram]] = {}
    for telegram in telegrams:
        if telegram.meter is not None and _is_encrypted(telegram):
            of_meter = heard.setdefault(telegram.meter, {})
            if len(of_meter) < MAX_TELEGRAMS:
                of_meter.setdefault(telegram.data, telegram)
    return {meter: tuple(of_meter.values()) for meter, of_meter in heard.items()}


def _is_encrypted(telegram: Telegram) -> bool:
    opened = telegram.security is not None and telegram.security.key_check_value is not None
    return telegram.outcome in _ENCRYPTED or (telegram.ok and opened)


def _filed_for(telegram: Telegram, filed: KeyLookup) -> list[Key]:
    keys: list[Key] = []
    for address in dict.fromkeys((telegram.identity, telegram.meter, telegram.link_address)):
        if address is not None:
            keys += [key for key in filed(address) if key not in keys]
    return keys


def _proves(telegram: Telegram) -> bool:
    """Whether all of a telegram could be read, and there was something to read: garbage may begin with a DIF 0F."""
    authenticated = telegram.security is not None and telegram.security.authenticated
    return telegram.ok and (bool(telegram.records) or authenticated)


def _check_bits(telegram: Telegram) -> float:
    """Bits that a wrong key would have met by chance in this telegram."""
    security = telegram.security
    if security is None:
        return 0.0
    if security.authenticated:
        for layer in telegram.layers:
            if isinstance(layer, AuthenticationLayer) and layer.mac:
                return 8.0 * len(layer.mac)
            if isinstance(layer, Opaque) and layer.name == "security":
                return 8.0 * (layer.end - layer.start)
    return WEAKER_CHECKS.get(security.name, CHECK_BITS)


def of_wrong_keys(tried: int) -> str:
    """Return in words which of so many wrong keys is meant."""
    return "a wrong key" if tried == 1 else f"one of {tried:,} wrong keys"


def _once_in(odds: float) -> str:
    if odds <= 0 or 1 / odds >= 1e12:
        return "less than once in 1,000,000,000,000"
    return f"once in {round(1 / odds):,}" if odds <= 0.5 else "more often than not"
