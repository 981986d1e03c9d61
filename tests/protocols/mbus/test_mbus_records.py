"""The record loop: published telegrams, damage, tails, and any bytes at all."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import BadField, Truncated
from protocols.mbus.compact import full_frame_bytes
from protocols.mbus.records import ParsedRecords, parse_records, transmitted
from protocols.mbus.spans import application_spans
from protocols.model import Quality


def parse(text: str) -> ParsedRecords:
    data = bytes.fromhex(text)
    return parse_records(data, 0, len(data))


def test_gas_meter_of_oms_annex_n() -> None:
    # OMS Vol. 2, N.2.1, decrypted.
    parsed = parse("2F2F 0C1427048502 046D32371F15 02FD170000 2F2F2F2F2F2F2F2F2F2F2F2F2F")
    assert [(r.source, r.quantity, r.value, r.unit) for r in parsed.records] == [
        ("0C14", "volume", Decimal("28504.27"), "m3"),
        ("046D", "datetime", datetime.fromisoformat("2008-05-31 23:50"), ""),
        ("02FD17", "error_flags", 0, ""),
    ]
    assert [(r.start, r.data_start, r.end) for r in parsed.records] == [(2, 4, 8), (8, 10, 14), (14, 17, 19)]
    assert (parsed.problem, parsed.tail, parsed.more_follows, parsed.stopped_at) == (None, None, False, 32)


def test_heat_cost_allocator_of_oms_annex_n() -> None:
    # OMS Vol. 2, N.5.3, decrypted.
    parsed = parse("2F2F 0B6E341200 426CFE04 4B6E563402 0CFD1078563412")
    assert [(r.quantity, r.value, r.storage) for r in parsed.records] == [
        ("hca_units", 1234, 0),
        ("date", date(2007, 4, 30), 1),
        ("hca_units", 23456, 1),
        ("customer_location", "12345678", 0),
    ]


def test_offsets_count_in_the_whole_frame() -> None:
    data = bytes.fromhex("AABBCC 041308190000 DD")
    parsed = parse_records(data, 3, 9)
    assert [(r.start, r.end) for r in parsed.records] == [(3, 9)]


def test_what_came_before_the_damage_is_kept() -> None:
    parsed = parse("0413081900000413081900")
    assert [r.value for r in parsed.records] == [Decimal("6.408")]
    assert isinstance(parsed.problem, Truncated)
    assert parsed.problem.offset == 8
    assert parsed.stopped_at == 6
    assert str(parsed.problem) == "record 0413 announces 4 bytes of data, 3 are left"


@pytest.mark.parametrize("dif", ["3F", "4F", "5F", "6F", "8F", "FF"])
def test_reserved_dif_stops(dif: str) -> None:
    parsed = parse(f"041308190000 {dif} 0413")
    assert isinstance(parsed.problem, BadField)
    assert (len(parsed.records), parsed.stopped_at) == (1, 6)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("8B8B8B8B8B8B8B8B8B8B8B60043718", "more than 10 DIFE bytes in one record"),
        ("018B848484848484848484840437", None),
    ],
)
def test_endless_chains_stop(chain: str, message: str | None) -> None:
    parsed = parse("03131531 00" + chain)
    assert len(parsed.records) == 1
    assert parsed.problem is not None
    assert message is None or str(parsed.problem) == message


@pytest.mark.parametrize(("dif", "more"), [("0F", False), ("1F", True)])
def test_manufacturers_tail(dif: str, more: bool) -> None:
    parsed = parse(f"041308190000 {dif} 2F1234")
    assert (parsed.tail, parsed.more_follows, parsed.problem, parsed.stopped_at) == ((6, 10), more, None, 10)


def test_bytes_behind_the_fillers_are_a_note_not_a_damage() -> None:
    # Unismart: two bytes of its own behind the last filler.
    parsed = parse("041308190000 2F2F2F 5208")
    assert parsed.problem is None
    assert parsed.notes == ("2 bytes after the idle fillers are not records",)
    assert parsed.stopped_at == 9
    assert parse("041308190000 2F2F2F 52").notes == ("1 byte after the idle fillers is not a record",)


def test_erased_memory_behind_the_records_is_a_note() -> None:
    # Maddalena evo868: two bytes FF at the end of an unencrypted telegram.
    parsed = parse("041308190000 FFFF")
    assert parsed.problem is None
    assert parsed.notes == ("2 bytes FF after the last record",)
    assert parse("FFFF").problem is not None
    assert parse("041308190000 FFFF04").problem is not None


def test_damage_right_behind_the_check_bytes_is_a_damage() -> None:
    assert parse("2F2F 5208").problem is not None


def test_global_readout_request_is_one_byte() -> None:
    parsed = parse("7F 041308190000")
    assert len(parsed.records) == 1
    assert parsed.notes == ("global readout request (DIF 7F)",)


def test_commands_to_a_meter() -> None:
    data = bytes.fromhex("049301 08190000")
    assert parse_records(data, 0, len(data), downlink=True).records[0].modifiers == ("action_add",)
    assert parse_records(data, 0, len(data)).records[0].quality is Quality.NOT_AVAILABLE


def test_text_unit_of_a_hostile_meter_is_safe() -> None:
    parsed = parse("047C05" + b"m[31;"[::-1].hex() + "08190000")
    assert parsed.records[0].unit == "m[31;"


BYTES = st.one_of(
    st.binary(max_size=80),
    # Bytes that lead somewhere more often than random ones.
    st.lists(
        st.sampled_from(
            bytes.fromhex("0004 0D0C 2F0F 1F7F 13 84 C4 8D FD FB FC 7C EF FF 7F 93 1E 1F 13 6D 6C 05 E2 C2 BF")
        ),
        max_size=60,
    ).map(bytes),
)


@settings(max_examples=400)
@given(data=BYTES, start=st.integers(0, 8), downlink=st.booleans())
def test_any_bytes_end_and_are_accounted_for(data: bytes, start: int, downlink: bool) -> None:
    start = min(start, len(data))
    parsed = parse_records(data, start, len(data), downlink=downlink)
    position = start
    for record in transmitted(parsed.records):
        assert position <= record.start < record.data_start <= record.end <= len(data)
        assert data[record.start : record.end] == record.header + record.data
        position = record.end
    assert [record.index for record in parsed.records] == list(range(len(parsed.records)))
    for record in parsed.records:
        if record.expanded_from is not None:
            whole = parsed.records[record.expanded_from]
            assert whole.data_start < record.start < record.end <= whole.end
    position = start
    for span in application_spans(parsed.records, start, len(data), data, parsed.tail):
        assert span.start == position < span.end
        position = span.end
    assert position == len(data)


@settings(max_examples=200)
@given(data=BYTES)
def test_what_was_decoded_decodes_the_same_alone(data: bytes) -> None:
    parsed = parse_records(data, 0, len(data))
    own = full_frame_bytes(parsed.records)
    again = parse_records(own, 0, len(own))
    assert again.problem is None
    assert [(r.header, r.data, r.value) for r in again.records] == [(r.header, r.data, r.value) for r in parsed.records]
