"""Lines of rtl_wmbus and rtl_433 received live: by a pipe, a named pipe, a file, over TCP, with the real command."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fieldtool.errors import FieldToolError, InputError, PortGone, UsageError
from fieldtool.pipeline.listening import Listening
from fieldtool.sources import program_lines
from fieldtool.sources.events import SourceState
from fieldtool.sources.program_lines import from_local
from fieldtool.sources.registry import open_source
from protocols.learned import LearnedDecoder
from simulators.bench import Bench
from simulators.scenario import Scenario
from tests.fieldtool.conftest import Run
from tests.fieldtool.mqtt_bench import Ear

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in its file system")
COMMAND = (sys.executable, "-m", "fieldtool")
PATIENCE_S = 60
WATER = "1844ae4c4455223368077a55000000041389e20100023b0000"


def line(minute: int = 4, volume: int = 1, crc: int = 1) -> str:
    """A line of rtl_wmbus with a telegram of its own for each volume."""
    data = WATER[:34] + volume.to_bytes(4, "little").hex() + WATER[42:]
    return f"T1;{crc};1;2026-01-02 03:{minute:02}:05.000;54;46;33225544;0x{data}\n"


def piped(kind: str, data: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `listen` with bytes on its standard input, without a terminal."""
    ran = subprocess.run(
        [*COMMAND, "listen", f"{kind}:-", *options], input=data, capture_output=True, timeout=PATIENCE_S, check=False
    )
    return subprocess.CompletedProcess(ran.args, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


@pytest.fixture(autouse=True)
def no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("FIELDTOOL_STORE", raising=False)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> str:
    return f"rtlwmbus+socket://127.0.0.1:{server.getsockname()[1]}"


def volumes(ear: Ear) -> list[int]:
    return [int.from_bytes(one.data[17:21], "little") for one in ear.telegrams]


def test_a_pipe_from_its_first_line_to_its_end() -> None:
    twice = f"{line()}{line().replace('05.000', '05.040')}"
    ran = piped("rtlwmbus", f"{twice}{line(volume=2, crc=0)}junk\n{line(volume=3)}".encode(), "--json")
    assert ran.returncode == 0
    heard = [json.loads(text) for text in ran.stdout.splitlines()]
    assert [one["outcome"] for one in heard] == ["ok", "ok"]
    assert [(one["received"]["source"], one["received"]["mode"]) for one in heard] == [("rtlwmbus", "T1")] * 2
    assert "rtlwmbus standard input: ended: standard input has ended; 2 lines held no telegram" in ran.stderr
    assert "whose CRC is wrong, as the program says" in ran.stderr
    assert "3 telegrams of 1 meter: 2 ok" in ran.stderr
    assert "1 duplicate; 2 packets could not be used" in ran.stderr


@pytest.mark.parametrize("kind", ["rtlwmbus", "rtl433"])
def test_nothing_at_all_is_a_failure_said_once(kind: str) -> None:
    ran = piped(kind, b"")
    assert ran.returncode == 3
    assert ran.stderr.count("has ended before any line") == 1
    assert f"| fieldtool listen {kind}:-" in ran.stderr


def test_samples_instead_of_lines_are_told_once_and_counted() -> None:
    junk = os.urandom(1 << 16) * 20 + b"\n" + b"0" * 10_000_000 + b"\r\n"
    ran = piped("rtlwmbus", junk + line().encode())
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stderr.count("a line holds no telegram") == 1
    assert "rtl_sdr -f 868.95M" in ran.stderr


@POSIX
@pytest.mark.parametrize("kind", ["rtlwmbus", "rtl433"])
def test_the_simulated_program_in_a_pipeline_is_recorded_and_replayed(kind: str, tmp_path: Path) -> None:
    record = tmp_path / "heard.hex"
    with (
        subprocess.Popen(
            [*COMMAND, "simulate", "receiver", "--kind", kind, "--speed", "50", "--seconds", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as program,
        subprocess.Popen(
            [*COMMAND, "listen", f"{kind}:-", "--json", "--record", record],
            stdin=program.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as listen,
    ):
        assert program.stdout is not None
        program.stdout.close()
        out, err = listen.communicate(timeout=PATIENCE_S)
    assert (program.returncode, listen.returncode) == (0, 0), err
    heard = [json.loads(text) for text in out.splitlines()]
    assert {"ok", "no_key"} <= {one["outcome"] for one in heard}
    assert {"T1", "C1"} <= {one["received"]["mode"] for one in heard}
    assert len(record.read_text().splitlines()) >= len(heard)


@POSIX
def test_the_simulated_program_ends_when_nobody_reads_any_more() -> None:
    with subprocess.Popen(
        [*COMMAND, "simulate", "receiver", "--kind", "rtl433", "--speed", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout is not None
        assert json.loads(program.stdout.readline())["model"] == "Wireless-MBus"
        program.stdout.close()
        assert program.wait(PATIENCE_S) == 0


@POSIX
def test_a_named_pipe_whose_writers_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    with Ear(f"rtlwmbus:{path}") as ear:
        ear.until(lambda: ear.states == [SourceState.CONNECTED])
        path.write_text(line(volume=1))
        ear.until(lambda: SourceState.LOST in ear.states)
        path.write_text(line(volume=2) + line(volume=3)[:-1])
        ear.until(lambda: len(ear.telegrams) == 3)
        ear.until(lambda: ear.states[-1] is SourceState.LOST)
    assert volumes(ear) == [1, 2, 3]
    assert ear.states == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED, SourceState.LOST]
    lost = ear.events[1]
    assert (lost.detail, lost.hint) == (f"{path}: the program that wrote there has ended", "start it again")


@POSIX
def test_a_named_pipe_that_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    with Ear(f"rtlwmbus:{path}") as ear:
        path.write_text(line(volume=1))
        ear.until(lambda: SourceState.LOST in ear.states)
        path.unlink()
        os.mkfifo(path)
        path_is_read = _written(path, line(volume=2))
        ear.until(lambda: path_is_read() and len(ear.telegrams) > 1)
    assert volumes(ear)[:2] == [1, 2]


def _written(path: Path, text: str) -> Callable[[], bool]:
    """Return what writes to a named pipe as soon as somebody reads it, and says whether it has."""
    done = False

    def try_it() -> bool:
        nonlocal done
        if not done:
            with suppress(OSError):
                number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                os.write(number, text.encode())
                os.close(number)
                done = True
        return done

    return try_it


@POSIX
def test_a_simulated_program_behind_a_named_pipe(tmp_path: Path) -> None:
    with Bench.of(Scenario.load(), "rtl433", f"fifo:{tmp_path / 'lines'}", speed=50) as bench, Ear(bench.url()) as ear:
        ear.until(lambda: len(ear.telegrams) > 10)
    assert {one.frame.source for one in ear.telegrams} == {"rtl433"}


def test_a_simulated_program_behind_tcp_that_goes_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_lines, "PORT_PAUSES_S", (0.05,))
    with Bench.of(Scenario.load(), "rtlwmbus", "tcp:0", speed=50) as bench, Ear(bench.url()) as ear:
        ear.until(lambda: len(ear.telegrams) > 5)
        bench.unplug()
        ear.until(lambda: SourceState.LOST in ear.states)
        bench.replug()
        ear.until(lambda: ear.states[-1] is SourceState.RECOVERED)
        before = len(ear.telegrams)
        ear.until(lambda: len(ear.telegrams) > before + 5)
    lost = [event for event in ear.events if event.state is SourceState.LOST]
    assert len(lost) == 1
    assert "the connection was lost" in lost[0].detail
    now = datetime.now(UTC)
    times = [one.frame.at for one in ear.telegrams if one.frame.at]
    assert all(abs(now - at) < timedelta(minutes=5) for at in times), "the time of this computer, not the line's"


def test_a_server_that_hangs_up_at_once_is_told_of_once(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_lines, "PORT_PAUSES_S", (0.01,))
    with Ear(address(server)) as ear:
        for _ in range(5):
            server.accept()[0].close()
        connection, _ = server.accept()
        connection.sendall(line(volume=7)[:20].encode())
        connection.sendall(line(volume=7)[20:].encode())
        ear.until(lambda: ear.telegrams)
        connection.close()
    assert ear.states[:3] == [SourceState.CONNECTED, SourceState.LOST, SourceState.RECOVERED]
    assert volumes(ear) == [7]


def test_silence_since_the_start_is_told_once(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_lines, "SILENCE_S", 0.3)
    with Ear(address(server)) as ear:
        ear.until(lambda: any("no line came" in event.detail for event in ear.events))
        connection, _ = server.accept()
        connection.sendall(line().encode())
        ear.until(lambda: ear.telegrams)
        connection.close()
    assert sum("no line came" in event.detail for event in ear.events) == 1


def test_a_file_of_lines_is_read_to_its_end(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("".join(line(volume=volume) for volume in range(1, 30)))
    ran = run("listen", f"rtlwmbus:{path}", "--json")
    assert ran.code == 0
    assert len(ran.lines) == 29
    assert f"ended: end of {path}" in ran.err


@POSIX
def test_the_output_of_a_command_ends_with_the_command() -> None:
    reading, writing = os.pipe()
    os.write(writing, line().encode())
    os.close(writing)
    try:
        with Ear(f"rtlwmbus:/dev/fd/{reading}") as ear:
            ear.until(lambda: ear.telegrams and SourceState.ENDED in ear.states)
    finally:
        os.close(reading)
    assert volumes(ear) == [1]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("rtlwmbus:", UsageError, "names no port or file; as in rtlwmbus:-"),
        ("rtlwmbus:nosuch", InputError, "there is no such file or pipe"),
        ("rtlwmbus:.", InputError, "is a folder"),
        ("rtl433+socket://", UsageError, "names no port or file|host and port are needed"),
        ("rtl433+socket://host", UsageError, "host and port are needed"),
        ("rtl433+socket://host:99999", UsageError, "host and port are needed"),
        ("rtl433+rfc2217://host:1", UsageError, "is on no serial port"),
        ("rtl_wmbus:-", UsageError, "unknown receiver 'rtl_wmbus'.*did you mean 'rtlwmbus'"),
        ("rtlwmbus+sockets://h:1", UsageError, "did you mean 'socket'"),
        ("rtlwmbus:-?mode=t1", UsageError, "unknown option 'mode'"),
        ("rtlwmbus+socket://127.0.0.1:1", PortGone, "nobody answers there"),
    ],
)
def test_addresses_that_cannot_be_used(text: str, error: type[FieldToolError], says: str) -> None:
    def begin() -> None:
        listening = Listening([open_source(text)], LearnedDecoder())
        listening.start()
        listening.stop()

    with pytest.raises(error) as raised:
        begin()
    assert re.search(says, f"{raised.value.message}; {raised.value.hint}")


def test_only_one_receiver_reads_the_standard_input(run: Run) -> None:
    ran = run("listen", "rtlwmbus:-", "rtl433:-", "--json")
    assert ran.code == 2
    assert "two receivers read the standard input" in ran.err


def test_an_input_that_breaks_is_told_and_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(line())

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with Ear(f"rtlwmbus:{path}") as ear:
        ear.until(lambda: SourceState.ENDED in ear.states)
    monkeypatch.setattr("fieldtool.sources.line_input.os.read", broken)
    with Ear(f"rtlwmbus:{path}") as ear:
        ear.until(lambda: SourceState.FAILED in ear.states)
    assert (ear.events[-1].detail, ear.events[-1].final) == (f"{path}: Input/output error", True)


@POSIX
def test_without_a_keyboard_lines_are_printed_and_why_is_said() -> None:
    terminal, shown = os.openpty()
    try:
        ran = subprocess.run(
            [*COMMAND, "listen", "rtlwmbus:-"],
            input=line().encode(),
            stdout=shown,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
            start_new_session=True,
        )
    finally:
        os.close(shown)
    with os.fdopen(terminal, "rb") as screen, suppress(OSError):
        assert b"total_volume" in screen.read(200)
    assert ran.returncode == 0
    assert b"the screens have no keyboard: lines are printed instead" in ran.stderr


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield ZoneInfo("Europe/Berlin")
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("written", "now", "meant"),
    [
        ("2026-07-01 12:00:00", "2026-07-01 10:00:10", "2026-07-01 10:00:00"),
        ("2026-07-01 10:00:00", "2026-07-01 10:00:10", "2026-07-01 10:00:00"),
        ("2026-07-01 12:00:00", "2026-11-20 10:00:00", "2026-07-01 10:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25 00:30:01", "2026-10-25 00:30:00"),
        ("2026-10-25 02:30:00", "2026-10-25 01:30:01", "2026-10-25 01:30:00"),
    ],
    ids=["local", "UTC, not said", "long ago", "first of the doubled hour", "second of the doubled hour"],
)
@pytest.mark.usefixtures("berlin")
def test_what_a_time_without_a_zone_means(written: str, now: str, meant: str) -> None:
    at = from_local(_utc(written), _utc(now))
    assert at == _utc(meant)


def test_times_that_cannot_be() -> None:
    now = datetime.now(UTC)
    for year in (1, 9999):
        at = from_local(datetime(year, 1, 1, tzinfo=UTC), now)
        assert at is None or at.year in (1, 9998, 9999)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@POSIX
def test_screens_read_keys_from_the_terminal_while_lines_are_piped_in() -> None:
    import pty

    shell = " ".join(COMMAND)
    pipeline = f"{shell} simulate receiver --kind rtlwmbus --speed 20 2>/dev/null | {shell} listen rtlwmbus:-"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv("/bin/sh", ["sh", "-c", pipeline])  # noqa: S606 - the shell is what is tried
    shown = bytearray()
    _until(terminal, shown, lambda: b"QDS" in shown)
    os.write(terminal, b"q")
    _until(terminal, shown, lambda: False)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"QDS" in shown


def _until(terminal: int, shown: bytearray, done: Callable[[], bool]) -> None:
    """Read what is drawn until it is done, or nobody draws any more."""
    deadline = time.monotonic() + PATIENCE_S
    with suppress(OSError):
        while not done() and time.monotonic() < deadline:
            shown += os.read(terminal, 65536)
