"""Fragmented messages: put together in any order, checked by length and MAC as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from protocols.decode import decode, decode_fragments
from protocols.learned import LearnedDecoder
from protocols.mbus.encode import encode_records
from protocols.model import Address, Key, Outcome, RawFrame, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, extended_link, link_frame, transport_mode_7
from protocols.wmbus.fragments import Fragments

KEY = bytes(range(16))
METER = Address.of("ELS", "12345678", 0x33, 0x03)
RECORDS = encode_records([(bytes.fromhex("0C14"), 28504), (bytes.fromhex("02FD17"), 0)] * 4)


def keys(address: Address) -> Sequence[Key]:
    return (Key(KEY),)


def pieces(count: int, counter: int = 7) -> list[bytes]:
    """A mode 7 message in `count` frames: MCL, MCR and ML in the first, MAC in the last."""
    whole = transport_mode_7(Content.RECORDS, RECORDS, TransportHeader(9), key=KEY, counter=counter, sender=METER)
    # One AFL: 90, AFLL, FCL(2), MCL, MCR(4), MAC(8); its MAC does not cover ML, so the fragments carry none.
    mcl, counter_wire, mac, message = whole[4:5], whole[5:9], whole[9:17], whole[17:]
    size = -(-len(message) // count)
    cut = [message[i * size : (i + 1) * size] for i in range(count)]
    frames = []
    for number, part in enumerate(cut, start=1):
        first, last = number == 1, number == count
        fields = (mcl + counter_wire if first else b"") + (mac if last else b"")
        control = number | (0x2800 if first else 0) | (0x0400 if last else 0x4000)
        afl = bytes((0x90, 2 + len(fields))) + control.to_bytes(2, "little") + fields
        frames.append(link_frame(0x44, METER, extended_link(0x20, number, afl + part)))
    return frames


def collect(frames: Sequence[bytes]) -> tuple[Telegram, ...]:
    waiting = Fragments.none()
    complete: tuple[Telegram, ...] = ()
    for frame in frames:
        waiting, done = waiting.add(decode(frame, keys))
        complete = done or complete
    return complete


@pytest.mark.parametrize("order", list(itertools.permutations(range(1, 3))))
def test_fragments_behind_the_first_may_come_in_any_order(order: Sequence[int]) -> None:
    frames = pieces(3)
    complete = collect([frames[0], *(frames[number] for number in order)])
    telegram = decode_fragments(complete, keys)
    assert telegram.ok
    assert telegram.security is not None
    assert telegram.security.authenticated
    assert len(telegram.records) == 8
    position = 0
    for span in telegram.spans:
        assert span.start == position
        position = span.end
    assert position == len(telegram.data)


def test_a_fragment_alone_is_named() -> None:
    telegram = decode(pieces(2)[0], keys)
    assert telegram.outcome is Outcome.UNSUPPORTED
    assert "fragment 1" in (telegram.problem or "")


def test_a_repeated_fragment_counts_once_and_a_new_message_starts_over() -> None:
    old, new = pieces(2, 7), pieces(2, 8)
    assert collect([old[0], old[0]]) == ()
    assert len(collect([old[0], old[0], old[1]])) == 2
    complete = collect([old[0], new[0], new[1]])
    telegram = decode_fragments(complete, keys)
    assert telegram.security is not None
    assert telegram.security.message_counter == 8


def test_mixed_fragments_fail_the_mac() -> None:
    old, new = pieces(2, 7), pieces(2, 8)
    telegram = decode_fragments(collect([new[0], old[1]]), keys)
    assert not telegram.ok
    assert telegram.readings == ()


def test_the_last_fragment_alone_completes_nothing() -> None:
    assert collect([pieces(2)[1]]) == ()


def test_a_decoder_with_memory_puts_them_together() -> None:
    decoder = LearnedDecoder(keys)
    outcomes = [decoder.decode(RawFrame(frame)).outcome for frame in pieces(3)]
    assert outcomes == [Outcome.UNSUPPORTED, Outcome.UNSUPPORTED, Outcome.OK]


def heard(seconds: Sequence[float | None], frames: Sequence[bytes]) -> list[int]:
    """How many fragments each frame completed, frames heard at these seconds."""
    start = datetime(2026, 11, 20, 8, tzinfo=UTC)
    waiting, completed = Fragments.none(), []
    for second, frame in zip(seconds, frames, strict=True):
        at = None if second is None else start + timedelta(seconds=second)
        waiting, done = waiting.add(decode(RawFrame(frame, at=at), keys))
        completed.append(len(done))
    return completed


# In between it begins a new message.
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)])
def test_the_first_fragment_may_come_last(order: Sequence[int]) -> None:
    frames = [pieces(3)[number] for number in order]
    telegram = decode_fragments(collect(frames), keys)
    assert telegram.ok
    assert len(telegram.records) == 8


def test_a_first_fragment_that_comes_last_comes_soon() -> None:
    frames = pieces(2)[::-1]
    assert heard([0, 5], frames) == [0, 2]
    assert heard([0, 60], frames) == [0, 0]
    assert heard([None, None], frames) == [0, 2]
    assert heard([0, None], frames) == [0, 0]


def test_a_lost_fragment_costs_no_later_message() -> None:
    old, new = pieces(2, 7), pieces(2, 8)
    assert heard([0, 60, 61], [old[1], *new]) == [0, 0, 2]
    # Without times the first may belong to what waited: its MAC says that it does not, and the message comes yet.
    assert heard([None] * 3, [old[1], *new]) == [0, 2, 2]
    assert decode_fragments(collect([old[1], *new]), keys).ok
    assert not decode_fragments(collect([old[1], new[0]]), keys).ok


def test_many_senders_do_not_fill_the_memory() -> None:
    waiting = Fragments.none()
    for number in range(400):
        frame = bytearray(pieces(2)[0])
        frame[4:8] = number.to_bytes(4, "little")
        waiting, _ = waiting.add(decode(bytes(frame), keys))
    assert len(waiting.waiting) <= 256


def test_an_afl_that_counts_fewer_bytes_than_its_own_control_field() -> None:
    frame = link_frame(0x44, METER, bytes.fromhex("90 01 0000 7A 01 00 0000 0413 09190000"))
    telegram = decode(frame)
    assert (telegram.outcome, telegram.problem) == (Outcome.DAMAGED, "AFLL is 1; the FCL alone has 2 bytes")
    assert telegram.spans[-1].end == len(frame)
    assert all(before.end == after.start for before, after in itertools.pairwise(telegram.spans))
