"""Captures decoded meter by meter, and by copies of a process: the same text in the same order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import telegrams
from fieldtool.cli import output
from fieldtool.replay import block_replay
from fieldtool.replay.block_replay import BlockReplay, Replayed
from fieldtool.replay.capture import Block, open_blocks, open_captures
from fieldtool.replay.dealing import Dealer
from fieldtool.replay.second_pass import SecondPass
from protocols.learned import LearnedDecoder
from protocols.model import Address, Key, RawFrame

ROOT = Path(__file__).parents[2]
METERS = telegrams.scenario(60, 13).meters
FILED = {meter.address: (meter.key,) for meter in METERS if meter.key is not None}


def keys(address: Address) -> tuple[Key, ...]:
    return FILED.get(address, ())


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Telegrams of all meters in turn, some of the same meters in another spelling, some damaged, some repeated."""
    rng = random.Random(11)
    heard = []
    for frame in telegrams.frames(METERS, 900):
        at = frame.at.isoformat(" ", "milliseconds").replace("+00:00", "Z") if frame.at else ""
        line = f"{at};{frame.rssi_dbm};{frame.mode};{frame.data.hex().upper()}"
        kind = rng.random()
        if kind < 0.05:
            line = line.lower().replace("t", "T").replace("z", "Z").replace("c1", "C1")
        elif kind < 0.10:
            line = " ".join(f"{byte:02x}" for byte in frame.data)
        elif kind < 0.13:
            line = line[: rng.randrange(len(line))]
        elif kind < 0.16:
            line = f"{line[:-6]}{rng.randrange(1 << 24):06X}"
        heard.append(line)
        if kind > 0.97:
            heard.append(rng.choice(heard))
    return [*heard, "", "# nothing", "no telegram"]


def shown(parts: Iterator[Replayed]) -> tuple[list[str], list[tuple[int, str]], list[int]]:
    """The lines of text, the bad lines, and how many telegrams decoded in each block."""
    taken = list(parts)
    text = b"".join(bytes(piece) for part in taken for piece in part.text).decode().splitlines()
    bad = [(bad.line, bad.problem) for part in taken for bad in part.bad_lines]
    return text, bad, [part.outcomes.total() for part in taken]


@given(st.integers(200, 60_000), st.integers(2, 1200))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_meter_by_meter_is_the_same_as_line_by_line(
    tmp_path: Path, lines: list[str], block_size: int, together: int
) -> None:
    capture = tmp_path / "air.hex"
    capture.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fieldtool.replay.capture.BLOCK_SIZE", block_size)
        patch.setattr(block_replay, "MANY_METERS", 5)
        patch.setattr(block_replay, "PLANNED_OF_ONE", 0)
        patch.setattr(block_replay, "TOGETHER", 1 + together % 9)
        first, second = LearnedDecoder(keys), LearnedDecoder(keys)
        ahead = SecondPass(lambda: open_captures([capture]), first)
        first.search_formats = ahead
        by_meter = BlockReplay(first, "json", ahead=ahead, by_meter=together)
        behind = SecondPass(lambda: open_captures([capture]), second)
        second.search_formats = behind
        in_turn = BlockReplay(second, "json", ahead=behind)
        expected = shown(in_turn.replay(block) for block in open_blocks(capture))
        assert shown(by_meter.replay_all(open_blocks(capture))) == expected
    assert len(expected[0]) > 800
    assert sum('"kind": "repeated"' in text or '"findings": [{' in text for text in expected[0]) > 5


def test_few_meters_pipes_and_lines_that_no_plan_fits_are_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = LearnedDecoder(keys)
    for frame in telegrams.frames(METERS, 60):
        decoder.decode(frame)
    assert decoder.meters == 60
    assert BlockReplay(decoder, "json", by_meter=640).lines_together == 0
    monkeypatch.setattr(block_replay, "MANY_METERS", 60)
    planned = "\n".join(frame.data.hex() for frame in telegrams.frames(METERS, 200)).encode()
    marked = "\n".join(f"0x{frame.data.hex()}" for frame in telegrams.frames(METERS, 200)).encode()
    replay = BlockReplay(decoder, "json", by_meter=5000)
    worth = []
    for number, lines in enumerate([planned, planned * 2, marked, planned]):
        replay.replay(Block(1, lines, "air.hex", begins=number == 0))
        worth.append(replay.lines_together)
    assert worth == [3200, 5000, 0, 3200]
    never = BlockReplay(decoder, "json")
    never.replay(Block(1, planned, "air.hex", begins=True))
    assert never.lines_together == 0


def test_text_is_let_go_of_as_it_is_taken(lines: list[str], tmp_path: Path) -> None:
    """However many blocks are decoded at a time, only one of them is there as text."""
    capture = tmp_path / "air.hex"
    capture.write_text("\n".join(lines * 3))
    replay = BlockReplay(LearnedDecoder(keys), "json", by_meter=640)
    blocks = list(open_blocks(capture))
    parts = replay.replay_together(blocks)
    first = next(parts)
    assert first.text
    assert sum(len(piece) for piece in first.text) < 64 * len(blocks[0].data)


