"""Receiver addresses, the queue, ports that cannot be opened, and a stick that is pulled out and put back."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
import serial

from fieldtool.cli.listen import show_news
from fieldtool.errors import FieldToolError, InputError, PortBusy, PortDenied, PortGone, ReceiverError, UsageError
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.replay.capture import open_capture
from fieldtool.sources import serial_port
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.file import FileSource
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.registry import OPTIONS, SOURCES, open_source
from fieldtool.sources.serial_port import open_port
from fieldtool.sources.serial_receiver import SerialReceiver
from fieldtool.sources.url import parse_url
from protocols.captures.model import CaptureItem
from protocols.learned import LearnedDecoder
from protocols.model import RawFrame
from simulators.air import Transmission
from simulators.bench import Bench
from simulators.errors import PortError
from simulators.ports import PtyPort, TcpPort
from simulators.scenario import Scenario

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]


def utc_now() -> datetime:
    return datetime.now(UTC)


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> float:
    """Wait until something is true; returns how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - began


class Mute:
    """A device that never answers."""

    KIND: ClassVar[str] = "im871a"
    BAUD: ClassVar[int] = 57600
    next_due_s: float | None = None

    def receive(self, data: bytes, now_s: float) -> None: ...

    def hear(self, transmission: Transmission, now_s: float) -> None: ...

    def due(self, now_s: float) -> list[bytes]:
        return []

    def power_cycle(self) -> None: ...


class Told:
    """The events of a source."""

    def __init__(self) -> None:
        self.events: list[SourceEvent] = []

    def __call__(self, event: SourceEvent) -> None:
        self.events.append(event)

    @property
    def states(self) -> list[SourceState]:
        return [event.state for event in self.events]


@pytest.mark.parametrize(
    ("text", "kind", "target", "options"),
    [
        ("im871a:///dev/ttyUSB0?mode=c1,t1", "im871a", "/dev/ttyUSB0", {"mode": "c1,t1"}),
        ("im871a:/dev/ttyUSB0", "im871a", "/dev/ttyUSB0", {}),
        ("im871a://COM3?mode=t1", "im871a", "COM3", {"mode": "t1"}),
        ("im871a:///COM12", "im871a", "COM12", {}),
        ("im871a+socket://127.0.0.1:4001?mode=c1", "im871a", "socket://127.0.0.1:4001", {"mode": "c1"}),
        ("im871a+rfc2217://gateway:2217", "im871a", "rfc2217://gateway:2217", {}),
        ("IM871A:///dev/serial/by-id/usb%20stick", "im871a", "/dev/serial/by-id/usb stick", {}),
        ("file:captures/air.hex", "file", "captures/air.hex", {}),
        ("sim:demo?speed=5", "sim", "demo", {"speed": "5"}),
    ],
)
def test_addresses(text: str, kind: str, target: str, options: dict[str, str]) -> None:
    url = parse_url(text, tuple(SOURCES), OPTIONS)
    assert (url.kind, url.target, url.options) == (kind, target, options)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("im817a:///dev/ttyUSB0", "unknown receiver 'im817a'", "did you mean 'im871a'"),
        ("bluetooth:x", "unknown receiver 'bluetooth'", f"known: {', '.join(sorted(SOURCES))}"),
        ("/dev/ttyUSB0", "not a receiver address", "im871a:///dev/ttyUSB0"),
        ("C:\\captures\\air.hex", "not a receiver address", ""),
        ("im871a+sockets://h:1", "unknown transport 'sockets'", "did you mean 'socket'"),
        ("im871a:///dev/ttyUSB0?mod=c1", "unknown option 'mod'", "did you mean 'mode'"),
        ("file:x.hex?mode=c1", "unknown option 'mode'", "no options"),
        ("im871a://", "names no port", "im871a:///dev/ttyUSB0"),
        ("gwmp:", "names no port", "gwmp://127.0.0.1:1700"),
        ("im871a:///dev/ttyUSB0?mode=q9", "q9", "receivers list"),
        (f"gwmp://127.0.0.1:{'9' * 5000}", "no port number", "gwmp://127.0.0.1:1700"),
        (f"mqtt://127.0.0.1:{'9' * 5000}", "no port number", "mqtt://USER@broker.example:1883"),
        ("sim:demo?speed=0", "speed must be", "speed=10"),
        ("\x1b[2J:x", "not a receiver address", ""),
    ],
)
def test_addresses_that_are_none_say_what_is_near(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\x1b" not in caught.value.message + caught.value.hint


def test_the_queue_drops_the_oldest_and_counts() -> None:
    frames = FrameQueue(3)
    kept = [frames.put(RawFrame(bytes([number]))) for number in range(5)]
    assert kept == [True, True, True, False, False]
    assert (frames.take_dropped(), frames.take_dropped()) == (2, 0)
    got = [frames.get(0.1) for _ in range(3)]
    assert [frame.data for frame in got if frame is not None] == [b"\x02", b"\x03", b"\x04"]
    assert frames.get(0.001) is None


def test_a_closed_queue_hands_out_what_is_in_it() -> None:
    frames = FrameQueue()
    frames.put(RawFrame(b"\x01"))
    frames.close()
    assert not frames.put(RawFrame(b"\x02"))
    finished = [frames.finished]
    assert frames.get(0.1) == RawFrame(b"\x01")
    finished.append(frames.finished)
    assert finished == [False, True]
    assert frames.get(10) is None


def test_a_full_queue_never_blocks_who_puts_but_a_file_waits() -> None:
    frames = FrameQueue(1)
    frames.put(RawFrame(b"\x01"))
    assert not frames.put_when_free(RawFrame(b"\x02"), 0.01)
    taker = threading.Thread(target=frames.get, args=(5,), name="taker-of-test")
    taker.start()
    assert frames.put_when_free(RawFrame(b"\x02"), 5)
    taker.join(5)
    assert frames.take_dropped() == 0


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (serial.SerialException(errno.EACCES, "could not open port"), PortDenied, "let you"),
        (serial.SerialException(errno.ENOENT, "could not open port"), PortGone, "does not exist"),
        (serial.SerialException(errno.EAGAIN, "Could not exclusively lock port"), PortBusy, "in use"),
        (
            serial.SerialException("could not open port 'COM3': PermissionError(13, 'Access is denied.')"),
            PortBusy,
            "in use",
        ),
        (serial.SerialException("could not open port 'COM3': FileNotFoundError(2, 'x')"), PortGone, "does not exist"),
        (OSError(errno.EIO, "Input/output error"), ReceiverError, "Input/output error"),
        (ValueError("not a valid baudrate"), ReceiverError, "cannot be opened"),
    ],
)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_ports_that_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[FieldToolError], word: str, system: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    monkeypatch.setattr(serial_port, "_PLATFORM", system)
    with pytest.raises(kind) as caught:
        open_port("COM3" if system == "win32" else "/dev/ttyUSB0", 57600)
    assert type(caught.value) is kind
    assert word in caught.value.message
    assert caught.value.hint


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(PortGone):
        open_port("/dev/no-such-port", 57600)


