"""The fast path gives, to the letter, what the general path gives: layouts, corpora, any data in the records."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import telegram_json
from protocols.decode import decode
from protocols.learned import LearnedDecoder, Sighting
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat, Key, KeyLookup, Outcome, RawFrame, Telegram
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    link_frame,
    transport_mode_5,
    transport_mode_7,
    with_crcs,
)
from protocols.wmbus.security.model import CHECK_BYTES
from tests.fieldtool.fast_path_frames import (
    HEAT,
    HEAT_RECORDS,
    IDS,
    KEY,
    MODE_7,
    SHAPES,
    Shape,
    clear,
    compact,
    full,
    keys,
    mode_5,
    other_meter,
    own_keys,
)
from tests.fieldtool.refilling import refilled


def both(decoder: LearnedDecoder, frame: RawFrame, lookup: KeyLookup = keys) -> tuple[str, str, bool]:
    """The line of the general path, that of the fast path, and whether a plan was used."""
    general = telegram_json(decode(frame, lookup, formats=decoder.formats))
    seen = decoder.sight(frame)
    return general, SightingWriter().line(seen), isinstance(seen, Sighting)


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_the_second_telegram_takes_the_fast_path(shape: Shape) -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(full(1, 1)))
    first, second = shape(7, 0), shape(8, 0x1C)
    general, fast, planned = both(decoder, RawFrame(first))
    assert (general == fast, planned) == (True, shape is full)
    at = datetime(2026, 11, 20, 8, 15, 30, 123456, tzinfo=UTC)
    general, fast, planned = both(decoder, RawFrame(second, at, "im871a", "C1", -71))
    assert planned
    assert general == fast


@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
def test_frames_with_crcs(frame_format: FrameFormat) -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(with_crcs(mode_5(1, 0), frame_format)))
    general, fast, planned = both(decoder, RawFrame(with_crcs(mode_5(2, 0), frame_format)))
    assert planned
    assert general == fast


def check_refilled(data: bytes, lookup: KeyLookup, rounds: int, seed: int) -> int:
    """Refill a telegram's records and compare the two paths; returns how often a plan was used."""
    rng = random.Random(seed)
    decoder = LearnedDecoder(lookup)
    decoder.decode(RawFrame(full(1, 1)))
    decoder.decode(RawFrame(data))
    seen = decoder.sight(RawFrame(data))
    if not isinstance(seen, Sighting):
        return 0
    used = 0
    for _ in range(rounds):
        frame = RawFrame(refilled(seen.plan, seen.plan.plan.template.data, rng))
        general, fast, planned = both(decoder, frame, lookup)
        assert general == fast
        used += planned
    return used


@given(st.integers(0, 2**32), st.sampled_from(SHAPES))
def test_any_data_in_the_records(seed: int, shape: Shape) -> None:
    assert check_refilled(shape(7, 0), keys, 5, seed) > 0


def corpus(folder: Path) -> Iterator[tuple[bytes, KeyLookup]]:
    for name in ("dev.encrypted.jsonl", "variants.dev.jsonl"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            filed = (Key(bytes.fromhex(case["key"])),) if case.get("key") else ()
            if len(case["hex"]) % 2 == 0:
                yield bytes.fromhex(case["hex"]), lambda _, filed=filed: filed  # type: ignore[misc]


def test_the_corpora(conformance_dir: Path) -> None:
    planned = 0
    for number, (data, lookup) in enumerate(corpus(conformance_dir)):
        decoder = LearnedDecoder(lookup)
        decoder.decode(RawFrame(data))
        general, fast, _ = both(decoder, RawFrame(data), lookup)
        assert general == fast
        planned += check_refilled(data, lookup, 3, number) > 0
    assert planned > 300


def test_a_changed_layout_falls_back_and_is_learned() -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(mode_5(1, 0)))
    other = HEAT_RECORDS + bytes.fromhex("0259 1027")
    general, fast, planned = both(decoder, RawFrame(mode_5(2, 0, other)))
    assert (general == fast, planned) == (True, False)
    for acc, records in ((3, other), (4, HEAT_RECORDS), (5, other)):
        general, fast, planned = both(decoder, RawFrame(mode_5(acc, 0, records)))
        assert (general == fast, planned) == (True, True)


def test_another_length_falls_back_and_is_learned() -> None:
    decoder = LearnedDecoder(keys)
    texts = [bytes((0x0D, 0x78, len(text))) + text for text in (b"1234", b"12345", b"4321", b"54321")]
    texts.append(bytes.fromhex("0D78 C4 12345678"))
    planned = [both(decoder, RawFrame(mode_5(acc, 0, text))) for acc, text in enumerate(texts)]
    assert [general == fast for general, fast, _ in planned] == [True] * 5
    assert [used for _, _, used in planned] == [False, False, True, True, False]