def test_lines_of_known_senders_are_dealt_out_at_once() -> None:
    lines = [f"{frame.data.hex()}" for frame in telegrams.frames(METERS, 120)]
    dealer = Dealer(3)
    first = dealer.deal(Block(1, "\n".join(lines).encode(), "air.hex", begins=True))
    again = dealer.deal(Block(121, "\n".join(lines).encode(), "air.hex"))
    assert first.numbers
    assert not again.numbers
    assert again.owners == first.owners
    assert again.lines == first.lines
    for process in range(3):
        numbers = [again.number(process, place) for place in range(1, len(again.lines[process]) + 1)]
        assert [lines[number - 121] for number in numbers] == again.lines[process]
    damaged = dealer.deal(Block(241, "\n".join([*lines[:5], lines[5][:-2], "zz"]).encode(), "air.hex"))
    assert damaged.bad_lines or damaged.numbers


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "air.hex"
    telegrams.write_capture(path, tuple(meter for meter in METERS if meter.key is None), 4000)
    return path


def replayed(capture: Path, jobs: int, stderr: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fieldtool", "replay", str(capture), "--json", "--jobs", str(jobs)]
    home = {**os.environ, "FIELDTOOL_STORE": str(capture.with_name("none.vault"))}
    return subprocess.Popen(command, cwd=ROOT, env=home, stdout=subprocess.PIPE, stderr=stderr)


def test_jobs_of_a_program_without_threads(capture: Path) -> None:
    outs = []
    for jobs in (1, 3):
        process = replayed(capture, jobs, subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
        outs.append(out)
    assert outs[0] == outs[1]
    assert outs[0].count(b"\n") == 4000


@pytest.mark.skipif(sys.platform != "linux", reason="copies of a process are made on Linux")
def test_no_process_is_left_when_the_first_one_is_killed(capture: Path) -> None:
    process = replayed(capture, 3, subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline()
    children = [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert children
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline, "a process goes on"
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_all_is_written_where_a_pipe_is_set_not_to_wait(capture: Path, jobs: str) -> None:
    """As by a program that shares it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    command = [sys.executable, "-m", "fieldtool", "replay", str(capture), "--json", "--jobs", jobs]
    home = {**os.environ, "FIELDTOOL_STORE": str(capture.with_name("none.vault"))}
    process = subprocess.Popen(command, cwd=ROOT, env=home, stdout=writing, stderr=subprocess.DEVNULL)
    os.close(writing)
    time.sleep(0.5)  # the pipe is full by then
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        assert pipe.read().count(b"\n") == 4000
    assert process.wait(60) == 0


def test_all_is_written_where_a_pipe_takes_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chunks = [bytes([65 + number % 26]) * (number % 7) + b"\n" for number in range(3000)]
    taken = iter([0, 5, 100_000])

    def some(descriptor: int, pieces: list[bytes]) -> int:
        whole = b"".join(pieces)[: next(taken)]
        return os.write(descriptor, whole)

    monkeypatch.setattr(os, "writev", some)
    path = tmp_path / "out"
    with path.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write("before\n")
        output.data_lines(chunks, ascii_only=True)
    assert path.read_bytes() == b"before\n" + b"".join(chunks)


class Counted:
    """A look-up that finds many keys at once, and writes down what it was asked."""

    def __init__(self, *, has_all: bool) -> None:
        self.singly: list[Address] = []
        self.at_once: list[Address] = []
        self._has_all = has_all

    def __call__(self, address: Address) -> tuple[Key, ...]:
        self.singly.append(address)
        return keys(address)

    def of_many(self, addresses: Sequence[Address]) -> dict[Address, tuple[Key, ...]]:
        self.at_once += addresses
        return {one: keys(one) for one in addresses if self._has_all or one.number[-1] in "02468"}


@pytest.mark.parametrize("has_all", [True, False])
def test_keys_of_new_meters_of_known_kinds_are_looked_up_at_once(has_all: bool) -> None:
    frames = [frame.data.hex() for frame in telegrams.frames(METERS, 240)]
    asked = Counted(has_all=has_all)
    replay, plain = BlockReplay(LearnedDecoder(asked), "json", by_meter=5000), BlockReplay(LearnedDecoder(keys), "json")
    # The first meters of each kind are read the general way, and teach it.
    beginning = Block(1, "\n".join(frames[:20]).encode(), "air.hex", begins=True)
    rest = Block(21, "\n".join(frames[20:]).encode(), "air.hex")
    expected = [part for block in (beginning, rest) for part in plain.replay(block).text]
    assert [part for block in (beginning, rest) for part in replay.replay(block).text] == expected
    assert set(asked.at_once) == {meter.address for meter in METERS[20:] if meter.key is not None}
    assert len(asked.at_once) == len(set(asked.at_once))
    missing = set() if has_all else {address for address in asked.at_once if address.number[-1] not in "02468"}
    assert missing <= set(asked.singly)


def test_keys_that_were_looked_up_ahead_are_forgotten_with_the_plans() -> None:
    asked = Counted(has_all=True)
    decoder = LearnedDecoder(asked)
    frames = [frame.data for frame in telegrams.frames(METERS, 60)]
    for frame in frames[:20]:
        decoder.decode(frame)
    decoder.expect(frames)
    assert asked.at_once
    decoder.forget()
    asked.singly.clear()
    for frame in frames:
        decoder.sight(RawFrame(frame))
    assert set(asked.at_once) <= set(asked.singly)
