"""Every simulated meter's telegrams decode to what it meant to say, and go on as a meter's do."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from protocols.decode import decode
from protocols.model import Address, Key, Outcome, Telegram
from protocols.wmbus.encode import with_crcs
from simulators.consumption import DAY_CURVES, Consumption
from simulators.meters.kamstrup import FULL_EVERY, KamstrupMeter
from simulators.meters.model import KeyState, Meter, SimulatedMeter, build_meter
from simulators.meters.oms_gas import OmsGas
from simulators.scenario import Scenario

NOW = datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
METERS = {meter.name: meter for meter in Scenario.load().meters}
INTERVAL = timedelta(seconds=60)

every_meter = pytest.mark.parametrize("name", METERS)


def decoded(frame: bytes, meter: SimulatedMeter) -> Telegram:
    keys = [meter.key] if meter.key is not None else []

    def lookup(address: Address) -> list[Key]:
        return keys if address == meter.address else []

    return decode(frame, lookup)


def telegrams(meter: Meter, count: int) -> list[tuple[datetime, bytes]]:
    times = [NOW + INTERVAL * i for i in range(count)]
    return [(at, meter.telegram(at)) for at in times]


@every_meter
def test_telegrams_decode_to_the_simulated_values(name: str) -> None:
    meter = build_meter(METERS[name])
    for at, frame in telegrams(meter, 10):
        telegram = decoded(frame, METERS[name])
        assert telegram.outcome is Outcome.OK, telegram.problem
        assert telegram.meter == METERS[name].address
        assert telegram.link_address == METERS[name].adapter
        got = [(record.header, record.value) for record in telegram.records]
        assert got == [(header, value) for header, value in meter.items(at)]
        spans = telegram.spans
        assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
        assert spans[-1].end == len(telegram.data)


@every_meter
def test_frames_with_their_crcs_decode_the_same(name: str) -> None:
    frame = build_meter(METERS[name]).telegram(NOW)
    coded = with_crcs(frame, METERS[name].frame_format)
    assert decoded(coded, METERS[name]).data == frame
    assert decoded(coded, METERS[name]).records == decoded(frame, METERS[name]).records


@every_meter
def test_without_the_right_key_there_are_no_values(name: str) -> None:
    meter = METERS[name]
    frame = build_meter(meter).telegram(NOW)
    if meter.key is None:
        assert decode(frame).outcome is Outcome.OK
        return
    assert decode(frame).outcome is Outcome.NO_KEY
    assert meter.key is not None
    wrong = Key(bytes(byte ^ 0xFF for byte in meter.key.value))
    refused = decode(frame, lambda _: [wrong])
    assert refused.outcome is Outcome.WRONG_KEY
    # What stands in the clear beside the encrypted part needs no key.
    assert all(record.header == bytes.fromhex("0CFD10") for record in refused.records)


@every_meter
def test_same_sequence_and_time_same_bytes(name: str) -> None:
    first, second = build_meter(METERS[name]), build_meter(METERS[name])
    assert telegrams(first, 12) == telegrams(second, 12)
    assert first.frame(5, NOW) == second.frame(5, NOW)
    assert len({frame for _, frame in telegrams(build_meter(METERS[name]), 40)}) == 40


@every_meter
def test_access_number_advances_and_wraps(name: str) -> None:
    meter = build_meter(METERS[name])
    numbers = []
    for _, frame in telegrams(meter, 300):
        telegram = decoded(frame, METERS[name])
        ell = [getattr(layer, "acc", None) for layer in telegram.layers if layer.name == "ell"]
        transport = telegram.security.access_number if telegram.security is not None else None
        numbers.append(ell[0] if ell else transport)
    assert numbers == [(numbers[0] + i) % 256 for i in range(300) if numbers[0] is not None]


@every_meter
def test_readings_grow_plausibly(name: str) -> None:
    meter = METERS[name]
    counter = meter.counter
    values = [counter.at(NOW + timedelta(minutes=15) * i) for i in range(4 * 24 * 7 + 1)]
    assert all(later >= earlier for earlier, later in itertools.pairwise(values))
    assert values[-1] - values[0] == pytest.approx(counter.per_day * 7)
    assert values[0] > counter.start_value


@pytest.mark.parametrize("name", [name for name, meter in METERS.items() if meter.kind.startswith("kamstrup")])
def test_one_full_frame_then_seven_compact_ones(name: str) -> None:
    meter = build_meter(METERS[name])
    assert isinstance(meter, KamstrupMeter)
    cis = []
    sessions = []
    for _, frame in telegrams(meter, 3 * FULL_EVERY):
        telegram = decoded(frame, METERS[name])
        cis.append(telegram.plain[19])
        sessions.append(frame[13:17])
    assert cis == ([0x78] + [0x79] * 7) * 3
    assert len(set(sessions)) == len(sessions)


def test_session_never_repeats_within_a_minute() -> None:
    meter = build_meter(next(meter for meter in METERS.values() if meter.kind == "kamstrup_water"))
    sessions = [meter.telegram(NOW + timedelta(seconds=4) * i)[13:17] for i in range(100)]
    assert len(set(sessions)) == 100


def test_mode_7_message_counter_grows_by_one() -> None:
    simulated = next(meter for meter in METERS.values() if meter.kind == "oms_gas")
    meter = build_meter(simulated)
    assert isinstance(meter, OmsGas)
    for sequence, (_, frame) in enumerate(telegrams(meter, 5)):
        telegram = decoded(frame, simulated)
        assert telegram.security is not None
        assert telegram.security.authenticated
        assert telegram.security.message_counter == meter.message_counter(sequence)


@pytest.mark.parametrize("curve", DAY_CURVES)
def test_consumption_is_the_integral_of_its_rate(curve: str) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    counter = Consumption(since, Decimal(100), Decimal(24), curve)
    assert counter.at(since) == 100
    day = [counter.per_hour(since + timedelta(hours=hour)) for hour in range(24)]
    assert sum(day) == pytest.approx(Decimal(24))
    assert counter.at(since + timedelta(days=1)) == pytest.approx(Decimal(124))
    noon = since + timedelta(hours=12)
    assert counter.at(noon + timedelta(hours=1)) - counter.at(noon) == pytest.approx(day[12])
    assert counter.at(since - timedelta(days=365)) == 0


def test_wrong_and_missing_keys_leave_the_meter_itself_alone() -> None:
    for meter in METERS.values():
        if meter.key_state in (KeyState.MISSING, KeyState.WRONG):
            assert decoded(build_meter(meter).telegram(NOW), meter).ok