def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(ReceiverError) as caught:
        open_port(str(path), 57600)
    assert str(path) in caught.value.message


def test_an_address_where_nobody_listens(scenario: Scenario) -> None:
    bench = Bench.of(scenario, at="tcp")
    bench.start()
    address = bench.at
    bench.stop()
    with pytest.raises(PortGone, match="nobody answers"):
        open_port(f"socket://{address}", 57600)


@needs_pty
def test_a_port_is_opened_once_only(scenario: Scenario) -> None:
    with Bench.of(scenario, at="pty") as bench:
        port = open_port(bench.at, 57600)
        try:
            with pytest.raises(PortBusy):
                open_port(bench.at, 57600)
        finally:
            port.close()
        open_port(bench.at, 57600).close()


def _until_it_fails(use: Callable[[], object]) -> None:
    """A network notices only after a while that the other side is gone."""
    for _ in range(100):
        use()


@pytest.mark.parametrize("at", PORTS)
def test_every_use_of_a_port_that_is_gone_is_an_os_error(scenario: Scenario, at: str) -> None:
    with Bench.of(scenario, at=at) as bench:
        target = bench.at if at == "pty" else f"socket://{bench.at}"
        port = open_port(target, 57600)
        bench.unplug()
        for use in (lambda: port.write(bytes(1000)), port.read):
            with pytest.raises(OSError):  # noqa: PT011 - any of the system's reasons
                _until_it_fails(use)
        port.close()
        port.close()


@pytest.fixture
def busy(scenario: Scenario) -> Scenario:
    """The same meters, each sending often."""
    return replace(scenario, meters=tuple(replace(meter, interval_s=0.5) for meter in scenario.meters))


