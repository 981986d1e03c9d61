"""The field meter on a wire, sans-IO: addressing, frame counts, parts, wake-up and noise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.actions.commands import build_command
from protocols.actions.fragments import CI_TO_METER, cut
from protocols.actions.messages import Challenge, Hello, Result
from protocols.actions.results import ResultCode
from protocols.decode import decode, no_keys
from protocols.mbus.wired import LongFrame
from protocols.model import Outcome, RawFrame
from simulators.field_meter.lock import CableCut
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import collided
from tests.simulators.field_meters import DESK, NOW, make_lock
from tests.simulators.wired_masters import ACK, INSTALLER, exchange, install, long_frame, select, short


class Line:
    """A master on a sans-IO slave; its clock moves with every exchange."""

    def __init__(self, meter: WiredMeter) -> None:
        self.meter = meter
        self.now_s = 100.0

    def __call__(self, data: bytes, pause_s: float = 0.5) -> bytes:
        self.now_s += pause_s
        self.meter.receive(data, self.now_s, NOW + timedelta(seconds=self.now_s - 100))
        due_s = self.meter.next_due_s
        if due_s is None:
            return b""
        return b"".join(self.meter.due(max(due_s, self.now_s + 0.1)))


def make_line(*, optical: bool = False, primary: int = 5) -> Line:
    lock = make_lock(DESK)
    lock.state = replace(lock.state, primary_address=primary)
    return Line(WiredMeter(lock, optical=optical))


@pytest.mark.parametrize("address", [5, 253, 254])
def test_a_reset_is_acknowledged(address: int) -> None:
    line = make_line()
    line(select())
    assert line(short(0x40, address)) == ACK


@pytest.mark.parametrize("frame", [short(0x40, 6), short(0x40, 253), short(0x40, 255), short(0x5B, 253), ACK])
def test_what_is_not_for_it_is_not_answered(frame: bytes) -> None:
    assert make_line()(frame) == b""


@pytest.mark.parametrize(
    ("mask", "more", "fits"),
    [
        ("45230010 2D4D 01 07", "", True),
        ("FFFFFFFF FFFF FF FF", "", True),
        ("FFFFFF1F FFFF FF FF", "", True),
        ("FFFFFF2F FFFF FF FF", "", False),
        ("4F2F0F1F FFFF FF FF", "", True),
        ("4F3F0010 FFFF FF FF", "", False),
        ("F5F3F0F0 FFFF FF FF", "", True),
        ("45230010 2C2D 01 07", "", False),
        ("45230010 2D4D 02 07", "", False),
        ("45230010 2D4D 01 16", "", False),
        ("45230010 2D4D 01", "", False),
        ("FFFFFFFF FFFF FF FF", "0C78 45230010", True),
        ("FFFFFFFF FFFF FF FF", "0C78 46230010", False),
        ("FFFFFFFF FFFF FF FF", "0C79 45230010", False),
    ],
)
def test_selection_by_secondary_address(mask: str, more: str, fits: bool) -> None:
    line = make_line()
    assert line(select(bytes.fromhex(mask), bytes.fromhex(more))) == (ACK if fits else b"")
    assert bool(line(short(0x7B, 253))) is fits


def test_a_wrong_selection_ends_the_right_one() -> None:
    line = make_line()
    assert line(select()) == ACK
    assert line(select(bytes.fromhex("99999999FFFFFFFF"))) == b""
    assert line(short(0x7B, 253)) == b""


def test_every_part_is_read_and_repeated_on_the_same_count() -> None:
    line = make_line()
    line(select())
    parts = [line(short(0x7B if index % 2 == 0 else 0x5B, 253)) for index in range(3)]
    assert len(set(parts)) == 3
    assert line(short(0x7B, 253)) == parts[2]
    for index, part in enumerate(parts):
        telegram = decode(RawFrame(part), no_keys)
        assert (telegram.outcome, telegram.problem) == (Outcome.OK, None)
        assert not telegram.notes
        assert telegram.meter == line.meter.lock.meter.address
        assert long_frame(part).address == 5
        # All but the last say that more follow.
        assert (long_frame(part).data[-1] == 0x1F) is (index < 2)
        assert all(record.quality.value == "good" for record in telegram.records)
        assert len(part) <= 250
    # Behind the last part the read-out begins anew.
    assert long_frame(line(short(0x5B, 253))).data[12:20] == long_frame(parts[0]).data[12:20]


def test_the_values_follow_the_consumption() -> None:
    line = make_line()
    lock = line.meter.lock
    counter = lock.meter.counter

    def volume(at_day: int) -> Decimal:
        line.meter.lock.tick(NOW)
        meter = WiredMeter(lock)
        meter.receive(short(0x7B, 5), 0.0, NOW + timedelta(days=at_day))
        (part,) = meter.due(1.0)
        (record,) = [one for one in decode(RawFrame(part), no_keys).records if one.header == bytes.fromhex("0C13")]
        assert isinstance(record.value, Decimal)
        return record.value

    for day in (0, 1, 30):
        assert 0 <= counter.at(NOW + timedelta(days=day)) - volume(day) < Decimal("0.001")
    assert volume(0) < volume(1) < volume(30)


def test_a_master_that_never_toggles_gets_fresh_values_after_a_while() -> None:
    line = make_line()
    first = line(short(0x7B, 5))
    assert line(short(0x7B, 5)) == first
    later = line(short(0x7B, 5), pause_s=60.0)
    assert later != first
    assert long_frame(later).data[12:18] == long_frame(first).data[12:18]


@pytest.mark.parametrize(
    ("ci", "data", "code"),
    [(0x51, b"\x01\x7a\x07", 0x10), (0x50, b"\x95", 0x10), (0x5B, b"", 0x01), (0xA2, b"x", 0x01)],
)
def test_what_is_written_without_a_proof_is_denied(ci: int, data: bytes, code: int) -> None:
    line = make_line()
    before = line.meter.lock.state
    assert line(LongFrame(0x73, 5, ci, data).to_bytes()) == ACK
    answer = long_frame(line(short(0x7B, 5)))
    assert (answer.ci, answer.data) == (0x70, bytes((code,)))
    assert replace(line.meter.lock.state, latest_seen=0) == replace(before, latest_seen=0)
    assert long_frame(line(short(0x5B, 5))).ci == 0x72


def test_an_application_reset_begins_the_read_out_anew() -> None:
    line = make_line()
    first = long_frame(line(short(0x7B, 5)))
    line(short(0x5B, 5))
    for data in (b"", b"\x00", b"\x10"):
        assert line(LongFrame(0x73, 5, 0x50, data).to_bytes()) == ACK
        assert long_frame(line(short(0x7B, 5))).data[12:18] == first.data[12:18]
        line(short(0x40, 5))


def test_a_guarded_action_over_the_wire() -> None:
    line = make_line()
    assert install(line).code is ResultCode.DONE
    assert line.meter.lock.state.customer_number == "C-4711"


def test_repeated_frames_are_acknowledged_and_not_obeyed_twice() -> None:
    line = make_line()

    def twice(data: bytes) -> bytes:
        first = line(data)
        executed = line.meter.executed
        again = line(data)
        assert line.meter.executed == executed
        assert again == first
        return again

    assert install(twice).code is ResultCode.DONE
    assert [event.words[:20] for event in line.meter.lock.state.events] == ["customer-number done"]


def test_a_message_that_comes_again_is_answered_the_same() -> None:
    line = make_line()
    line(select())
    challenge = exchange(line, Hello(bytes(16)), 1)
    assert isinstance(challenge, Challenge)
    proof = INSTALLER.prove(challenge, build_command("customer-number", number="1").application)
    line(select())
    first = exchange(line, proof, 2)
    # The master lost the answer, selects anew, and sends the whole message again under its number.
    line(select())
    assert exchange(line, proof, 2) == first
    line(select())
    again = exchange(line, proof, 3)
    assert isinstance(again, Result)
    assert again.code is ResultCode.REPLAY


def test_a_lost_answer_is_silence() -> None:
    line = make_line()
    line.meter.lock.faults.lost_answers = 1
    line(select())
    data = cut(Hello(bytes(16)).to_bytes(), CI_TO_METER, 1)[0].to_bytes()
    assert line(LongFrame(0x73, 253, data[0], data[1:]).to_bytes()) == ACK
    assert line(short(0x7B, 253)) == b""
    assert line(short(0x40, 253)) == ACK


def test_half_a_frame_and_noise_do_not_hang_it() -> None:
    line = make_line()
    good = short(0x7B, 5)
    for noise in (b"\x68\xff\xff\x68", good[:3], b"\x68\x10\x10\x68\x73\x05", bytes(range(256)), b"\x10" * 40):
        line(noise)
        assert line(good)
    # In one burst, a broken frame does not swallow the good one behind it for ever.
    line(b"\x68\x04\x04\x68\x00" + good)
    assert line(good)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_bytes_may_come_one_by_one(step: int) -> None:
    line = make_line()
    frame = select()
    answers = [line(frame[at : at + step], pause_s=0.01) for at in range(0, len(frame), step)]
    assert answers[-1] == ACK
    assert not any(answers[:-1])


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_any_bytes_do_no_harm(pieces: list[bytes], optical: bool) -> None:
    line = make_line(optical=optical)
    before = line.meter.lock.state.customer_number, line.meter.lock.state.primary_address
    for piece in pieces:
        for data in (piece, LongFrame(0x53, 5, CI_TO_METER, piece).to_bytes(), select(piece)):
            line(data)
    assert (line.meter.lock.state.customer_number, line.meter.lock.state.primary_address) == before
    line(b"\x55" * 504)
    assert line(short(0x40, 5)).endswith(ACK)


def test_an_optical_head_echoes_and_the_meter_sleeps() -> None:
    line = make_line(optical=True)
    reset = short(0x40, 5)
    assert line(reset) == reset
    assert line(b"\x55" * 50) == b"\x55" * 50
    assert line(reset) == reset
    # Half a run, a pause, and the other half are no run.
    line(b"\x55" * 100)
    line(b"\x55" * 100)
    assert line(reset) == reset
    wake = b"\x55" * 504
    assert line(wake) == wake
    assert line(reset) == reset + ACK
    assert line(reset, pause_s=3.9) == reset + ACK
    assert line(reset, pause_s=4.1) == reset


def test_a_wake_up_run_may_come_in_pieces() -> None:
    line = make_line(optical=True)
    for _ in range(21):
        line(b"\x55" * 24, pause_s=0.1)
    assert line(short(0x40, 5), pause_s=0.3).endswith(ACK)


def test_the_cable_is_cut() -> None:
    line = make_line()
    line(select())
    challenge = exchange(line, Hello(bytes(16)), 1)
    assert isinstance(challenge, Challenge)
    proof = INSTALLER.prove(challenge, build_command("customer-number", number="1").application)
    line.meter.lock.faults.cut_after = "applied"
    line(select())
    with pytest.raises(CableCut):
        exchange(line, proof, 2)
    line.meter.power_cycle()
    line(select())
    again = exchange(line, proof, 2)
    assert isinstance(again, Result)
    assert again.code is ResultCode.REPLAY
    assert line.meter.lock.state.customer_number == "1"


def test_two_meters_spoil_each_others_answers() -> None:
    assert collided([[ACK], [ACK]]) == [ACK]
    assert collided([[b"\xf0\x0f"], [b"\x0f"]]) == [b"\x00\x0f"]
    assert collided([[], [b"x"]]) == [b"x"]
    assert collided([[], []]) == []
