"""Captures in blocks, and through several processes: the same text as line by line, whatever the lines look like."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import telegrams
from fieldtool.errors import InputError
from fieldtool.export.telegram_json import telegram_json
from fieldtool.replay import processes
from fieldtool.replay.block_replay import BlockReplay, Replayed
from fieldtool.replay.capture import Block, open_blocks, open_capture
from fieldtool.replay.dealing import Dealer
from fieldtool.replay.processes import replay_in_processes
from fieldtool.replay.worker import Task
from fieldtool.replay.worker_process import ProcessEnded
from protocols.captures.hex_lines import LINE_LIMIT, format_line
from protocols.captures.json_objects import begins_as_json
from protocols.captures.model import BadLine
from protocols.decode import no_keys
from protocols.learned import LearnedDecoder
from protocols.model import Address, FrameFormat, Key, KeyLookup, RawFrame
from protocols.wmbus.encode import with_crcs
from simulators.scenario import Scenario


def lines_of_all_kinds(frames: Sequence[RawFrame]) -> list[str]:
    """The same telegrams as `listen --record` and others write them, and lines that are none."""
    rng = random.Random(7)
    kinds = (
        format_line,
        lambda frame: frame.data.hex(),
        lambda frame: frame.data.hex().upper() + "\r",
        lambda frame: " ".join(f"{byte:02x}" for byte in frame.data),
        lambda frame: with_crcs(frame.data, FrameFormat.A).hex(),
        lambda frame: with_crcs(frame.data, FrameFormat.B).hex(),
        lambda frame: f"2026-11-20 08:00:01;-70;C1;{with_crcs(frame.data, FrameFormat.A).hex()}",
        lambda frame: f"2026-11-20 08:00:01.5Z;-70;C1;{frame.data.hex()}",
        lambda frame: f"2026-13-20 08:00:01.500Z;-70;C1;{frame.data.hex()}",
        lambda frame: f";;;{frame.data.hex()}",
        lambda frame: f"2026-11-20 08:00:01.500Z;;T1;{frame.data.hex()}",
        lambda frame: f"2026-W47-5 08:00:01.500Z;-70;C1;{frame.data.hex()}",
        lambda frame: f"2026-11-20 24:00:00.000Z;-70;C1;{frame.data.hex()}",
        lambda frame: f"{frame.data.hex()}  # comment",
        lambda frame: f"{frame.data.hex()[:-1]}",
        lambda _: "",
        lambda _: "# nothing",
        lambda _: "no telegram",
    )
    lines = [kind(frame) for frame in frames for kind in kinds]
    rng.shuffle(lines)
    return lines


@pytest.fixture
def mixed(frames: tuple[RawFrame, ...], tmp_path: Path) -> Path:
    path = tmp_path / "mixed.hex"
    marked = [f"telegram=|{frame.data.hex()}|+{number}" for number, frame in enumerate(frames[:9])]
    path.write_bytes("\n".join([*lines_of_all_kinds(frames[:24]), *marked, frames[0].data.hex(), "zz"]).encode())
    return path


def one_by_one(path: Path, keys: KeyLookup, form: str) -> tuple[list[str], list[BadLine]]:
    """Text and bad lines without blocks."""
    replay = BlockReplay(LearnedDecoder(keys), form)
    parts = [replay.replay_item(item) for item in open_capture(path)]
    return [text_of(part) for part in parts if part.text], [bad for part in parts for bad in part.bad_lines]


def text_of(replayed: Replayed) -> str:
    return b"".join(replayed.text).decode()


def joined(parts: Iterable[Replayed]) -> tuple[str, list[BadLine]]:
    """Text and bad lines; what processes give is taken as it comes."""
    text, bad_lines = "", []
    for part in parts:
        text += text_of(part)
        bad_lines += part.bad_lines
    return text, bad_lines


def through_processes(path: Path, jobs: int, form: str, keys: KeyLookup) -> Iterator[Replayed]:
    for part, _ in replay_in_processes(open_blocks(path), jobs, Task(form), keys):
        yield part


@pytest.mark.parametrize(("form", "size"), [("json", 100), ("json", 1 << 16), ("lines", 1000)])
def test_blocks_give_what_single_lines_give(
    mixed: Path, scenario_keys: KeyLookup, form: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", size)
    replay = BlockReplay(LearnedDecoder(scenario_keys), form)
    text, bad_lines = joined([replay.replay(block) for block in open_blocks(mixed)])
    texts, bad = one_by_one(mixed, scenario_keys, form)
    assert len(texts) > 200
    assert bad
    assert text == "".join(texts)
    assert bad_lines == bad


def test_the_quick_way_gives_what_the_general_path_gives(
    mixed: Path, scenario: Scenario, scenario_keys: KeyLookup
) -> None:
    """Apart from what was found in comparison with telegrams before."""
    replay, decoder = BlockReplay(LearnedDecoder(scenario_keys), "json"), LearnedDecoder(scenario_keys)
    general = [
        telegram_json(decoder.decode(item.frame)) for item in open_capture(mixed) if not isinstance(item, BadLine)
    ]
    text, _ = joined([replay.replay(block) for block in open_blocks(mixed)])
    pairs = list(zip(text.splitlines(), general, strict=True))
    assert sum(one == other for one, other in pairs) > 100
    for one, other in pairs:
        ours, theirs = json.loads(one), json.loads(other)
        for shown in (ours, theirs):
            del shown["findings"], shown["verdict"][-1]
        assert ours == theirs


@pytest.mark.parametrize(("form", "jobs"), [("json", 2), ("lines", 3)])
def test_several_processes_give_what_one_gives(
    mixed: Path, scenario_keys: KeyLookup, jobs: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", 5000)
    alone = BlockReplay(LearnedDecoder(scenario_keys), form)
    expected = [alone.replay(block) for block in open_blocks(mixed)]
    outcomes = []

    def noted(parts: Iterator[Replayed]) -> Iterator[Replayed]:
        for part in parts:
            outcomes.append(+part.outcomes)
            yield part

    assert joined(noted(through_processes(mixed, jobs, form, scenario_keys))) == joined(expected)
    assert outcomes == [+part.outcomes for part in expected]


@pytest.mark.parametrize("missing", ["", "7"])
def test_only_keys_of_encrypted_meters_are_asked_for(
    tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", 4000)
    meters = telegrams.scenario(100, 7).meters
    capture = tmp_path / "air.hex"
    telegrams.write_capture(capture, meters, 250)
    filed = {
        meter.address: (meter.key,)
        for meter in meters
        if meter.key is not None and (not missing or not meter.address.number.endswith(missing))
    }
    asked: list[Address] = []

    def keys(address: Address) -> tuple[Key, ...]:
        asked.append(address)
        return filed.get(address, ())

    alone = BlockReplay(LearnedDecoder(lambda address: filed.get(address, ())), "json")
    expected = [alone.replay(block) for block in open_blocks(capture)]
    assert joined(through_processes(capture, 2, "json", keys)) == joined(expected)
    encrypted = {meter.address for meter in meters if meter.key is not None}
    assert set(asked) == encrypted


def test_a_replay_streams(frames: tuple[RawFrame, ...]) -> None:
    taken = 0

    def endless() -> Iterator[Block]:
        nonlocal taken
        while True:
            taken += 1
            yield Block(taken, frames[taken % len(frames)].data.hex().encode(), "endless", begins=taken == 1)

    replay = BlockReplay(LearnedDecoder(), "json")
    assert len(list(islice(map(replay.replay, endless()), 3))) == 3
    assert taken == 3
    taken = 0
    shown = replay_in_processes(endless(), 2, Task("json"), no_keys)
    for _ in range(3):
        next(shown)
    cast(Generator[object], shown).close()
    assert taken <= 3 + processes.BLOCKS_AHEAD
    taken = 0
    patient = replay_in_processes(endless(), 2, Task("json"), no_keys, one_at_a_time=True)
    for _ in range(3):
        next(patient)
    cast(Generator[object], patient).close()
    assert taken == 3


def test_what_fails_in_a_process_is_told(frames: tuple[RawFrame, ...]) -> None:
    def closed(address: Address) -> Sequence[Key]:
        raise PermissionError("the store is closed")

    blocks = [Block(1, "\n".join(frame.data.hex() for frame in frames).encode(), "air.hex", begins=True)]
    with pytest.raises(PermissionError):
        list(replay_in_processes(blocks, 2, Task("json"), closed))
    with pytest.raises(AttributeError):
        list(replay_in_processes(blocks, 2, Task("json", cast(tuple[Key, ...], ("no key",))), no_keys))


class Deadly:
    """Ends whoever unpickles it, or takes it for a path."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)

    def __fspath__(self) -> str:
        os._exit(3)


