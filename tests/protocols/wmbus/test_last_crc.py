"""Frames of receivers that take out the CRCs of all blocks but the last, with an L field that does not fit either."""

from __future__ import annotations

from itertools import pairwise

import pytest

from protocols.decode import decode
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat, Key, Outcome, Rung
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_mode_5, with_crcs
from protocols.wmbus.link import HEADER_SIZE, size_before_last_crc

METER = Address.of("EFE", "12345678", 0x00, 0x07)
KEY = bytes(range(1, 17))


def frame(records: str) -> bytes:
    return link_frame(0x44, METER, b"\x7a\x01\x00\x00\x00" + bytes.fromhex(records))


def with_last_crc(data: bytes, length: int) -> bytes:
    """`data` with the CRC of its last block behind it; `length` is added to the L field after that is computed."""
    last = HEADER_SIZE + (len(data) - HEADER_SIZE - 1) // 16 * 16
    crc = crc16_en13757(data[last:]).to_bytes(2, "big")
    return bytes((data[0] + length,)) + data[1:] + crc


RECORDS = "041305030000 426c5f3c 441301020000 0f0102030405"
ODD_ENDS = ["0413 05030000 046d1628543b", "0413 05030000", "0413 05030000 0c78 78563412 02fd17 0000 046d1628543b"]


@pytest.mark.parametrize("records", ODD_ENDS)
@pytest.mark.parametrize("length", [2, 0, -2], ids=["counted", "not counted", "two short"])
def test_the_crc_is_no_record(records: str, length: int) -> None:
    whole = decode(frame(records))
    telegram = decode(with_last_crc(frame(records), length))
    assert telegram.outcome is Outcome.OK
    assert [record.value for record in telegram.records] == [record.value for record in whole.records]
    covered = [(span.start, span.end) for span in telegram.spans]
    assert (covered[0][0], covered[-1][1]) == (0, len(telegram.data))
    assert all(left[1] == right[0] for left, right in pairwise(covered))


def test_a_frame_that_makes_sense_is_taken_as_it_stands() -> None:
    data = frame(RECORDS)
    telegram = decode(with_last_crc(data, 2))
    assert telegram.records == decode(data).records
    assert telegram.notes == ()


def test_a_frame_without_that_crc_stays_damaged() -> None:
    data = frame("0413 05030000 0413 05")
    assert size_before_last_crc(data) is None
    assert decode(data).outcome is Outcome.DAMAGED


def test_the_end_of_a_frame_that_is_cut_is_no_crc() -> None:
    telegram = decode(frame("0413 05030000 0413 05030000")[:-4])
    assert telegram.problem == "frame is cut: 4 of 27 bytes are missing"
    details = [step.detail for step in telegram.verdict if step.rung is Rung.RECORDS]
    assert details == ["record 0413 announces 4 bytes of data, 0 are left"]


@pytest.mark.parametrize("size", range(14))
def test_too_short_for_a_block(size: int) -> None:
    assert size_before_last_crc(bytes(size)) is None


def test_a_crc_that_reads_as_a_selection_for_readout_is_no_record() -> None:
    telegram = decode(frame("0413 05030000 481e"))
    assert (telegram.outcome, [record.source for record in telegram.records]) == (Outcome.DAMAGED, ["0413"])
    assert telegram.problem is not None
    assert telegram.problem.startswith("2 bytes after the last record are not a record")
    covered = [(span.start, span.end) for span in telegram.spans]
    assert (covered[0][0], covered[-1][1]) == (0, len(telegram.data))
    assert all(left[1] == right[0] for left, right in pairwise(covered))


@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
def test_where_the_crcs_fit_the_last_two_bytes_are_none(frame_format: FrameFormat) -> None:
    selects = decode(with_crcs(frame("0413 05030000 481e"), frame_format))
    assert (selects.outcome, [record.source for record in selects.records]) == (Outcome.OK, ["0413", "481E"])
    cut = decode(with_crcs(frame("0413 05030000 0413"), frame_format))
    assert (cut.outcome, cut.problem) == (Outcome.DAMAGED, "record 0413 announces 4 bytes of data, 0 are left")


def test_a_crc_that_fits_is_one_also_where_others_were_added_again() -> None:
    data = with_last_crc(frame(ODD_ENDS[0]), 2)
    assert decode(with_crcs(data, FrameFormat.A)).records == decode(data).records


def test_a_request_selects_records_for_readout() -> None:
    master = Address.of("EFE", "11223344", 0x01, 0x31)
    request = link_frame(0x53, master, b"\x5b" + METER.to_transport() + bytes.fromhex("01000000 0806 0813"))
    telegram = decode(request)
    assert (telegram.outcome, [record.source for record in telegram.records]) == (Outcome.OK, ["0806", "0813"])


@pytest.mark.parametrize(("behind", "said"), [("5208", True), ("2f2f", False), ("0f31", False), ("52", False)])
def test_two_bytes_behind_the_encrypted_blocks_may_be_a_crc_that_does_not_fit(behind: str, said: bool) -> None:
    payload = transport_mode_5(Content.RECORDS, bytes.fromhex(ODD_ENDS[1]), TransportHeader(1), key=KEY, sender=METER)
    telegram = decode(link_frame(0x44, METER, payload + bytes.fromhex(behind)), lambda _: (Key(KEY),))
    assert telegram.outcome is Outcome.OK
    assert any("may be a CRC of format B" in note for note in telegram.notes) is said
