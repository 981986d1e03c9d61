"""What is found at a glance is what is found by decoding in full, whatever the telegrams hold, in any order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.learned import LearnedDecoder, Sighting
from protocols.mbus.datetypes import encode_f, encode_g
from protocols.mbus.encode import compact_from_full
from protocols.model import Address, Finding, Key, RawFrame, Telegram
from protocols.plausibility import NO_HISTORY, Judge, MeterHistory, judge
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
)
from tests.fieldtool.both_ways import check_both_ways

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEY = bytes(range(1, 17))
HEAT = Address.of("EFE", "20480057", 0x00, 0x04)
ALLOCATOR = Address.of("QDS", "44120994", 0x35, 0x08)
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
ADAPTER = Address.of("QDS", "11223344", 0x55, 0x37)


def keys(address: Address) -> tuple[Key, ...]:
    return (Key(KEY, "test"),)


def heat(energy: int, clock: datetime, due: date) -> bytes:
    dated = bytes.fromhex("046D") + encode_f(clock) + bytes.fromhex("426C") + encode_g(due)
    return bytes.fromhex("0406") + energy.to_bytes(4, "little") + dated


def mode_5(acc: int, status: int, records: bytes, hop: int) -> bytes:
    header = TransportHeader(acc, status, configuration=hop)
    return link_frame(0x44, HEAT, transport_mode_5(Content.RECORDS, records, header, key=KEY, sender=HEAT))


def adapted(acc: int, status: int, records: bytes, hop: int) -> bytes:
    header = TransportHeader(acc, status, HEAT)
    payload = transport_mode_5(Content.RECORDS, records, header, key=KEY, sender=ADAPTER)
    return link_frame(0x44, ADAPTER, extended_link(0x20 | hop << 4, acc, payload))


def mode_7(acc: int, status: int, records: bytes, hop: int) -> bytes:
    header, counter = TransportHeader(acc, status), 1000 + acc // 2
    message = transport_mode_7(Content.RECORDS, records, header, key=KEY, counter=counter, sender=HEAT)
    return link_frame(0x44, HEAT, extended_link(0x20 | hop << 4, acc, message))


def clear(acc: int, status: int, records: bytes, hop: int) -> bytes:
    units = bytes.fromhex("0B6E") + (int.from_bytes(records[2:6], "little") % 90).to_bytes(3, "little")
    header = TransportHeader(acc, status, configuration=hop)
    return link_frame(0x44, ALLOCATOR, transport_clear(Content.RECORDS, units + records[6:], header))


def water(acc: int, litres: bytes, minute: int, hop: int, *, compact: bool) -> bytes:
    records = bytes.fromhex("02FF20 7100 0413") + litres + bytes.fromhex("4413 09190000 615B 7F 6167 16")
    payload = b"\x79" + compact_from_full(records) if compact else b"\x78" + records
    number = session_number(acc & 15, minute, encrypted=True)
    return link_frame(0x44, WATER, extended_link_session(0x20 | hop << 4, acc, number, payload, sender=WATER, key=KEY))


def full(acc: int, status: int, records: bytes, hop: int) -> bytes:
    return water(acc, records[2:6], 1000 + acc // 4, hop, compact=False)


def compact(acc: int, status: int, records: bytes, hop: int) -> bytes:
    return water(acc, records[2:6], 1000 + acc // 4, hop, compact=True)


SHAPES = {"mode 5": mode_5, "mode 7": mode_7, "adapted": adapted, "clear": clear, "full": full, "compact": compact}

CLOCKS = st.one_of(
    st.integers(-3000, 3000).map(lambda minutes: (START + timedelta(minutes=minutes)).replace(tzinfo=None)),
    st.sampled_from([datetime(2000, 1, 1), datetime(1985, 5, 5), datetime(2031, 1, 1)]),  # noqa: DTZ001
)
FRAMES = st.tuples(
    st.sampled_from(sorted(SHAPES)),
    st.one_of(st.integers(0, 12), st.integers(0, 255)),
    st.sampled_from([0, 0, 0, 4, 0x10, 0x18]),
    st.builds(
        heat,
        st.one_of(st.integers(1000, 1010), st.integers(0, 2**32 - 1)),
        CLOCKS,
        st.sampled_from([date(2026, 12, 31), date(2025, 12, 31), date(2040, 1, 1)]),
    ),
    st.sampled_from([0, 0, 0, 1]),
)
PAUSES = st.sampled_from([0.0, 1.0, 16.0, 16.0, 16.0, 20.0, 600.0, 90_000.0])


def check(frames: Sequence[RawFrame]) -> int:
    return check_both_ways(frames, LearnedDecoder(keys))


@settings(max_examples=60)
@given(st.lists(st.tuples(FRAMES, PAUSES), min_size=5, max_size=40), st.booleans())
def test_any_series(series: list[tuple[tuple[str, int, int, bytes, int], float]], timed: bool) -> None:
    seconds, frames = 0.0, [RawFrame(full(1, 0, heat(1000, datetime(2026, 1, 1), date(2026, 1, 1)), 0))]  # noqa: DTZ001
    for (shape, acc, status, records, hop), pause in series:
        seconds += pause
        at = START + timedelta(seconds=seconds) if timed else None
        frames.append(RawFrame(SHAPES[shape](acc, status, records, hop), at))
    check(frames)


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 40)), min_size=20, max_size=60),
)
def test_a_meter_as_meters_are(shape: str, steps: list[tuple[int, int, int]]) -> None:
    acc, energy, seconds = 250, 1000, 0
    frames = []
    for forward, more, pause in steps:
        acc, energy, seconds = (acc + forward) % 256, energy + more, seconds + pause
        at = START + timedelta(seconds=seconds)
        records = heat(energy, at.replace(tzinfo=None), date(2026, 12, 31))
        frames.append(RawFrame(SHAPES[shape](acc, 0, records, 0), at))
    first = RawFrame(full(249, 0, heat(1000, datetime(2026, 1, 1), date(2026, 1, 1)), 0))  # noqa: DTZ001
    assert check([first, *frames]) >= len(frames) - 1


def corpus(folder: Path) -> Iterator[tuple[bytes, Key | None]]:
    for line in (folder / "dev.encrypted.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if len(case["hex"]) % 2 == 0:
            yield bytes.fromhex(case["hex"]), Key(bytes.fromhex(case["key"])) if case.get("key") else None


@pytest.mark.parametrize("at", [START, None], ids=["timed", "untimed"])
def test_the_corpora(conformance_dir: Path, at: datetime | None) -> None:
    quick = 0
    for data, key in corpus(conformance_dir):
        filed = () if key is None else (key,)
        decoder, at_a_glance = LearnedDecoder(lambda _, filed=filed: filed), Judge()  # type: ignore[misc]
        telegrams: list[Telegram] = []
        found: list[tuple[Finding, ...]] = []
        for number in range(3):
            frame = RawFrame(data, None if at is None else at + timedelta(hours=number))
            seen = decoder.sight(frame)
            found.append(at_a_glance.judge(seen))
            quick += isinstance(seen, Sighting)
            telegrams.append(decoder.decode(frame))
        history: MeterHistory = NO_HISTORY
        for telegram, findings in zip(telegrams, found, strict=True):
            history, expected = judge(history, telegram)
            assert findings == expected
    assert quick > 200
