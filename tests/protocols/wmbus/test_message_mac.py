"""A MAC in the AFL of messages that are in the clear or under mode 5 is checked with the meter's keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC

from protocols.decode import decode
from protocols.model import Address, Key, Outcome, Rung, Telegram

KEY = bytes(range(16))
OTHER = bytes(range(1, 17))
ADDRESS = bytes.fromhex("9315785634123303")
NUMBER = ADDRESS[2:6]
COUNTER = bytes.fromhex("B30A0000")
RECORDS = bytes.fromhex("0C1427048502")


def cmac(key: bytes, message: bytes) -> bytes:
    return CMAC.new(key, message, ciphermod=AES).digest()


def mode_5() -> bytes:
    plain = (b"\x2f\x2f" + RECORDS).ljust(16, b"\x2f")
    return bytes.fromhex("7A2A001005") + AES.new(KEY, AES.MODE_CBC, ADDRESS + b"\x2a" * 8).encrypt(plain)


MESSAGES = {
    "mode 0": bytes.fromhex("7A2A000000") + RECORDS,
    "mode 5": mode_5(),
    "mode 7, no blocks": bytes.fromhex("7A2A00000710") + RECORDS,
    "without data": bytes.fromhex("8A2A000000"),
}


def framed(message: bytes, *, key: bytes = KEY, to_meter: bool = False) -> bytes:
    mac_key = cmac(key, bytes((0x11 if to_meter else 0x01,)) + COUNTER + NUMBER + b"\x07" * 7)
    covered = b"\x25" + COUNTER
    layer = b"\x90\x0f\x00\x2c" + covered + cmac(mac_key, covered + message)[:8]
    body = (b"\x53" if to_meter else b"\x44") + ADDRESS + layer + message
    return bytes((len(body),)) + body


def opened(frame: bytes, *keys: bytes) -> Telegram:
    return decode(frame, lambda _: tuple(Key(key) for key in keys))


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_mac_that_fits_authenticates(message: bytes) -> None:
    telegram = opened(framed(message), OTHER, KEY)
    assert (telegram.outcome, telegram.notes) == (Outcome.OK, ())
    assert telegram.security is not None
    assert telegram.security.authenticated


def test_commands_have_a_mac_key_of_their_own() -> None:
    telegram = opened(framed(MESSAGES["mode 0"], to_meter=True), KEY)
    assert telegram.security is not None
    assert telegram.security.authenticated


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_mac_that_does_not_fit_is_noted(message: bytes) -> None:
    telegram = opened(framed(message, key=OTHER), KEY)
    assert telegram.security is not None
    assert not telegram.security.authenticated
    assert any(note.startswith("MAC does not fit with key ") for note in telegram.notes)


def key_rung(telegram: Telegram) -> str:
    return next(step.detail for step in telegram.verdict if step.rung is Rung.KEY)


@pytest.mark.parametrize("name", ["mode 0", "mode 7, no blocks", "without data"])
def test_without_a_key_it_is_said_that_the_mac_is_not_checked(name: str) -> None:
    telegram = opened(framed(MESSAGES[name]))
    assert (telegram.outcome, telegram.notes) == (Outcome.OK, ())
    assert telegram.security is not None
    assert not telegram.security.authenticated
    assert key_rung(telegram) == "no key needed; MAC not checked: no key of 12345678 at hand"


def test_a_mac_of_which_nothing_is_known_is_not_said_to_lack_a_key() -> None:
    frame = bytearray(framed(MESSAGES["mode 0"]))
    frame[frame.index(b"\x90\x0f\x00\x2c") + 4] = 0x20
    del frame[frame.index(COUNTER) + 4 : frame.index(COUNTER) + 12]
    frame[frame.index(b"\x90\x0f") + 1] = 0x07
    frame[0] = len(frame) - 1
    assert key_rung(opened(bytes(frame))) == "no key needed"


class Locked:
    """A look-up that would have to ask somebody for its keys."""

    def __init__(self, *at_hand: bytes, unavailable: str = "") -> None:
        self._at_hand = tuple(map(Key, at_hand))
        self.unavailable = unavailable
        self.how_to_unlock = ""
        self.asked = 0

    def __call__(self, _: Address) -> Sequence[Key]:
        self.asked += 1
        return self._at_hand

    def at_hand(self, _: Address) -> Sequence[Key]:
        return self._at_hand


def test_a_mac_alone_is_no_reason_to_ask_for_keys() -> None:
    locked = Locked()
    telegram = decode(framed(MESSAGES["mode 0"]), locked)
    assert (telegram.outcome, locked.asked) == (Outcome.OK, 0)
    assert "MAC not checked" in key_rung(telegram)
    known = Locked(OTHER, KEY)
    telegram = decode(framed(MESSAGES["mode 0"]), known)
    assert telegram.security is not None
    assert (telegram.security.authenticated, known.asked) == (True, 0)
    assert decode(framed(MESSAGES["mode 5"]), known).ok
    assert known.asked


def test_a_store_that_is_locked_is_said_to_be() -> None:
    telegram = decode(framed(MESSAGES["mode 0"]), Locked(unavailable="store locked"))
    assert key_rung(telegram) == "no key needed; MAC not checked: store locked"