@pytest.fixture(params=PORTS)
def bench(request: pytest.FixtureRequest, busy: Scenario, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.of(busy, at=request.param)
    if request.param == "pty":
        # A pseudo terminal comes back under another name; a link stands for the stick's by-id name.
        bench = Bench(busy, bench.receiver, PtyPort(bench.receiver.BAUD, tmp_path / "stick"))
    with bench:
        yield bench


def test_a_stick_is_pulled_out_and_put_back(bench: Bench) -> None:
    source = open_source(bench.url("c1,t1"))
    frames, told = FrameQueue(), Told()
    source.start(frames, told)
    try:
        wait_for(lambda: len(frames) >= 3)
        assert told.states == [SourceState.CONNECTED]
        assert "iM871A" in told.events[0].detail
        bench.unplug()
        assert wait_for(lambda: SourceState.LOST in told.states) < 2
        wait_for(lambda: frames.get(0.3) is None)
        bench.replug()
        assert wait_for(lambda: SourceState.RECOVERED in told.states) < 4
        wait_for(lambda: len(frames) >= 3)
    finally:
        source.stop()
    assert told.states == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]
    plugged = bench.at.startswith("/")
    assert ("plug it in" in told.events[1].hint) is plugged
    assert ("one listener at a time" in told.events[1].hint) is not plugged


def test_frames_say_when_where_and_how_strongly(bench: Bench) -> None:
    source = open_source(bench.url("c1"), utc_now)
    frames = FrameQueue()
    source.start(frames, Told())
    try:
        frame = frames.get(5)
    finally:
        source.stop()
    assert frame is not None
    assert frame.data[0] == len(frame.data) - 1
    assert frame.at is not None
    assert abs((utc_now() - frame.at).total_seconds()) < 10
    assert (frame.source, frame.mode) == ("im871a", "C1")
    assert frame.rssi_dbm is not None
    assert -100 <= frame.rssi_dbm <= -8


def test_something_else_on_the_port_is_told(scenario: Scenario) -> None:
    with Bench(scenario, Mute(), TcpPort()) as bench:
        source = open_source(bench.url())
        told = Told()
        source.start(FrameQueue(), told)
        try:
            wait_for(lambda: told.events)
        finally:
            source.stop()
    assert told.states == [SourceState.FAILED]
    assert "no iM871A answered" in told.events[0].detail
    assert told.events[0].hint


def test_a_source_that_cannot_begin_raises(scenario: Scenario) -> None:
    source = open_source("im871a:///dev/no-such-port")
    assert isinstance(source, SerialReceiver)
    with pytest.raises(PortGone):
        source.start(FrameQueue(), Told())
    source.stop()


def test_a_capture_is_a_source(capture: Path, frames: tuple[RawFrame, ...]) -> None:
    source, queue, told = FileSource(capture, utc_now), FrameQueue(10), Told()
    source.start(queue, told)
    got: list[RawFrame] = []
    while SourceState.ENDED not in told.states or len(queue):
        frame = queue.get(0.2)
        if frame is not None:
            got.append(frame)
    source.stop()
    assert [frame.data for frame in got] == [frame.data for frame in frames]
    assert queue.take_dropped() == 0


def test_a_capture_that_is_not_there() -> None:
    with pytest.raises(InputError):
        FileSource(Path("nowhere.hex"), utc_now).start(FrameQueue(), Told())


@pytest.mark.parametrize(("content", "message"), [(b"\x7fELF\0\0", "is no text"), ("abc".encode("utf-16"), "UTF-16")])
def test_a_file_that_is_no_capture_cannot_begin(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.hex"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        FileSource(path, utc_now).start(FrameQueue(), Told())


def test_a_folder_is_no_capture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        FileSource(tmp_path, utc_now).start(FrameQueue(), Told())


@needs_pty
def test_a_pipe_is_a_source_too(capture: Path, frames: tuple[RawFrame, ...], tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    queue, told = FrameQueue(), Told()
    source = FileSource(path, utc_now)
    source.start(queue, told)
    path.write_bytes(capture.read_bytes())
    wait_for(lambda: SourceState.ENDED in told.states)
    source.stop()
    assert len(queue) == len(frames)


def test_listening_to_a_file_that_breaks_off_ends(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_capture(capture)

    def breaks_off(path: Path) -> Iterator[CaptureItem]:
        yield next(whole)
        raise InputError(f"{path}: Input/output error", "check the name and whether you may read it")

    monkeypatch.setattr("fieldtool.sources.file.open_capture", breaks_off)
    listening = Listening([FileSource(capture, utc_now)], LearnedDecoder())
    heard: list[Heard] = []
    listening.start()
    with pytest.raises(ReceiverError, match="Input/output error"):
        show_news(listening, heard.append, None)
    listening.stop()
    assert len(heard) == 1


def test_stopping_a_file_source_that_nobody_reads(capture: Path) -> None:
    source = FileSource(capture, utc_now)
    source.start(FrameQueue(1), Told())
    source.stop()


def test_the_simulator_refuses_ports_that_are_none() -> None:
    with pytest.raises(PortError):
        Bench.of(Scenario.load(), at="pty:7")
