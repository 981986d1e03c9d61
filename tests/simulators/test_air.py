"""The air: repeatable, with losses, doubles and flipped bits in the shares that the scenario names."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protocols.errors import ProtocolError
from protocols.model import FrameFormat
from protocols.wmbus.link import strip_crcs
from simulators.air import Air, Transmission
from simulators.scenario import Faults, Scenario

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def heard(faults: Faults, span: timedelta = timedelta(minutes=20), seed: int = 13757) -> tuple[Air, list[Transmission]]:
    air = Air(replace(Scenario.load(), faults=faults, seed=seed), STARTS)
    return air, air.advance(STARTS + span)


ONE_METER = """
[[meter]]
name = "x"
kind = "oms_heat"
manufacturer = "EFE"
number = "00000001"
version = 0
medium = 4
interval_s = 5
"""


def test_same_seed_same_transmissions_whatever_the_steps() -> None:
    scenario = Scenario.load()
    whole = Air(scenario, STARTS).advance(STARTS + timedelta(minutes=2))
    air, pieces = Air(scenario, STARTS), []
    for second in range(121):
        pieces += air.advance(STARTS + timedelta(seconds=second))
    assert pieces == whole
    assert len(whole) > 150


def test_other_seed_other_bytes() -> None:
    minute = STARTS + timedelta(minutes=1)
    first = Air(Scenario.parse(ONE_METER, "a"), STARTS).advance(minute)
    again = Air(Scenario.parse(ONE_METER, "a"), STARTS).advance(minute)
    other = Air(Scenario.parse("[scenario]\nseed = 2\n" + ONE_METER, "a"), STARTS).advance(minute)
    assert first == again
    assert [t.coded for t in first] != [t.coded for t in other]


def test_time_goes_forward_and_every_meter_keeps_its_interval() -> None:
    air, transmissions = heard(Faults(), HOUR)
    assert [t.at for t in transmissions] == sorted(t.at for t in transmissions)
    counts = Counter(t.meter for t in transmissions)
    for meter in air.scenario.meters:
        assert counts[meter.name] == pytest.approx(3600 / meter.interval_s, rel=0.02)
        at = [t.at for t in transmissions if t.meter == meter.name]
        gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(at)]
        assert min(gaps) >= meter.interval_s * (1 - meter.jitter) - 1e-6
        assert max(gaps) <= meter.interval_s * (1 + meter.jitter) + 1e-6
        assert max(gaps) - min(gaps) > 0


def test_loss_takes_its_share() -> None:
    air, transmissions = heard(Faults(loss=0.25), HOUR)
    assert air.counters.lost / air.counters.sent == pytest.approx(0.25, abs=0.03)
    assert len(transmissions) == air.counters.sent - air.counters.lost


def test_duplicates_are_the_same_bytes_a_little_later() -> None:
    air, transmissions = heard(Faults(duplicates=0.3))
    numbers = Counter(t.number for t in transmissions)
    doubled = [number for number, count in numbers.items() if count == 2]
    assert max(numbers.values()) == 2
    assert len(doubled) == pytest.approx(0.3 * air.counters.sent, rel=0.2)
    for number in doubled:
        first, second = (t for t in transmissions if t.number == number)
        assert first.coded == second.coded
        assert second.at - first.at == timedelta(milliseconds=200)


def test_bit_errors_break_the_crcs_and_nothing_else_does() -> None:
    _, everything = heard(Faults(bit_errors=0.2))
    transmissions = [t for t in everything if t.lora is None]
    damaged = [t for t in transmissions if t.damaged]
    assert len(damaged) == pytest.approx(0.2 * len(transmissions), rel=0.25)
    assert all(crcs_fit(t) for t in transmissions if not t.damaged)
    # The polynomial's period is 151 bits: in the long block of format B, two flips just so far apart go unnoticed.
    unnoticed = [t for t in damaged if crcs_fit(t)]
    assert len(unnoticed) <= 0.01 * len(damaged)
    assert all(t.frame_format is FrameFormat.B for t in unnoticed)


def crcs_fit(transmission: Transmission) -> bool:
    try:
        frame = strip_crcs(transmission.coded)
    except ProtocolError:
        return False
    return frame.format is transmission.frame_format and frame.problem is None


def test_field_strength_varies_around_its_mean() -> None:
    air, transmissions = heard(Faults(rssi_jitter_db=4), HOUR)
    for meter in air.scenario.meters:
        levels = [t.rssi_dbm for t in transmissions if t.meter == meter.name]
        assert min(levels) == max(meter.rssi_dbm - 4, -100)
        assert max(levels) == meter.rssi_dbm + 4


def test_subscribers_hear_what_is_returned() -> None:
    air = Air(Scenario.load(), STARTS)
    one: list[Transmission] = []
    two: list[Transmission] = []
    air.subscribe(one.append)
    air.subscribe(two.append)
    returned = air.advance(STARTS + timedelta(seconds=30))
    air.unsubscribe(two.append)
    more = air.advance(STARTS + timedelta(seconds=60))
    assert one == returned + more
    assert two == returned
