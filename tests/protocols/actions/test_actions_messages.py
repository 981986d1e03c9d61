"""The field link's messages, fragments and event log: back and forth, bounded, and nothing but protocol errors."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.actions.event_log import EventKind, LoggedEvent, encode_events, parse_events
from protocols.actions.fragments import (
    CI_FROM_METER,
    CI_TO_METER,
    MOST_FRAGMENTS,
    RADIO_PAYLOAD,
    Fragment,
    Reassembly,
    cut,
    parse_fragment,
)
from protocols.actions.list_marks import HIGHEST_NUMBER, MOST_MARKS, ListMark, is_missing
from protocols.actions.messages import (
    Challenge,
    Hello,
    KeyProof,
    Message,
    Proof,
    Result,
    WhichKey,
    key_proof,
    parse_message,
    signed_bytes,
)
from protocols.actions.results import ResultCode
from protocols.crypto import aes_cmac
from protocols.errors import BadField, ProtocolError, Unsupported
from protocols.model import Address
from protocols.text import safe_text

METER = Address.of("KAM", "12345678", 0x1B, 0x07)
CHALLENGE = Challenge(
    b"SESS", bytes(range(32)), METER, 1_800_000_000, 30, 12, (ListMark(b"desk", 3), ListMark(b"\0\1\2\3", 0))
)


def of(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


def byte(bits: int = 8) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


METERS = of(8).map(Address.from_wire)
DETAILS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)
MARKS = st.lists(st.builds(ListMark, of(4), byte(32)), max_size=MOST_MARKS).map(tuple)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, of(16)),
    st.builds(Challenge, of(4), of(32), METERS, byte(32), byte(16), byte(), MARKS),
    st.builds(
        Proof,
        of(4),
        st.binary(max_size=300),
        st.lists(st.binary(max_size=90), min_size=1, max_size=4).map(tuple),
        st.lists(st.binary(max_size=90), max_size=4).map(tuple),
        st.binary(max_size=80),
    ),
    st.builds(Result, of(4), st.sampled_from(ResultCode), DETAILS, byte(), st.binary(max_size=300), of(16)),
    st.builds(WhichKey, of(16)),
    st.builds(KeyProof, of(16), byte(), of(16)),
)


@given(MESSAGES)
def test_back_and_forth(message: Message) -> None:
    assert parse_message(message.to_bytes()) == message


@given(MESSAGES, st.binary(min_size=1, max_size=5))
def test_nothing_may_follow_and_nothing_may_lack(message: Message, more: bytes) -> None:
    data = message.to_bytes()
    with pytest.raises(ProtocolError):
        parse_message(data + more)
    with pytest.raises(ProtocolError):
        parse_message(data[: -len(more)] if len(more) < len(data) else b"")


@given(MESSAGES, st.data())
def test_mutations_raise_protocol_errors_only(message: Message, data: st.DataObject) -> None:
    raw = bytearray(message.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(byte())
    try:
        parsed = parse_message(bytes(raw))
    except ProtocolError:
        return
    assert parsed.to_bytes() == bytes(raw)


@given(st.binary(max_size=120))
def test_noise_raises_protocol_errors_only(data: bytes) -> None:
    for candidate in (data, *(bytes((kind,)) + data for kind in range(8))):
        try:
            parsed = parse_message(candidate)
        except ProtocolError:
            continue
        assert parsed.to_bytes() == candidate


def test_the_bytes_of_each_field() -> None:
    assert Hello(bytes(16)).to_bytes() == b"\x01\x01" + bytes(16)
    assert CHALLENGE.to_bytes() == (
        b"\x02\x01SESS"
        + bytes(range(32))
        + bytes.fromhex("2D2C785634121B07")
        + bytes.fromhex("6B49D200 001E 0C 02 6465736B 00000003 00010203 00000000")
    )
    proof = Proof(b"SESS", b"\x51\x01\x7a\x05", (b"leaf", b"ca"), (), b"sig")
    assert proof.to_bytes() == b"\x03SESS\x00\x04\x51\x01\x7a\x05\x02\x00\x04leaf\x00\x02ca\x00\x03sig"
    result = Result(b"SESS", ResultCode.REVOKED, "gone", 4, b"\x78")
    assert result.to_bytes() == b"\x04SESS\x08\x04gone\x04\x00\x01\x78" + bytes(16)
    assert result.sealed(bytes(16)).mac == aes_cmac(bytes(16), b"\x04SESS\x08\x04gone\x04\x00\x01\x78")


def test_a_challenge_names_eight_lists_at_most() -> None:
    marks = tuple(ListMark.of(bytes((number,)), number) for number in range(MOST_MARKS + 1))
    with pytest.raises(ValueError, match="at most 8 lists"):
        replace(CHALLENGE, lists=marks).to_bytes()
    whole = replace(CHALLENGE, lists=marks[:MOST_MARKS]).to_bytes()
    at = len(whole) - 8 * MOST_MARKS - 1
    assert whole[at] == MOST_MARKS
    with pytest.raises(BadField, match="9 items, allowed are 0 to 8"):
        parse_message(whole[:at] + b"\x09" + whole[at + 1 :] + bytes(8))


@pytest.mark.parametrize("mark", [ListMark(b"abc", 1), ListMark(b"abcd", -1), ListMark(b"abcd", 1 << 32)], ids=repr)
def test_a_mark_that_does_not_fit(mark: ListMark) -> None:
    with pytest.raises(ValueError, match="a mark has a tag of 4 bytes"):
        mark.to_bytes()


def test_which_lists_a_meter_lacks() -> None:
    marks = (ListMark.of(b"first", 5), ListMark.of(b"second", 2), ListMark.of(b"second", 9))
    assert marks[0].issuer_tag == hashlib.sha256(b"first").digest()[:4]
    assert [is_missing(marks, b"first", number) for number in (4, 5, 6)] == [False, False, True]
    assert is_missing(marks, b"third", 0)
    assert is_missing(marks, b"second", 3), "of two that look alike the older counts"
    assert ListMark.of(b"first", 1 << 70).number == HIGHEST_NUMBER


def test_what_is_signed_names_everything() -> None:
    signed = signed_bytes(b"n" * 16, CHALLENGE, b"\x50\x95")
    assert signed == (
        b"fieldtool action v1\0" + b"n" * 16 + b"SESS" + bytes(range(32)) + METER.to_wire() + b"\x00\x02\x50\x95"
    )
    assert key_proof(bytes(16), b"n" * 16, METER, 2) == aes_cmac(
        bytes(16), b"fieldtool which key" + b"n" * 16 + METER.to_wire() + b"\x02"
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x01\x02" + bytes(16), Unsupported),
        (b"\x07" + bytes(16), Unsupported),
        (b"\x04SESS\x12\x00\xff\x00\x00" + bytes(16), BadField),
        (b"\x04SESS\x00\x02\xff\xff\xff\x00\x00" + bytes(16), BadField),
        (b"\x04SESS\x00\x04\x1b[2J\xff\x00\x00" + bytes(16), BadField),
        (b"\x04SESS\x00\x51" + 81 * b"a" + b"\xff\x00\x00" + bytes(16), BadField),
        (b"\x03SESS\x00\x00\x00\x00\x00", BadField),
        (b"\x03SESS\x00\x00\x05" + 10 * b"\x00\x00", BadField),
        (bytes(17_000), BadField),
    ],
)
def test_refused(data: bytes, error: type[ProtocolError]) -> None:
    with pytest.raises(error):
        parse_message(data)


@pytest.mark.parametrize(
    "message",
    [
        Hello(b""),
        Result(b"SESS", ResultCode.DONE, "x" * 81),
        Proof(b"SESS", b"", (), (), b""),
        Proof(b"SESS", b"", (bytes(9000), bytes(9000)), (), b""),
        Proof(b"SESS", b"", (b"",), (), bytes(256)),
        KeyProof(bytes(16), 256, bytes(16)),
    ],
)
def test_what_does_not_fit_is_not_built(message: Message) -> None:
    with pytest.raises(ValueError, match=r"."):
        message.to_bytes()


def test_every_code_has_words_and_says_what_to_do() -> None:
    assert [code.value for code in ResultCode] == list(range(18))
    assert all(code.words for code in ResultCode)
    assert all(code.hint for code in ResultCode if code is not ResultCode.DONE)
    assert len({code.words for code in ResultCode}) == len(ResultCode)


def test_secrets_and_signatures_are_not_in_a_repr() -> None:
    message = Proof(b"SESS", b"\x51secret", (b"leaf",), (), b"signature")
    assert "secret" not in repr(message)
    assert "signature=" not in repr(message)


@given(st.binary(min_size=1, max_size=2000), byte(), st.sampled_from((RADIO_PAYLOAD, 240, 33)))
def test_fragments_back_and_forth(message: bytes, number: int, payload_length: int) -> None:
    fragments = cut(message, CI_TO_METER, number, payload_length)
    buffer = Reassembly()
    for fragment in fragments:
        assert parse_fragment(fragment.to_bytes()) == fragment
        assert len(fragment.to_bytes()) <= payload_length + 4
        whole = buffer.take(fragment)
        assert (whole == message) is fragment.is_last
        # A repeated fragment changes nothing.
        assert buffer.take(fragment) == whole


@given(st.lists(st.binary(max_size=300), max_size=80))
def test_any_fragments_are_bounded_and_raise_protocol_errors_only(pieces: list[bytes]) -> None:
    buffer = Reassembly()
    for piece in pieces:
        for data in (piece, b"\xa0" + piece, b"\xa0\x01\x00\x02" + piece):
            try:
                whole = buffer.take(parse_fragment(data))
            except ProtocolError:
                continue
            assert whole is None or len(whole) <= 64 * 248


def test_a_new_message_drops_what_was_there() -> None:
    buffer = Reassembly()
    first, second = cut(bytes(300), CI_TO_METER, 1), cut(b"other", CI_TO_METER, 2)
    assert buffer.take(first[0]) is None
    assert buffer.take(second[0]) == b"other"
    with pytest.raises(BadField, match="out of order"):
        buffer.take(first[1])
    again = cut(b"x" * 300, CI_TO_METER, 1)
    buffer.take(first[0])
    assert buffer.take(again[0]) is None
    assert buffer.take(again[1]) == b"x" * 300


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xa0", b"\xa0\x01\x00\x01", b"\xa2\x01\x00\x01x", b"\xa0\x01\x01\x01x", b"\xa0\x01\x00\x41x"),
        *(b"\xa0\x01\x00\x00x", b"\xa0\x01\x00\x01" + bytes(249)),
    ],
)
def test_bad_fragments(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_fragment(data)


def test_what_cannot_be_cut() -> None:
    for message in (b"", bytes(96 * MOST_FRAGMENTS + 1)):
        with pytest.raises(ValueError, match="over this link"):
            cut(message, CI_FROM_METER, 0, RADIO_PAYLOAD)
    assert len(cut(bytes(96 * MOST_FRAGMENTS), CI_FROM_METER, 0, RADIO_PAYLOAD)) == MOST_FRAGMENTS
    assert Fragment(CI_FROM_METER, 0, 0, 1, b"x").is_last


EVENTS = st.builds(
    LoggedEvent,
    st.datetimes(datetime(2001, 1, 1), datetime(2079, 12, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda at: at.replace(microsecond=0)
    ),
    st.sampled_from(EventKind),
    DETAILS,
)


@given(st.lists(EVENTS, max_size=32))
def test_the_event_log_back_and_forth(events: list[LoggedEvent]) -> None:
    reply = encode_events(events)
    assert parse_events(reply) == tuple(events)
    assert len(reply) < RADIO_PAYLOAD * MOST_FRAGMENTS - 64


@given(st.lists(EVENTS, min_size=1, max_size=4), st.data())
def test_a_damaged_event_log_raises_protocol_errors_only(events: list[LoggedEvent], data: st.DataObject) -> None:
    raw = bytearray(encode_events(events))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(byte())
    for damaged in (bytes(raw), bytes(raw[: data.draw(st.integers(0, len(raw)))])):
        try:
            parsed = parse_events(damaged)
        except ProtocolError:
            continue
        assert all(safe_text(event.words) == event.words for event in parsed)


def test_events_that_do_not_fit() -> None:
    event = LoggedEvent(datetime(2026, 1, 1, tzinfo=UTC), EventKind.GRANTED, "clock")
    for bad in ([event] * 33, [LoggedEvent(event.at, event.kind, "x" * 81)], [LoggedEvent(event.at, event.kind, "ü")]):
        with pytest.raises(ValueError, match=r"."):
            encode_events(bad)