def test_a_wrong_key_a_cut_and_a_flipped_bit_are_seen() -> None:
    decoder = LearnedDecoder(keys)
    for frame in (mode_5(1, 0), full(1, 1), compact(1, 2), with_crcs(mode_5(1, 0), FrameFormat.A)):
        decoder.decode(RawFrame(frame))
    stranger = transport_mode_5(Content.RECORDS, HEAT_RECORDS, TransportHeader(9), key=bytes(range(2, 18)), sender=HEAT)
    damaged = bytearray(with_crcs(mode_5(2, 0), FrameFormat.A))
    damaged[20] ^= 1
    altered = bytearray(full(3, 9))
    altered[-1] ^= 1
    broken = {
        Outcome.WRONG_KEY: [link_frame(0x44, HEAT, stranger), bytes(altered)],
        Outcome.DAMAGED: [mode_5(2, 0)[:-1], bytes(damaged)],
    }
    for outcome, frames in broken.items():
        for frame in frames:
            seen = decoder.sight(RawFrame(frame))
            assert isinstance(seen, Telegram)
            assert seen.outcome is outcome


@pytest.mark.parametrize("shape", MODE_7.values(), ids=MODE_7)
def test_a_message_that_was_altered_is_no_message_of_its_plan(shape: Shape) -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(shape(1, 0)))
    sent = shape(2, 0)
    seen = decoder.sight(RawFrame(sent))
    assert isinstance(seen, Sighting)
    message = seen.plan.plan.message
    assert message is not None
    places = [message.counter.start, seen.plan.plan.start, message.transport + 2]
    for place in [*places, *([] if message.mac is None else [message.mac.start, message.mac.stop - 1, len(sent) - 1])]:
        altered = bytearray(sent)
        altered[place] ^= 0x04
        general, fast, planned = both(decoder, RawFrame(bytes(altered)))
        assert general == fast
        assert not planned or message.mac is None


def test_what_a_gateway_sends_under_mode_7_teaches_nothing() -> None:
    decoder = LearnedDecoder(keys)
    for acc in (1, 2):
        header = TransportHeader(acc, 0)
        message = transport_mode_7(
            Content.RECORDS, HEAT_RECORDS, header, key=KEY, counter=acc, sender=HEAT, downlink=True
        )
        general, fast, planned = both(decoder, RawFrame(link_frame(0x53, HEAT, message)))
        assert (general == fast, planned) == (True, False)


def test_encrypted_payloads_that_begin_with_check_bytes_by_chance_are_not_taken_as_decrypted() -> None:
    def message(counter: int) -> bytes:
        sealed = transport_mode_7(
            Content.RECORDS, HEAT_RECORDS, TransportHeader(1), key=KEY, counter=counter, sender=HEAT
        )
        return link_frame(0x44, HEAT, sealed)

    by_chance = message(25187)
    assert by_chance[-64:-62] == CHECK_BYTES
    decoder = LearnedDecoder(keys, already_decrypted=True)
    decoder.decode(RawFrame(message(1)))
    seen = decoder.sight(RawFrame(by_chance))
    general = decode(by_chance, keys, already_decrypted=True)
    assert (general.ok, isinstance(seen, Sighting)) == (True, True)
    assert SightingWriter().line(seen) == telegram_json(general)


def test_forgetting_drops_the_plans() -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(mode_5(1, 0)))
    assert isinstance(decoder.sight(RawFrame(mode_5(2, 0))), Sighting)
    decoder.forget()
    assert isinstance(decoder.sight(RawFrame(mode_5(3, 0))), Telegram)


def test_what_a_payload_decoder_did_not_know_is_no_layout_of_what_it_knows() -> None:
    decoder = LearnedDecoder()
    block = "00{}3A0000600107C113FFFF29970300FF2C580303001E3B269703000A006500750073005B0070007D0061005B004200160000002F"
    head, tail = "49449344954933131706780DFF5F35", "046D1E0F113C"
    unknown, walk_by = (bytes.fromhex(head + block.format(first) + tail) for first in ("5E", "82"))
    assert len(decode(walk_by).readings) > len(decode(unknown).readings)
    for frame, known in ((unknown, False), (walk_by, False), (walk_by, True)):
        general, fast, planned = both(decoder, RawFrame(frame))
        assert (general == fast, planned) == (True, known)


