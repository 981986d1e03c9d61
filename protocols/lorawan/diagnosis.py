"""Why no key fits: the mistakes that people make when they file LoRaWAN keys, each tried in turn.

A mistake is named only when the MIC proves it: with the key in another role, or with its bytes in the other order, or
with the key of the identifier typed backwards, the MIC fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.crypto import key_check_value
from protocols.lookups import revoked_keys, why_unavailable
from protocols.lorawan import counter
from protocols.lorawan.identifiers import reversed_text
from protocols.lorawan.keys import V1_0, LorawanKeys, RootKeys, SessionKeys
from protocols.lorawan.match import Question
from protocols.lorawan.sessions import Session
from protocols.model import Key

ProvesKey = Callable[[bytes], bool]

MAX_SESSIONS: Final = 64
"""Sessions of one address in which a mistake is looked for; each costs up to 32 MICs."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is filed wrongly, and what to do."""

    detail: str
    next: str


def why_no_key(keys: LorawanKeys, identifier: str) -> Mistake | None:
    """Say why there is no key for a DevEUI or DevAddr, where the look-up knows: it is locked, or they are revoked."""
    unavailable = why_unavailable(keys)
    if unavailable is not None:
        return Mistake(f"{identifier}: no key can be looked up: {unavailable.reason}", unavailable.next)
    values = revoked_keys(keys, identifier)
    if not values:
        return None
    revoked = f"key {values[0]} is" if len(values) == 1 else f"keys {', '.join(values)} are"
    return Mistake(
        f"{identifier}: {revoked} revoked",
        "import the new keys of the device; to use the old ones again, mark them as active",
    )


def session_mistake(question: Question, candidates: Sequence[Session], keys: LorawanKeys) -> Mistake | None:
    """Look for the mistake behind a data message that fits no session of its address."""
    for session in candidates[:MAX_SESSIONS]:
        last = session.last(uplink=question.frame.uplink, fport=question.frame.fport)
        mistake = _in_session(session.keys, _proof(question, last))
        if mistake is not None:
            return mistake
    dev_addr = question.frame.dev_addr
    backwards = reversed_text(dev_addr)
    if backwards == dev_addr:
        return None
    proof = _proof(question, None)
    for filed in keys.session_keys(backwards)[:MAX_SESSIONS]:
        if filed.f_nwk_s_int_key is not None and proof(filed.f_nwk_s_int_key.value):
            return Mistake(
                f"the keys filed for DevAddr {backwards} fit: DevAddr {dev_addr} is filed backwards",
                f"file these keys for DevAddr {dev_addr}",
            )
    return None


def _proof(question: Question, last: int | None) -> ProvesKey:
    """Whether a key makes the MIC as the network key of LoRaWAN 1.0, which all mistakes are told by."""
    frame = question.frame
    given = question.hints.fcnt
    counters = counter.likely(frame.fcnt, last) if given is None else (given,)
    return lambda key: any(counter.fits(key, question.b0(fcnt), frame.message, frame.mic) for fcnt in counters)


def _in_session(filed: SessionKeys, proves: ProvesKey) -> Mistake | None:
    for role, key in filed.all:
        if proves(key.value) and not (role == "NwkSKey" and filed.version == V1_0):
            wanted = "NwkSKey"
            if filed.version == V1_0:
                return Mistake(
                    f"{_named(role, key)} makes the MIC: it is the {wanted}",
                    f"swap NwkSKey and AppSKey of DevAddr {filed.dev_addr} and try again",
                )
            return Mistake(
                f"{_named(role, key)} makes the MIC as a LoRaWAN 1.0 {wanted}: the device runs LoRaWAN 1.0",
                f"file it as {wanted} of LoRaWAN 1.0 for DevAddr {filed.dev_addr}",
            )
        if proves(key.value[::-1]):
            return Mistake(
                f"{_named(role, key)} fits with its bytes reversed",
                f"file the {role} with its bytes reversed: it was copied least significant byte first",
            )
    return None


def root_mistake(
    dev_eui: str, join_eui: str | None, filed: Sequence[RootKeys], keys: LorawanKeys, proves: ProvesKey
) -> Mistake | None:
    """Look for the mistake behind a join request whose MIC no root key of its device makes."""
    for role, key in _root_keys(filed):
        if role not in JOIN_ROLES and proves(key.value):
            return Mistake(
                f"{_named(role, key)} makes the MIC: it is the device's AppKey or NwkKey",
                f"file it as AppKey (NwkKey for LoRaWAN 1.1) of DevEUI {dev_eui}",
            )
        if proves(key.value[::-1]):
            return Mistake(
                f"{_named(role, key)} fits with its bytes reversed",
                f"file the {role} with its bytes reversed: it was copied least significant byte first",
            )
    elsewhere: list[tuple[str, str]] = [(reversed_text(dev_eui), "is filed backwards")]
    if join_eui is not None:
        elsewhere.append((join_eui, "is filed with its JoinEUI in its place"))
    for other, how in elsewhere:
        if other == dev_eui:
            continue
        for role, key in _root_keys(keys.root_keys(other)):
            if role in JOIN_ROLES and proves(key.value):
                return Mistake(
                    f"{_named(role, key)} filed for {other} fits: DevEUI {dev_eui} {how}",
                    f"file this key for DevEUI {dev_eui}",
                )
    return None


JOIN_ROLES = ("AppKey", "NwkKey")


def _root_keys(filed: Sequence[RootKeys]) -> Iterator[tuple[str, Key]]:
    for roots in filed:
        named = (("NwkKey", roots.nwk_key), ("AppKey", roots.app_key), ("GenAppKey", roots.gen_app_key))
        for role, key in named:
            if key is not None:
                yield role, key


def _named(role: str, key: Key) -> str:
    label = f" ({key.label})" if key.label else ""
    return f"{role} {key_check_value(key.value)}{label}"
