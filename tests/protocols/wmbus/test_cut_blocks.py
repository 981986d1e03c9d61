"""Frames that end inside an encrypted block: what cannot be decrypted is shown as cipher text and never as a value."""

from __future__ import annotations

from itertools import pairwise

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from protocols.decode import decode
from protocols.model import Address, FrameFormat, Key, Outcome, Rung, RungState, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_mode_5, with_crcs

METER = Address.of("EFE", "12345678", 0x00, 0x07)
RECORDS = bytes.fromhex(
    "0413 05030000 02fd17 0000 426c 5f3c 4413 01020000 046d 1628543b 0259 2a0a 025d 100a 02ff20 0000"
)
AES = Key(bytes(range(16)), "test")
DES = Key(bytes(range(1, 9)), "test")


def mode_2() -> bytes:
    plain = b"\x2f\x2f" + RECORDS
    plain += b"\x2f" * (-len(plain) % 8)
    encryptor = Cipher(TripleDES(DES.value * 3), CBC(bytes(8))).encryptor()
    cipher = encryptor.update(plain) + encryptor.finalize()
    return link_frame(0x44, METER, bytes((0x7A, 1, 0, len(cipher), 0x02)) + cipher)


HEADER = TransportHeader(access_number=1)
FRAMES = {
    "mode 5": (
        link_frame(0x44, METER, transport_mode_5(Content.RECORDS, RECORDS, HEADER, key=AES.value, sender=METER)),
        AES,
    ),
    "mode 2": (mode_2(), DES),
}


def is_beginning(telegram: Telegram, whole: Telegram) -> bool:
    """Whether all records are those that the whole telegram begins with, with the same values."""
    return telegram.records == whole.records[: len(telegram.records)]


def tiled(telegram: Telegram) -> bool:
    covered = [(span.start, span.end) for span in telegram.spans]
    ends = (covered[0][0], covered[-1][1]) == (0, len(telegram.data))
    return ends and all(left[1] == right[0] for left, right in pairwise(covered))


@pytest.mark.parametrize("mode", FRAMES)
def test_a_cut_frame_shows_only_what_was_sent(mode: str) -> None:
    frame, key = FRAMES[mode]
    whole = decode(frame, lambda _: (key,))
    assert whole.outcome is Outcome.OK
    shown = set()
    for size in range(20, len(frame)):
        telegram = decode(frame[:size], lambda _: (key,))
        assert telegram.outcome is Outcome.DAMAGED, size
        assert is_beginning(telegram, whole), size
        assert tiled(telegram), size
        shown.add(len(telegram.records))
    assert len(shown) > 2


@pytest.mark.parametrize("mode", FRAMES)
def test_a_frame_that_counts_its_cut_block_is_damaged(mode: str) -> None:
    frame, key = FRAMES[mode]
    whole = decode(frame, lambda _: (key,))
    for size in range(len(frame) - 7, len(frame)):
        telegram = decode(bytes((size - 1,)) + frame[1:size], lambda _: (key,))
        assert telegram.outcome is Outcome.DAMAGED, size
        assert is_beginning(telegram, whole), size
        assert tiled(telegram), size
        steps = {step.rung: step for step in telegram.verdict}
        assert steps[Rung.FRAME].state is RungState.PASSED


@pytest.mark.parametrize("mode", FRAMES)
def test_blocks_behind_a_damaged_crc_give_no_values(mode: str) -> None:
    frame, key = FRAMES[mode]
    whole = decode(frame, lambda _: (key,))
    raw = with_crcs(frame, FrameFormat.A)
    for at in range(12, len(raw)):
        telegram = decode(raw[:at] + bytes((raw[at] ^ 0x10,)) + raw[at + 1 :], lambda _: (key,))
        assert telegram.outcome is not Outcome.OK, at
        assert is_beginning(telegram, whole), at
        assert tiled(telegram), at
