"""The extended link layer: what its payload CRC says where nothing is encrypted (EN 13757-4, 13.2)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocols.decode import decode
from protocols.mbus.crc import crc16_en13757
from protocols.model import Outcome, Rung, RungState

SENDER = bytes.fromhex("449315785634123303")
RECEIVER = bytes.fromhex("9315112233440131")
PAYLOAD = bytes.fromhex("78 0C1427048502")
NOT_ENCRYPTED = bytes.fromhex("03A00F00")


def framed(layer: bytes, payload: bytes, crc: int) -> bytes:
    body = SENDER + layer + NOT_ENCRYPTED + crc.to_bytes(2, "little") + payload
    return bytes((len(body),)) + body


LAYERS = [bytes.fromhex("8D2011"), bytes.fromhex("8F2011") + RECEIVER]


@pytest.mark.parametrize("layer", LAYERS, ids=["II", "IV"])
def test_a_payload_whose_crc_fits_is_read(layer: bytes) -> None:
    telegram = decode(framed(layer, PAYLOAD, crc16_en13757(PAYLOAD)))
    assert (telegram.outcome, telegram.notes) == (Outcome.OK, ())
    assert [reading.value for reading in telegram.readings] == [Decimal("28504.27")]


@pytest.mark.parametrize("layer", LAYERS, ids=["II", "IV"])
@pytest.mark.parametrize("bit", range(8 * len(PAYLOAD)))
def test_a_damaged_bit_of_a_payload_that_is_not_encrypted_is_found(layer: bytes, bit: int) -> None:
    damaged = bytearray(PAYLOAD)
    damaged[bit // 8] ^= 1 << bit % 8
    telegram = decode(framed(layer, bytes(damaged), crc16_en13757(PAYLOAD)))
    assert (telegram.outcome, telegram.problem) == (
        Outcome.DAMAGED,
        "payload CRC of the extended link layer does not fit",
    )
    assert next(step.state for step in telegram.verdict if step.rung is Rung.FRAME) is RungState.FAILED
