"""What a stick sends: when it is on the air, how long, and which meter hears it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from protocols.model import Address, FrameFormat
from protocols.receivers.im871a.management import SetConfigRequest
from protocols.receivers.im871a.radio import SendDataRequest, SendMessageRequest
from protocols.receivers.im871a.settings import Config, LinkMode
from protocols.wmbus.encode import with_crcs
from protocols.wmbus.link_timing import response_window, time_on_air_s
from protocols.wmbus.two_way import REQ_UD2, SND_NR, SND_UD, gateway_frame, meter_frame
from simulators.air import Air, Transmission
from simulators.air.two_way import Downlink, Uplink
from simulators.receivers.im871a import Im871aStick
from simulators.scenario import Faults, Scenario

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
METER = Address.of("SIM", "10002345", 1, 7)
OTHER = Address.of("SIM", "10009999", 1, 7)
GATEWAY = Address.of("SIM", "90000001", 1, 0x31)
FAST, SLOW = 0xC0, 0x80


def after(seconds: float) -> datetime:
    return STARTS + timedelta(seconds=seconds)


def telegram(meter: Address = METER, cc: int = FAST) -> bytes:
    return meter_frame(SND_NR, meter, 5, cc=cc, link_acc=5, application=bytes.fromhex("0C1378563412"))


def command(meter: Address = METER) -> bytes:
    return gateway_frame(SND_UD, GATEWAY, meter, 9, b"\x01\x7a\x05")


@dataclass
class Beacon:
    """A station that sends every ten seconds and writes down what it could hear."""

    name: str = "beacon"
    next_at: datetime | None = field(default_factory=lambda: after(10))
    silent: bool = False
    heard: list[Downlink] = field(default_factory=list)

    def send(self, at: datetime) -> Uplink | None:
        self.next_at = at + timedelta(seconds=10)
        return None if self.silent else Uplink(telegram(), "C1", FrameFormat.B, -60)

    def hear(self, downlink: Downlink) -> None:
        self.heard.append(downlink)


def air_with(beacon: Beacon, faults: Faults | None = None) -> Air:
    air = Air(Scenario("empty", "test", 1, STARTS, faults or Faults(), ()), STARTS)
    air.join(beacon)
    return air


def downlink(at: datetime, frame: bytes = b"") -> Downlink:
    return Downlink(at, "C2", FrameFormat.B, with_crcs(frame or command(), FrameFormat.B))


# EN 13757-4: chips of the shortest preamble and sync word, then the coded bytes.
@pytest.mark.parametrize(
    ("mode", "milliseconds"),
    [("S1", 26.37), ("S2", 26.37), ("T1", 6.48), ("T2", 26.37), ("C1", 4.64), ("C2", 9.28)],
)
def test_fifty_bytes_take_the_time_that_their_mode_needs(mode: str, milliseconds: float) -> None:
    expected = {"S1": (48 + 800) / 32.768, "T1": (48 + 600) / 100, "C1": (64 + 400) / 100}
    half = {"S2": expected["S1"], "T2": expected["S1"], "C2": 2 * expected["C1"]}
    exact = (expected | half)[mode]
    assert exact == pytest.approx(milliseconds, abs=0.6)
    assert 1000 * time_on_air_s(mode, 50) == pytest.approx(exact)


def test_a_telegram_arrives_when_its_last_bit_is_sent() -> None:
    heard = air_with(Beacon()).advance(after(25))
    size = len(with_crcs(telegram(), FrameFormat.B))
    assert [t.at for t in heard] == [after(10 + time_on_air_s("C1", size)), after(20 + time_on_air_s("C1", size))]


def test_a_station_that_is_switched_off_sends_nothing() -> None:
    assert air_with(Beacon(silent=True)).advance(after(100)) == []


def test_a_downlink_is_heard_when_it_has_ended() -> None:
    beacon = Beacon()
    air = air_with(beacon)
    sent = downlink(after(3))
    air.send(sent)
    air.advance(sent.ends - timedelta(microseconds=1))
    assert beacon.heard == []
    air.advance(sent.ends)
    assert beacon.heard == [sent]
    assert air.counters.downlinks == 1


def test_downlinks_are_no_telegrams_to_receivers() -> None:
    air = air_with(Beacon(next_at=None))
    air.send(downlink(after(1)))
    assert air.advance(after(5)) == []


def test_a_share_of_the_downlinks_is_lost_or_damaged() -> None:
    beacon = Beacon(next_at=None)
    air = air_with(beacon, Faults(loss=0.3, bit_errors=0.5))
    sent = [downlink(after(n)) for n in range(400)]
    for one in sent:
        air.send(one)
        air.advance(one.ends)
    assert len(beacon.heard) == pytest.approx(280, abs=30)
    whole = {one.coded for one in sent}
    assert sum(one.coded not in whole for one in beacon.heard) == pytest.approx(140, abs=30)


def test_what_is_lost_follows_from_the_seed() -> None:
    runs = []
    for _ in range(2):
        beacon = Beacon(next_at=None)
        air = air_with(beacon, Faults(loss=0.5))
        for n in range(50):
            air.send(downlink(after(n)))
        air.advance(after(60))
        runs.append([one.at for one in beacon.heard])
    assert runs[0] == runs[1]
    assert 0 < len(runs[0]) < 50


def two_way_stick(link_mode: int = LinkMode.C2_B) -> Im871aStick:
    stick = Im871aStick()
    stick.receive(SetConfigRequest(Config.listening(link_mode)).to_bytes(), 0.0)
    stick.due(1.0)
    return stick


def hears(stick: Im871aStick, ends_s: float, frame: bytes, mode: str = "C1", frame_format: str = "B") -> None:
    coded = with_crcs(frame, FrameFormat(frame_format))
    stick.hear(Transmission(1, after(ends_s), "meter", mode, FrameFormat(frame_format), coded, -60), ends_s)


def sends(stick: Im871aStick, at_s: float, frame: bytes) -> Downlink:
    stick.receive(SendMessageRequest(frame[1:]).to_bytes(), at_s)
    (sent,) = stick.downlinks(after(at_s))
    assert stick.downlinks(after(at_s)) == []
    return sent


@pytest.mark.parametrize(
    ("link_mode", "uplink", "cc", "begins_s"),
    [
        (LinkMode.C2_B, "C1", FAST, 0.100),
        (LinkMode.C2_A, "C1", FAST, 0.100),
        (LinkMode.C2_B, "C1", SLOW, 1.000),
        (LinkMode.S2, "S1", FAST, 0.025),
        (LinkMode.T2, "T1", FAST, 0.025),
    ],
)
def test_the_stick_answers_when_the_meter_listens(link_mode: int, uplink: str, cc: int, begins_s: float) -> None:
    stick = two_way_stick(link_mode)
    hears(stick, 5.0, telegram(cc=cc), uplink, "B" if uplink == "C1" else "A")
    frame = command()
    # The request needs its time on the line as well: modes S2 and T2 begin when it is complete.
    sent = sends(stick, 5.02, frame)
    begins = (sent.at - after(5.0)).total_seconds()
    assert begins == pytest.approx(begins_s, abs=0.001)
    assert sent.mode == {"S1": "S2", "T1": "T2", "C1": "C2"}[uplink]
    assert sent.coded == with_crcs(frame, sent.frame_format)
    window = response_window(sent.mode, cc)
    assert (window.opens_s <= begins <= window.closes_s) is (sent.mode != "T2")


def test_a_request_that_comes_too_late_is_sent_at_once() -> None:
    stick = two_way_stick()
    hears(stick, 5.0, telegram())
    assert (sends(stick, 5.3, command()).at - after(5.3)).total_seconds() < 0.01


def test_another_meters_telegram_does_not_move_the_answer() -> None:
    stick = two_way_stick()
    hears(stick, 5.0, telegram())
    hears(stick, 5.03, telegram(OTHER, SLOW))
    assert sends(stick, 5.05, command()).at == after(5.1)


def test_a_damaged_telegram_is_not_answered_in_its_window() -> None:
    stick = two_way_stick()
    coded = bytearray(with_crcs(telegram(), FrameFormat.B))
    coded[15] ^= 1
    stick.hear(Transmission(1, after(5), "meter", "C1", FrameFormat.B, bytes(coded), -60), 5.0)
    assert sends(stick, 5.05, command()).at < after(5.06)


def test_what_is_sent_after_the_module_puts_its_own_address_in_front() -> None:
    stick = two_way_stick()
    stick.receive(SendDataRequest(command()[10:]).to_bytes(), 1.0)
    (sent,) = stick.downlinks(after(1))
    # C field, manufacturer, number, version and type of the configuration that it left the factory with.
    assert sent.coded[1:10].hex().upper() == "46A2251715100001" + "31"


def test_a_frame_too_long_for_its_format_is_refused() -> None:
    stick = two_way_stick()
    stick.receive(SendMessageRequest(bytes(254)).to_bytes(), 2.0)
    (response,) = [piece for piece in stick.due(3.0) if piece[2] == 0x02]
    assert response[4] == 0
    assert stick.downlinks(after(3)) == []


def test_sending_does_not_hold_back_what_is_heard() -> None:
    stick = two_way_stick()
    stick.due(2.0)
    stick.receive(SendMessageRequest(gateway_frame(REQ_UD2, GATEWAY, METER, 1)[1:]).to_bytes(), 5.0)
    hears(stick, 5.1, telegram())
    assert [piece[2] for piece in stick.due(5.15)] == [0x02, 0x03]