def test_a_process_that_is_gone_is_told() -> None:
    with pytest.raises(ProcessEnded, match="has ended"):
        list(
            replay_in_processes(
                [Block(1, b"zz", "air.hex", begins=True)], 2, Task("json", profiles=cast(str, Deadly())), no_keys
            )
        )


@given(st.lists(st.integers(0, 11), max_size=300), st.integers(1, 5), st.booleans())
def test_every_sender_has_one_process_and_all_get_as_much_to_do(
    senders: list[int], jobs: int, upper_case: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fieldtool.replay.dealing.SENDERS", 10)
        lines = [f"0f442d2c{number:08}1b16790000000000" for number in senders]
        lines = [line.upper() if upper_case and at % 3 else line for at, line in enumerate(lines)]
        deal = Dealer(jobs).deal(Block(1, "\n".join(lines).encode(), "air.hex", begins=True))
    assert len(deal.owners) == len(senders)
    owners: dict[int, set[int]] = {sender: set() for sender in senders}
    for sender, owner in zip(senders, deal.owners, strict=True):
        owners[sender].add(owner)
    assert all(len(numbers) == 1 for numbers in owners.values())
    numbers = [deal.number(one, place) for one in range(jobs) for place in range(1, len(deal.lines[one]) + 1)]
    assert sorted(numbers) == list(range(1, len(senders) + 1))
    first_heard = list(dict.fromkeys(senders))[:10]
    if senders == first_heard:
        counts = [deal.owners.count(number) for number in range(jobs)]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"")), max_size=30), st.integers(1, 60))
