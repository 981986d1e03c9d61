"""The MAC of the AFL in messages of which the security mode asks for none: in the clear, or under mode 5."""

from __future__ import annotations

from dataclasses import replace

from protocols.crypto import BLOCK, key_check_value
from protocols.decoding import Decoding
from protocols.errors import Unsupported
from protocols.lookups import why_unavailable
from protocols.model import Rung
from protocols.wmbus.decryption import candidates, key_detail
from protocols.wmbus.security.cbc_derived import mac_fits
from protocols.wmbus.security.model import Protected
from protocols.wmbus.transport import TransportLayer


def check_mac(decoding: Decoding, transport: TransportLayer, sent: bytes) -> None:
    """Compare the MAC with the meter's keys where nothing has yet; a note when none of them gives it.

    `sent` is the message before the transport layer was decrypted, as the MAC covers it. Whether the message or the
    key is wrong cannot be told without check bytes: the outcome stays. The message is read by now: nobody is asked for
    a passphrase, and the rung "key" says so where no key is at hand.
    """
    security, meter = decoding.security, decoding.meter
    if decoding.afl is None or decoding.afl.mac is None or security is None or security.authenticated or meter is None:
        return
    protected = Protected(sent[: decoding.size], b"", meter, transport, decoding.afl, decoding.downlink)
    if not _can_be_checked(protected):
        return
    keys = [key for key in candidates(decoding, at_hand=True) if len(key.value) == BLOCK]
    for key in keys:
        if mac_fits(protected, key.value):
            check_value = key_check_value(key.value)
            decoding.security = replace(security, authenticated=True, key_check_value=check_value)
            decoding.ladder.passed(Rung.KEY, key_detail(key))
            return
    if keys:
        tried = ", ".join(key_check_value(key.value) for key in keys)
        decoding.notes.append(f"MAC does not fit with key {tried}: message altered, or MAC made with another key")
    elif security.key_check_value is None:
        unavailable = why_unavailable(decoding.keys)
        number = decoding.printed_number or meter.number
        why = f"no key of {number} at hand" if unavailable is None else unavailable.reason
        decoding.ladder.passed(Rung.KEY, f"no key needed; MAC not checked: {why}")


def _can_be_checked(protected: Protected) -> bool:
    """Whether the MAC is of a kind that is known here; that does not depend on the key."""
    try:
        return mac_fits(protected, bytes(BLOCK)) is not None
    except Unsupported:
        return False
