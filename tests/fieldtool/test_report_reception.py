"""How often a meter sends, and how many of its transmissions were heard."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from fieldtool.report.reception import Air, Log, Reception

START_S = 1_800_000_000.0


def reception(telegrams: Iterable[tuple[float, bytes, int | None]], others: Iterable[float] = ()) -> Reception:
    """Seconds since the start, content and number of each telegram; `others` are when other meters were heard."""
    log, air = Log.empty(), Air()
    for second, content, number in telegrams:
        log.add(START_S + second, content, number)
        air.add(START_S + second)
    for second in others:
        air.add(START_S + second)
    return log.reception(air)


def sent(count: int, interval_s: float = 16.0, first: int = 200, swing: float = 0.1) -> list[tuple[float, bytes, int]]:
    """What a meter sends that numbers its telegrams: not quite regularly."""
    draw = random.Random(11)
    return [
        (n * interval_s + draw.uniform(-swing, swing) * interval_s, n.to_bytes(2, "big"), (first + n) % 256)
        for n in range(count)
    ]


def test_losses_are_found_by_the_numbers() -> None:
    draw = random.Random(5)
    heard = [one for one in sent(1000) if draw.random() < 0.5]
    found = reception(heard)
    assert found.by_numbers
    assert found.transmissions == len(heard)
    assert found.received == pytest.approx(0.5, abs=0.03)
    assert found.interval_s == pytest.approx(16, rel=0.02), "lost ones do not make it longer"


def test_numbers_that_come_round_are_counted_by_the_time() -> None:
    telegrams = sent(2000)
    heard = [*telegrams[:20], *telegrams[600:620]]
    assert reception(heard, others=range(0, 32_000, 60)).received == pytest.approx(39 / 619, rel=0.01)


def test_a_repeated_transmission_counts_once() -> None:
    telegrams = sent(50)
    by_another_receiver = [(second + 40.0, content, number) for second, content, number in telegrams]
    found = reception([*telegrams, *by_another_receiver])
    assert (found.transmissions, found.received) == (50, 1.0)
    assert found.interval_s == pytest.approx(16, rel=0.05)


def test_a_meter_that_sends_the_same_again_and_again_repeats_nothing() -> None:
    found = reception((n * 16.0, b"same", None) for n in range(10))
    assert found == Reception(10, 16.0, 1.0, by_numbers=False)


def test_without_numbers_the_intervals_tell() -> None:
    heard = [(n * 900.0, b"%d" % n, None) for n in range(100) if n % 10 != 5]
    found = reception(heard, others=range(0, 90_000, 60))
    assert found.received == pytest.approx(0.9, abs=0.01)
    assert not found.by_numbers


def test_a_number_that_counts_something_else_is_not_believed() -> None:
    by_two = [(second, content, number * 2 % 256) for second, content, number in sent(100)]
    found = reception(by_two)
    assert (found.by_numbers, found.received) == (False, 1.0)
    draw = random.Random(3)
    number, at_random = 0, []
    for second, content, _ in sent(100):
        number += draw.choice((1, 1, 2, 5, 9))
        at_random.append((second, content, number % 256))
    found = reception(at_random)
    assert (found.by_numbers, found.received) == (False, 1.0)


def test_who_sends_when_something_happens_has_no_share() -> None:
    draw = random.Random(7)
    second, heard = 0.0, []
    for n in range(50):
        second += draw.choice((3.0, 40.0, 170.0, 290.0))
        heard.append((second, b"%d" % n, None))
    found = reception(heard)
    assert found.received is None
    assert found.interval_s is not None


def test_the_night_between_two_days_is_no_loss() -> None:
    telegrams = sent(6000)
    monday, tuesday = telegrams[:100], telegrams[5400:5500]
    found = reception([*monday, *tuesday])
    assert found.received == 1.0
    listening = reception([*monday, *tuesday], others=range(0, 90_000, 30))
    assert listening.received is not None
    assert listening.received < 0.1, "others were heard all the time"


def test_a_lone_meter_that_sends_once_an_hour_is_not_taken_for_silence() -> None:
    heard = [(n * 3600.0, b"%d" % n, n) for n in range(48) if n not in (5, 6, 20)]
    found = reception(heard)
    assert found.received == pytest.approx(44 / 47)
    assert found.interval_s == 3600


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_telegrams_say_nothing_of_losses(count: int) -> None:
    found = reception(sent(count))
    assert found.received is None
    assert found.transmissions == (count or None)


def test_strength_is_known_without_times() -> None:
    log = Log.empty()
    for rssi in (-90, -60, -80, None):
        log.add(None, b"x", 1)
        log.strength(rssi)
    assert log.reception(Air()) == Reception(median_rssi_dbm=-80)


def test_time_in_which_nobody_listened_is_not_counted() -> None:
    air = Air()
    for minute in (0, 1, 4, 5, 60, 61):
        air.add(START_S + 60 * minute)
    assert air.listened_minutes == 8
