"""A meter's radio: when it listens, what it answers, how often it repeats, what it does not do twice."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from protocols.model import Address, FrameFormat
from protocols.wmbus.control import control_name
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.two_way import (
    CNF_IR,
    FCB,
    REQ_UD1,
    REQ_UD2,
    SND_NKE,
    SND_UD,
    TwoWayMessage,
    gateway_frame,
    parse_two_way,
)
from simulators.air.two_way import Downlink, Uplink, time_on_air
from simulators.field_meter.radio import FRAME_FORMATS, RadioMeter, RadioSettings
from tests.simulators.small_meter import KEY, METER, OTHER, RECORDS, SmallMeter

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
GATEWAY = Address.of("QDS", "00101517", 1, 0x31)


class OnAir:
    """A meter, and a gateway that may choose the very moment at which it sends."""

    def __init__(self, application: SmallMeter | None = None, settings: RadioSettings | None = None) -> None:
        self.application = application or SmallMeter(status=0x10)
        self.meter = RadioMeter(self.application, STARTS, settings)
        self.ends = STARTS

    def uplink(self) -> TwoWayMessage:
        """The next telegram; `ends` is when it is over."""
        sent = self.silent_or_uplink()
        assert sent is not None
        return parse_two_way(sent.frame, () if self.application.key is None else (self.application.key,))

    def silent_or_uplink(self) -> Uplink | None:
        at = self.meter.next_at
        assert at is not None
        sent = self.meter.send(at)
        self.ends = at
        if sent is not None:
            self.ends += time_on_air(sent.mode, len(with_crcs(sent.frame, sent.frame_format)))
        return sent

    def answer(self, frame: bytes, after_s: float = 0.1, mode: str = "C2") -> Downlink:
        coded = with_crcs(frame, FRAME_FORMATS[mode])
        downlink = Downlink(self.ends + timedelta(seconds=after_s), mode, FRAME_FORMATS[mode], coded)
        self.meter.hear(downlink)
        return downlink


def command(data: bytes = b"\x01\x7a\x05", acc: int = 9, *, meter: Address = METER, fcb: int = FCB) -> bytes:
    return gateway_frame(SND_UD | fcb, GATEWAY, meter, acc, data, KEY)


def request(acc: int = 9, *, fcb: int = FCB) -> bytes:
    return gateway_frame(REQ_UD2 | fcb, GATEWAY, METER, acc)


@pytest.mark.parametrize(
    ("mode", "fast", "opens_s", "closes_s"),
    [
        ("C2", True, 0.0995, 0.1005),
        ("C2", False, 0.9995, 1.0005),
        ("S2", True, 0.003, 0.050),
        ("T2", True, 0.002, 0.003),
    ],
)
def test_a_meter_listens_in_its_window_only(mode: str, fast: bool, opens_s: float, closes_s: float) -> None:
    tick = 0.0001
    for after_s, hears in (
        (opens_s - tick, False),
        (opens_s + tick, True),
        (closes_s - tick, True),
        (closes_s + tick, False),
    ):
        air = OnAir(settings=RadioSettings(mode=mode, fast=fast))
        air.uplink()
        air.answer(command(), after_s, mode)
        assert bool(air.application.told) is hears
        assert air.meter.counters.unheard == (not hears)


def test_another_mode_is_not_heard() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command(), 0.1, "S2")
    assert air.meter.counters.unheard == 1


def test_a_window_takes_one_frame() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command(acc=1))
    air.answer(command(acc=2))
    assert (len(air.application.told), air.meter.counters.unheard) == (1, 1)


def test_what_is_for_another_meter_is_left_alone() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command(meter=OTHER))
    assert (air.application.told, air.meter.in_access) == ([], False)


def test_a_damaged_frame_is_not_answered() -> None:
    air = OnAir()
    air.uplink()
    coded = bytearray(with_crcs(command(), FrameFormat.B))
    coded[20] ^= 0x40
    air.meter.hear(Downlink(air.ends + timedelta(seconds=0.1), "C2", FrameFormat.B, bytes(coded)))
    assert (air.meter.counters.damaged, air.meter.in_access) == (1, False)


def test_telegrams_say_when_the_meter_listens() -> None:
    air = OnAir(settings=RadioSettings(window_every=2))
    first, second = air.uplink(), air.uplink()
    assert (first.cc, second.cc) == (0xE0, 0x24)
    assert (first.name, first.status, first.application.rstrip(b"\x2f")) == ("SND-NR", 0x10, RECORDS)
    assert second.acc == (first.acc + 1) % 256
    air.answer(command())
    assert air.application.told == []


def test_data_are_acknowledged_with_the_number_of_the_request() -> None:
    air = OnAir()
    air.uplink()
    sent = air.answer(command(acc=77))
    at = air.meter.next_at
    assert at == sent.ends + timedelta(seconds=0.1)
    ack = air.uplink()
    assert (ack.name, ack.acc, ack.application) == ("ACK", 77, b"")
    assert [told.rstrip(b"\x2f") for told in air.application.told] == [b"\x01\x7a\x05"]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_an_answer_is_repeated_every_two_seconds_until_the_time_is_over(fast: bool) -> None:
    air = OnAir(settings=RadioSettings(fast=fast))
    air.uplink()
    heard = air.answer(request(), 0.1 if fast else 1.0)
    times, frames = [], set()
    while air.meter.in_access:
        at = air.meter.next_at
        assert at is not None
        sent = air.meter.send(at)
        assert sent is not None
        if air.meter.in_access:
            times.append(at)
            frames.add(sent.frame)
    assert len(frames) == 1
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(seconds=2)}
    assert timedelta(seconds=27) < times[-1] - heard.ends <= timedelta(seconds=30)
    assert air.application.asked == 1


def test_the_same_request_gets_the_same_answer_and_a_new_one_the_next() -> None:
    air = OnAir()
    air.uplink()
    answers = []
    for frame in (request(1), request(1), request(2, fcb=0), request(2, fcb=0)):
        air.answer(frame)
        answers.append(air.uplink().application[len(RECORDS) + 3])
    assert answers == [1, 1, 2, 2]
    assert air.meter.counters.repeated == 2


def test_a_command_is_not_executed_twice_even_after_the_access_timed_out() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command())
    while air.meter.in_access:
        air.uplink()
    air.answer(command())
    assert (len(air.application.told), air.meter.counters.repeated) == (1, 1)
    assert air.uplink().name == "ACK"


def test_the_link_reset_ends_the_access_and_the_memory() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command())
    air.uplink()
    air.answer(gateway_frame(SND_NKE, GATEWAY, METER, 1))
    assert not air.meter.in_access
    assert air.uplink().name == "SND-NR"
    air.answer(command())
    assert len(air.application.told) == 2
    assert air.application.accesses == 2


def test_installation_telegrams_until_confirmed() -> None:
    air = OnAir(SmallMeter(installing=True), RadioSettings(installation_interval_s=5, jitter=0))
    first = air.meter.next_at
    assert air.uplink().name == "SND-IR"
    second = air.meter.next_at
    assert first is not None
    assert second is not None
    assert second - first == timedelta(seconds=5)
    assert air.uplink().name == "SND-IR"
    air.application.installing = False
    air.answer(gateway_frame(CNF_IR, GATEWAY, METER, 1))
    assert air.application.confirmed == 1
    assert air.uplink().name == "SND-NR"


def test_a_request_for_alarms_is_acknowledged() -> None:
    air = OnAir()
    air.uplink()
    air.answer(gateway_frame(REQ_UD1 | FCB, GATEWAY, METER, 5))
    assert air.uplink().name == "ACK"


@pytest.mark.parametrize(
    "frame",
    [
        gateway_frame(SND_UD | FCB, GATEWAY, METER, 9, b"\x01\x7a\x05"),
        gateway_frame(SND_UD | FCB, GATEWAY, METER, 9, b"\x01\x7a\x05", bytes(16)),
    ],
    ids=["in clear", "under another key"],
)
def test_what_its_key_does_not_open_is_refused(frame: bytes) -> None:
    air = OnAir()
    air.uplink()
    air.answer(frame)
    assert (air.uplink().name, air.application.told, air.meter.counters.refused) == ("NACK", [], 1)


def test_an_access_keeps_the_key_that_it_began_with() -> None:
    air = OnAir()
    air.uplink()
    air.answer(command(acc=1))
    air.uplink()
    air.application.key = bytes(16)
    air.answer(request(2, fcb=0))
    at = air.meter.next_at
    assert at is not None
    sent = air.meter.send(at)
    assert sent is not None
    assert parse_two_way(sent.frame, (bytes(16), KEY)).key == 1
    while air.meter.in_access:
        air.silent_or_uplink()
    assert parse_two_way(air.meter.send(at + timedelta(minutes=5)).frame, (bytes(16), KEY)).key == 0  # type: ignore[union-attr]


def test_a_radio_that_is_off_sends_nothing_and_hears_nothing() -> None:
    air = OnAir(SmallMeter(transmits=False))
    assert air.silent_or_uplink() is None
    air.answer(command())
    assert air.application.told == []
    air.application.transmits = True
    assert control_name(air.uplink().control) == "SND-NR"


def test_mutated_frames_never_bring_the_meter_down() -> None:
    frames = [command(), request(), gateway_frame(SND_NKE, GATEWAY, METER, 1)]
    for frame in frames:
        for position in range(len(frame)):
            air = OnAir()
            air.uplink()
            damaged = bytearray(frame)
            damaged[position] ^= 0xFF
            damaged[0] = len(damaged) - 1
            air.answer(bytes(damaged))
            air.uplink()