def test_the_makers_bytes_behind_the_records_may_differ() -> None:
    decoder = LearnedDecoder(keys)
    for acc, tail in ((1, b"\x0f\x01\x02"), (2, b"\x0f\x33\x44")):
        general, fast, planned = both(decoder, RawFrame(mode_5(acc, 0, HEAT_RECORDS + tail)))
        assert general == fast
        assert planned is (acc == 2)


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_the_first_telegram_of_another_meter_of_a_known_kind(shape: Shape) -> None:
    decoder = LearnedDecoder(own_keys)
    decoder.decode(RawFrame(full(1, 1)))
    decoder.decode(RawFrame(shape(2, 0)))
    for acc in (3, 4):
        general, fast, planned = both(decoder, RawFrame(other_meter(shape, acc)), own_keys)
        assert planned
        assert general == fast
        assert json.loads(fast)["meter"]["number"].endswith("99")


class ManyAtOnce:
    """A look-up that finds many keys at once, and writes down what it was asked."""

    def __init__(self) -> None:
        self.singly: list[Address] = []
        self.at_once: list[Address] = []

    def __call__(self, address: Address) -> tuple[Key, ...]:
        self.singly.append(address)
        return own_keys(address)

    def of_many(self, addresses: Sequence[Address]) -> dict[Address, tuple[Key, ...]]:
        self.at_once += addresses
        return {address: own_keys(address) for address in addresses}


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_the_key_that_an_expected_meter_needs_is_looked_up_ahead(shape: Shape) -> None:
    asked = ManyAtOnce()
    decoder = LearnedDecoder(asked)
    other = other_meter(shape, 3)
    decoder.expect([b"", other])
    assert asked.at_once == []
    for data in (full(1, 1), shape(2, 0)):
        decoder.decode(RawFrame(data))
    asked.singly.clear()
    decoder.expect([b"", other])
    assert len(asked.at_once) == (shape is not clear)
    assert isinstance(decoder.sight(RawFrame(other)), Sighting)
    assert asked.singly == []
    decoder.expect([other])
    assert len(asked.at_once) == (shape is not clear)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=IDS[:2])
def test_another_meter_of_a_known_kind_whose_key_is_missing_or_wrong(shape: Shape) -> None:
    def some_keys(address: Address) -> tuple[Key, ...]:
        return () if address.number.endswith("99") else keys(address)

    for lookup, outcome in ((some_keys, "no_key"), (keys, "wrong_key")):
        decoder = LearnedDecoder(lookup)
        decoder.decode(RawFrame(shape(1, 0)))
        general, fast, planned = both(decoder, RawFrame(other_meter(shape, 3)), lookup)
        assert (general == fast, planned, json.loads(fast)["outcome"]) == (True, False, outcome)


def test_a_frame_that_could_be_in_format_b_is_left_to_the_general_decoder() -> None:
    decoder = LearnedDecoder(keys)
    decoder.decode(RawFrame(clear(1, 0, HEAT_RECORDS + b"\x0f\x01\x02\x03")))
    frame = clear(2, 0, HEAT_RECORDS + b"\x0f\x01\x02\x03")
    like_b = frame[:-2] + crc16_en13757(frame[:-2]).to_bytes(2, "big")
    assert [planned for _, _, planned in (both(decoder, RawFrame(data)) for data in (frame, like_b))] == [True, False]
    assert both(decoder, RawFrame(like_b))[:1] == both(decoder, RawFrame(like_b))[1:2]


@pytest.mark.parametrize("frame_format", [FrameFormat.A, FrameFormat.B])
def test_a_frame_whose_format_is_told_is_of_no_other(frame_format: FrameFormat) -> None:
    """Also of a meter with a layout that its CRCs, taken for data, would fit."""
    decoder = LearnedDecoder(keys)
    tail = HEAT_RECORDS + b"\x0f\x01\x02\x03"
    for data in (clear(1, 0, tail + b"\xaa\xbb"), clear(2, 0, tail)):
        decoder.decode(RawFrame(data))
    for acc in (3, 4):
        frame = RawFrame(with_crcs(clear(acc, 0, tail), frame_format), frame_format=frame_format)
        general, fast, planned = both(decoder, frame)
        assert (general == fast, planned) == (True, acc == 4)
        assert json.loads(fast)["outcome"] == "ok"
    damaged = bytearray(frame.data)
    damaged[-4] ^= 0x10
    general, fast, planned = both(decoder, replace(frame, data=bytes(damaged)))
    assert (general == fast, planned, json.loads(fast)["outcome"]) == (True, False, "damaged")


def test_meters_beyond_the_limit_are_learned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.learned.METERS", 2)
    monkeypatch.setattr("fieldtool.export.sighting_json.METERS", 2)
    decoder, writer = LearnedDecoder(keys), SightingWriter()
    for acc in range(3):
        for shape in SHAPES:
            frame = RawFrame(shape(acc, acc))
            assert writer.line(decoder.sight(frame)) == telegram_json(decode(frame, keys, formats=decoder.formats))