@settings(max_examples=50)
def test_blocks_hold_all_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int) -> None:
    path = tmp_path_factory.mktemp("blocks") / "lines.txt"
    data = b"\n".join(lines).replace(b"\0", b" ")
    assume(not begins_as_json(data))
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fieldtool.replay.capture.BLOCK_SIZE", size)
        try:
            blocks = list(open_blocks(path))
        except InputError:  # UTF-16
            return
    found = {block.first + n: line for block in blocks for n, line in enumerate(block.data.split(b"\n"))}
    expected = dict(enumerate(path.read_bytes().split(b"\n"), start=1))
    assert {number: line for number, line in found.items() if line} == {n: line for n, line in expected.items() if line}


def test_a_line_without_end_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "long.hex"
    path.write_bytes(b"A" * (3 * LINE_LIMIT) + b"\nshort\n" + b"B" * (2 * LINE_LIMIT))
    lines = [line for block in open_blocks(path) for line in block.data.split(b"\n")]
    assert [len(line) for line in lines] == [LINE_LIMIT + 1, 5, LINE_LIMIT + 1]


def test_no_blocks_at_all_and_blocks_that_end_at_once() -> None:
    assert list(replay_in_processes([], 1, Task("json"), no_keys)) == []
    # With one process, the last block is done whenever the next one is asked for.
    blocks = [Block(number, b"zz", "air.hex", begins=number == 1) for number in (1, 2, 3)]
    parts = [part for part, _ in replay_in_processes(blocks, 1, Task("json"), no_keys)]
    assert [bad.line for part in parts for bad in part.bad_lines] == [1, 2, 3]


def test_more_text_than_shared_memory_holds(
    mixed: Path, scenario_keys: KeyLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MEMORY", 0)
    monkeypatch.setattr(processes, "SMALLEST_MEMORY", 4096)
    alone = BlockReplay(LearnedDecoder(scenario_keys), "lines")
    expected = [alone.replay(block) for block in open_blocks(mixed)]
    assert joined(through_processes(mixed, 2, "lines", scenario_keys)) == joined(expected)
