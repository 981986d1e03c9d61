"""The wired link: a line that is noisy, echoes, loses frames or is cut; a meter on TCP, on a terminal, under a head."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from random import Random

import pytest

from fieldtool.actions.errors import LinkLost, LinkSilent
from fieldtool.actions.links import LinkContext, MeterChoice, open_link, parse_meter
from fieldtool.actions.read_out import take_read_out
from fieldtool.actions.service import ActionService
from fieldtool.actions.wired_master import ATTEMPTS, LineSettings, WiredMaster
from fieldtool.errors import PortGone, UsageError
from fieldtool.sources.serial_port import PARITY_EVEN, PARITY_NONE, SerialPort
from protocols.actions.event_log import EventKind
from protocols.decode import no_keys
from protocols.mbus.wired import (
    RSP_UD,
    SND_NKE,
    SND_UD,
    Acknowledge,
    LongFrame,
    ShortFrame,
)
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import factory_state, make_meter
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import WiredBench
from simulators.ports import PtyPort, TcpPort
from tests.fieldtool.actions.action_bench import Bench

ASK = ShortFrame(0x7B, 253)
ANSWER = LongFrame(RSP_UD, 5, 0x78, b"\x0c\x13\x01\x00\x00\x00")
posix_only = pytest.mark.skipif(os.name != "posix", reason="there are no pseudo terminals")


class FakePort(SerialPort):
    """A port that answers what it is told to, in pieces; its time runs with what it does."""

    def __init__(self, answers: Callable[[bytes], list[bytes]], *, baud: int = 2400) -> None:
        self.target = "/dev/fake"
        self.answers = answers
        self.baud = baud
        self.now_s = 0.0
        self.sent: list[bytes] = []
        self.parities: list[str] = []
        self.waiting: list[bytes] = []
        self.gone = False

    def read(self) -> bytes:
        self._plugged()
        self.now_s += 0.1
        return self.waiting.pop(0) if self.waiting else b""

    def write(self, data: bytes) -> None:
        self._plugged()
        self.sent.append(data)
        self.now_s += len(data) * 11 / self.baud
        self.waiting += self.answers(data)

    def discard_input(self) -> None:
        self.waiting.clear()

    def set_parity(self, parity: str) -> None:
        self.parities.append(parity)

    def close(self) -> None:
        self.gone = True

    def master(self, *, wakes: bool = False) -> WiredMaster:
        def pause(seconds: float) -> None:
            self.now_s += seconds

        return WiredMaster(self, LineSettings(self.baud, wakes), lambda: self.now_s, pause)

    def _plugged(self) -> None:
        if self.gone:
            raise OSError("gone")


def test_an_answer_may_come_in_pieces_with_noise_around_it() -> None:
    data = ANSWER.to_bytes()
    for pieces in (
        [data],
        [bytes((one,)) for one in data],
        [b"\x00\xff\x68\x03", data],
        [b"\xe5", data],
        [ASK.to_bytes() + data],
        [ASK.to_bytes()[:2], ASK.to_bytes()[2:], data[:5], data[5:] + b"\x00"],
    ):
        port = FakePort(lambda _, pieces=pieces: list(pieces))  # type: ignore[misc]
        assert port.master().ask(ASK, LongFrame) == ANSWER, pieces


def test_a_frame_is_repeated_as_it_is_and_not_for_ever() -> None:
    port = FakePort(lambda _: [b"\x00\x12"])
    with pytest.raises(LinkSilent, match=r"/dev/fake: meter 1 does not answer \(3 attempts\)"):
        port.master().require(ASK, LongFrame, "meter 1")
    assert port.sent == [ASK.to_bytes()] * ATTEMPTS
    assert port.now_s < 10

    answers = iter([[], [b"\xe5"]])
    port = FakePort(lambda _: next(answers))
    assert port.master().ask(LongFrame(0x73, 253, 0xA0, b"x"), Acknowledge) == Acknowledge()
    assert len(port.sent) == 2


def test_an_acknowledgement_in_the_middle_of_noise_is_not_believed() -> None:
    answers = iter([[b"\x17\xe5"], [b"\xe5"]])
    port = FakePort(lambda _: next(answers))
    assert port.master().ask(ShortFrame(SND_NKE, 5), Acknowledge) == Acknowledge()
    assert len(port.sent) == 2


def test_the_echo_of_a_frame_is_no_answer() -> None:
    frame = LongFrame(SND_UD, 253, 0xA0, b"\xe5\xe5\xe5")
    port = FakePort(lambda data: [data])
    assert port.master().ask(frame, LongFrame) is None
    assert port.master().ask(frame, Acknowledge) is None
    port = FakePort(lambda data: [data[:4], data[4:], b"\xe5"])
    assert port.master().ask(frame, Acknowledge) == Acknowledge()
    assert len(port.sent) == 1


def test_a_babbling_line_comes_to_an_end() -> None:
    port = FakePort(lambda _: [b"\x10"] * 1000)
    assert port.master().ask(ASK, LongFrame) is None
    assert port.now_s < 20


def test_a_sleeping_meter_is_woken_with_another_parity_and_only_when_it_sleeps() -> None:
    port = FakePort(lambda data: [data] if set(data) == {0x55} else [data, ANSWER.to_bytes()])
    master = port.master(wakes=True)
    assert master.ask(ASK, LongFrame) == ANSWER
    assert port.parities == [PARITY_NONE, PARITY_EVEN]
    assert b"".join(port.sent[:-1]) == b"\x55" * 528
    assert master.ask(ASK, LongFrame) == ANSWER
    assert len(port.parities) == 2
    port.now_s += 5
    assert master.ask(ASK, LongFrame) == ANSWER
    assert len(port.parities) == 4


def test_an_unplugged_adapter_is_one_clear_line() -> None:
    port = FakePort(lambda _: [])
    port.gone = True
    with pytest.raises(LinkLost, match="/dev/fake: the connection was lost") as lost:
        port.master().ask(ASK, LongFrame)
    assert lost.value.exit_code == 3
    assert lost.value.hint == "plug it in again"


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("63001468", MeterChoice("63001468")),
        ("kam 63001468", MeterChoice("63001468", "KAM")),
        ("KAM63001468", MeterChoice("63001468", "KAM")),
        ("1468", MeterChoice("00001468")),
        ("p5", MeterChoice(primary=5)),
    ],
)
def test_meters_are_named_by_number_or_primary_address(text: str, choice: MeterChoice) -> None:
    assert parse_meter(text) == choice


@pytest.mark.parametrize("text", ["", "p251", "p", "meter", "123456789", "70B3D5E75E000001"])
def test_what_names_no_meter_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_meter(text)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/dev/ttyUSB0", "is not a receiver address"),
        ("mbux:///dev/ttyUSB0", "did you mean 'mbus'"),
        ("mbus:///dev/ttyUSB0?baud=1000", "no line has 1000 baud"),
        ("mbus:///dev/ttyUSB0?baud=fast", "baud is not a number"),
        ("mbus:///dev/ttyUSB0?timeout=1000", "up to 60 seconds"),
        ("mbus:///dev/ttyUSB0?parity=N", "unknown option 'parity'"),
    ],
)
def test_addresses_that_do_not_fit_are_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_link(url, MeterChoice("63001468"))
    assert why in f"{refused.value.message} {refused.value.hint}"


def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(PortGone):
        open_link("mbus+socket://127.0.0.1:1", MeterChoice("63001468"))


def wired(bench: Bench, port: TcpPort | PtyPort, *, optical: bool = False) -> WiredBench:
    return WiredBench([WiredMeter(bench.lock, optical=optical)], port, clock=bench.clock)


def service(bench: Bench, url: str, meter: MeterChoice, stack: ExitStack) -> ActionService:
    link = stack.enter_context(closing(open_link(url, meter, LinkContext(bench.vault.keys_for))))
    return ActionService(bench.vault, link, bench.clock)


@pytest.mark.parametrize("at", ["tcp", pytest.param("pty", marks=posix_only)])
def test_actions_over_a_real_port(bench: Bench, at: str) -> None:
    bench.enrol("service")
    old = bench.lock.state.key
    port = TcpPort() if at == "tcp" else PtyPort(2400)
    with wired(bench, port) as line, ExitStack() as stack:
        actions = service(bench, line.url, bench.choice, stack)
        assert actions.execute(actions.plan("customer-number", bench.choice, {"number": "4711"})).matches
        assert actions.execute(actions.plan("primary-address", bench.choice, {"address": 77})).matches
        assert actions.execute(actions.plan("change-key", bench.choice, {})).ok
        assert actions.execute(actions.plan("event-log", bench.choice, {})).events
    assert bench.lock.state.customer_number == "4711"
    assert bench.lock.state.primary_address == 77
    assert bench.vault.keys_for(bench.meter.address)[0].value == bench.lock.state.key != old


def test_a_meter_is_found_by_its_primary_address(bench: Bench) -> None:
    bench.enrol("installer")
    choice = parse_meter(f"p{bench.lock.state.primary_address}")
    with wired(bench, TcpPort()) as line, ExitStack() as stack:
        actions = service(bench, line.url, choice, stack)
        plan = actions.plan("primary-address", choice, {"address": 9})
        assert plan.meter == bench.meter.address
        assert actions.execute(plan).matches
    with wired(bench, TcpPort()) as line, ExitStack() as stack:
        again = service(bench, line.url, parse_meter("p9"), stack).plan("clock", parse_meter("p9"), {})
        assert again.meter == bench.meter.address


@posix_only
def test_a_sleeping_meter_under_an_optical_head(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for the meter; its full length is tested above.
    monkeypatch.setattr("fieldtool.actions.wired_master.WAKE_S", 0.8)
    with wired(bench, PtyPort(2400), optical=True) as line, ExitStack() as stack:
        assert line.url.startswith("optical://")
        link = stack.enter_context(closing(open_link(line.url, bench.choice)))
        read_out = take_read_out(link, no_keys)
        assert read_out.meter == bench.meter.address
        assert len(read_out.telegrams) == 3
        assert read_out.problem == ""


def test_the_one_of_several_meters_is_meant(bench: Bench) -> None:
    other = make_meter("10002346", now=bench.clock())
    lock = MeterLock(other, factory_state(other, bench.clock()), [bench.desk.anchor.certificate], Random(4).randbytes)
    bench.enrol("installer")
    meters = [WiredMeter(lock), WiredMeter(bench.lock)]
    with WiredBench(meters, TcpPort(), clock=bench.clock) as line:
        with ExitStack() as stack:
            actions = service(bench, line.url, bench.choice, stack)
            actions.execute(actions.plan("customer-number", bench.choice, {"number": "4711"}))
        with (
            closing(open_link(f"{line.url}?timeout=0.2", MeterChoice("10002345", "KAM"))) as link,
            pytest.raises(LinkSilent, match="meter KAM 10002345 does not answer to its number"),
        ):
            link.read_out()
    assert (lock.state.customer_number, bench.lock.state.customer_number) == ("", "4711")


def test_an_answer_that_never_comes_is_waited_for_within_bounds(bench: Bench) -> None:
    bench.enrol("service")
    with wired(bench, TcpPort()) as line, ExitStack() as stack:
        actions = service(bench, f"{line.url}?timeout=0.1", bench.choice, stack)
        plan = actions.plan("customer-number", bench.choice, {"number": "4711"})
        bench.lock.faults.lost_answers = 1
        with pytest.raises(LinkSilent, match=r"meter 10002345.* does not answer"):
            actions.execute(plan)
        assert bench.lock.state.customer_number == ""
        assert actions.execute(plan).ok
    assert bench.lock.state.customer_number == "4711"


def test_frames_that_are_lost_on_the_line_are_sent_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fifth frame and every seventh answer never arrive; nothing is done twice."""
    bench.enrol("service")
    written, read = SerialPort.write, SerialPort.read
    counts = {"write": 0, "read": 0}

    def write(self: SerialPort, data: bytes) -> None:
        counts["write"] += 1
        if counts["write"] % 5:
            written(self, data)

    def lossy(self: SerialPort) -> bytes:
        data = read(self)
        counts["read"] += bool(data)
        return data if counts["read"] % 7 else b""

    monkeypatch.setattr(SerialPort, "write", write)
    monkeypatch.setattr(SerialPort, "read", lossy)
    meter = WiredMeter(bench.lock)
    with WiredBench([meter], TcpPort(), clock=bench.clock) as line, ExitStack() as stack:
        actions = service(bench, f"{line.url}?timeout=0.1&baud=115200", bench.choice, stack)
        assert actions.execute(actions.plan("customer-number", bench.choice, {"number": "4711"})).matches
        assert actions.execute(actions.plan("change-key", bench.choice, {})).ok
    done = [event.words for event in bench.lock.state.events if event.kind is EventKind.GRANTED]
    assert len(done) == 2
    assert bench.vault.keys_for(bench.meter.address)[0].value == bench.lock.state.key


@pytest.mark.parametrize("point", ["received", "applied"])
def test_a_cable_pulled_in_a_key_change_is_mended_on_the_line(bench: Bench, point: str) -> None:
    bench.enrol("service")
    with wired(bench, TcpPort()) as line:
        with ExitStack() as stack:
            actions = service(bench, line.url, bench.choice, stack)
            plan = actions.plan("change-key", bench.choice, {})
            bench.lock.faults.cut_after = point
            with pytest.raises(LinkLost, match="both are kept"):
                actions.execute(plan)
        line.replug()
        with ExitStack() as stack:
            settled = service(bench, line.url, bench.choice, stack).recover(bench.choice)
    assert settled is not None
    assert settled.took_new is (point == "applied")
    assert bench.vault.keys_for(bench.meter.address)[0].value == bench.lock.state.key
