"""Processes of a replay: they wait for each other never for good, and end without a word when they are told to."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import pytest

from benchmarks import telegrams
from fieldtool.errors import FieldToolError
from fieldtool.replay.processes import replay_in_processes
from fieldtool.replay.worker import Task
from fieldtool.replay.worker_process import WorkerProcess
from protocols.decode import no_keys

ROOT = Path(__file__).parents[2]
METERS = tuple(meter for meter in telegrams.scenario(2100, 13).meters if meter.key is None)
TIMEOUT_S = 100.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux has it


def started(capture: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fieldtool", "replay", str(capture), *options]
    home = {**os.environ, "FIELDTOOL_STORE": str(capture.with_name("none.vault"))}
    return subprocess.Popen(
        command, cwd=ROOT, env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def ran(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    """Exit code, output and what was said; ends the process when it takes for ever."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, out, err.decode()


def test_much_to_say_both_ways_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Long messages about bad lines meet the blocks that are handed out far ahead, as there are many meters."""
    good = [frame.data.hex() for frame in telegrams.frames(METERS, len(METERS))]
    assert len(good) >= 600
    bad = [f"{line[:-2]}zz" for line in good]
    capture = tmp_path / "air.hex"
    capture.write_text("\n".join([*good * 3, *bad * 30, *good]))
    code, out, err = ran(started(capture, "--json", "--jobs", "2"))
    assert code == 1, err
    assert out.count(b"\n") == 4 * len(good)
    assert f"{4 * len(good)} ok; {30 * len(bad)} lines held no telegram" in err


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_what_stands_before_a_file_that_cannot_be_read_is_shown(tmp_path: Path, jobs: str) -> None:
    """Also when it waits for more, to be decoded meter by meter."""
    capture, picture = tmp_path / "air.hex", tmp_path / "picture.hex"
    telegrams.write_capture(capture, METERS, 3 * len(METERS))
    picture.write_bytes(bytes(100))
    code, out, err = ran(started(capture, str(picture), "--json", "--jobs", jobs))
    assert code == 2
    assert "picture.hex is no text" in err
    assert out.count(b"\n") == 3 * len(METERS)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups to be told")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("wait_s", [0.0, 0.1])
def test_all_processes_end_without_a_word(tmp_path: Path, number: str, wait_s: float) -> None:
    """As a terminal says it, to all of them: when it is closed, on Ctrl-C, and when the machine is shut down."""
    capture = tmp_path / "air.hex"
    telegrams.write_capture(capture, METERS[:50], 4000)
    process = started(capture, "--json", "--jobs", "3")
    assert process.stdout is not None
    process.stdout.read(1)
    time.sleep(wait_s)
    os.killpg(process.pid, getattr(signal, number))
    code, _, err = ran(process)
    assert (code, err.strip()) == (130, "")


def end_while_processes_start() -> None:
    """Begin a replay, be told to end in the moment in which there is memory that nobody knows of yet; name it all."""
    made: list[str] = []
    create = WorkerProcess.of

    def interrupted(memory_size: int) -> tuple[WorkerProcess, Connection]:
        worker, theirs = create(memory_size)
        made.append(worker.memory.name)
        if len(made) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
        return worker, theirs

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerProcess, "of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(replay_in_processes(iter(()), 3, Task("json"), no_keys))
    sys.stdout.write(" ".join(made))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copies on Linux")
def test_what_ends_the_program_while_processes_start_leaves_nothing() -> None:
    """In a program without other threads, which a signal could reach while this one holds it back."""
    called = "from tests.fieldtool.test_replay_processes import end_while_processes_start as end; end()"
    out = subprocess.run(
        [sys.executable, "-c", called], cwd=ROOT, capture_output=True, check=True, timeout=TIMEOUT_S
    ).stdout
    made = out.decode().split()
    assert len(made) == 2
    assert not [name for name in made if (SHARED_MEMORY / name).exists()]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere room is not asked for")
def test_too_little_shared_memory_is_told_before_anything_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def no_room(descriptor: int, *_: object) -> None:
        asked.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(FieldToolError, match="cannot start 3 processes: No space left"):
        next(replay_in_processes(iter(()), 3, Task("json"), no_keys))
    assert len(asked) == 1
    assert not asked[0].exists()
