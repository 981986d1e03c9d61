"""The fast path through makers' payloads, and records whose places depend on data: it reads what `decode` does."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from protocols.decode import decode
from protocols.learned import LEARNED_A_KIND, LearnedDecoder, Sighting
from protocols.model import Key, KeyLookup, RawFrame, Telegram
from protocols.payload_layouts import PayloadLayout
from protocols.profiles.model import ProfileTest
from protocols.profiles.registry import shipped_profiles
from tests.fieldtool.both_ways import check_both_ways
from tests.fieldtool.fast_path_frames import keys, mode_5
from tests.fieldtool.refilling import refilled

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TESTS = {
    f"{profile.name}-{number}": test
    for profile in shipped_profiles().profiles.values()
    for number, test in enumerate(profile.tests)
}
TELEGRAMS = 10
PAUSES_S = (1, 16, 600, 90_000)


def frame_of(test: ProfileTest) -> tuple[bytes, KeyLookup]:
    """The telegram of a profile's own test, and the key it is read with."""
    filed = () if test.key is None else (Key(bytes.fromhex(test.key)),)
    return bytes.fromhex(test.telegram), lambda _: filed


def stream(test: ProfileTest, seed: int) -> tuple[int, int]:
    """Compare both ways in a stream of telegrams that are alike; returns how many, and how many a plan read."""
    rng, (data, lookup) = random.Random(seed), frame_of(test)
    decoder = LearnedDecoder(lookup)
    decoder.decode(RawFrame(data))
    first = decoder.sight(RawFrame(data))
    if not isinstance(first, Sighting) or not isinstance(first.plan.plan.layout, PayloadLayout):
        return 0, 0
    at, frames = START, list[RawFrame]()
    for _ in range(TELEGRAMS):
        at += timedelta(seconds=rng.choice(PAUSES_S))
        frames.append(RawFrame(refilled(first.plan, first.data, rng), at))
    return TELEGRAMS, check_both_ways(frames, decoder)


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
def test_payloads_with_other_bytes(test: ProfileTest) -> None:
    for seed in (1, 2):
        stream(test, seed)


def test_most_of_them_take_the_fast_path() -> None:
    counts = [stream(test, 3) for test in TESTS.values()]
    assert sum(made > 0 for made, _ in counts) >= 25
    assert sum(planned for _, planned in counts) > sum(made for made, _ in counts) // 2


@pytest.mark.parametrize("name", ["bmeters_rfm_tx1", "apator_apt_wmbus_na_1", "diehl_izar"])
def test_what_a_maker_protects_in_its_own_way_teaches_nothing(name: str) -> None:
    data, lookup = frame_of(shipped_profiles().profiles[name].tests[0])
    decoder = LearnedDecoder(lookup)
    for _ in range(2):
        seen = decoder.sight(RawFrame(data))
        assert isinstance(seen, Telegram)
        assert seen == decode(data, lookup)


def two_texts(acc: int, first: int, together: int = 90) -> bytes:
    """A telegram of always the same length, and of another layout for each length of its first text."""
    texts = zip(b"\x78\x79", (b"A" * first, b"B" * (together - first)), strict=True)
    return mode_5(acc, 0, b"".join(bytes((0x0D, vif, len(text))) + text for vif, text in texts))


def test_a_kind_whose_telegrams_are_never_alike_stops_teaching() -> None:
    decoder = LearnedDecoder(keys)
    for number in range(LEARNED_A_KIND + 10):
        decoder.decode(RawFrame(two_texts(number, number)))
    assert isinstance(decoder.sight(RawFrame(two_texts(1, LEARNED_A_KIND - 1))), Sighting)
    for _ in range(2):
        assert isinstance(decoder.sight(RawFrame(two_texts(1, LEARNED_A_KIND + 5))), Telegram)
    decoder.forget()
    decoder.decode(RawFrame(two_texts(1, LEARNED_A_KIND + 5)))
    assert isinstance(decoder.sight(RawFrame(two_texts(2, LEARNED_A_KIND + 5))), Sighting)
