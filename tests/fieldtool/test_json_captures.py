"""Captures that are JSON, and lines with several frames, through every command that reads captures."""

from __future__ import annotations

import base64
import json
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.replay.block_replay import BlockReplay
from fieldtool.replay.capture import open_blocks, open_capture
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.file import FileSource
from fieldtool.sources.queue import FrameQueue
from protocols.captures.model import OBJECT, BadLine, CaptureEntry
from protocols.learned import LearnedDecoder
from protocols.model import KeyLookup, RawFrame
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
PHY = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
FORMS = ("lines", "array", "array over lines", "objects over lines")


def packet(fcnt: int) -> dict[str, object]:
    data = PHY[:6] + fcnt.to_bytes(2, "little") + PHY[8:]
    return {"freq": 868.5, "datr": "SF7BW125", "data": base64.b64encode(data).decode()}


def rtl_433(data: bytes) -> dict[str, str]:
    return {"model": "Wireless-MBus", "mode": "C", "data": data.hex()}


def written(path: Path, objects: list[dict[str, object]], form: str) -> Path:
    indent = None if form in ("lines", "array") else 2
    text = json.dumps(objects, indent=indent)
    if "array" not in form:
        text = "\n".join(json.dumps(one, indent=indent) for one in objects)
    path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(run: Run, tmp_path: Path, form: str) -> None:
    objects: list[dict[str, object]] = [
        {"rxpk": list(map(packet, range(first, first + 3)))} for first in range(0, 30, 3)
    ]
    path = written(tmp_path / "gateway.json", [*objects, {"rxpk": []}], form)
    alone = [json.dumps({"rxpk": [packet(number)]}) for number in range(30)]
    (tmp_path / "gateway.json.single").write_text("\n".join(alone))
    single = run("replay", tmp_path / "gateway.json.single", "--json")
    expected = single.out.replace("gateway.json.single", "gateway.json")
    assert len(expected.splitlines()) == 30
    for jobs in ("1", "2"):
        ran = run("replay", path, "--json", "--jobs", jobs)
        assert ran.out == expected
        assert ran.code == 1
        unit = "line" if form == "lines" else "object"
        assert f"{unit} 11: packet forwarder JSON with 0 good packets" in ran.err
        assert f"1 {unit} held no telegram" in ran.err
    assert len(run("replay", path, "--speed", "1000").lines) == 30
    assert run("replay", "-", "--json", stdin=path.read_bytes()).out == expected.replace("gateway.json", "stdin")
    assert len(run("decode", "--json", stdin=path.read_bytes()).lines) == 30


@pytest.mark.parametrize("size", [50, 1 << 16])
def test_objects_give_what_lines_give(
    frames: tuple[RawFrame, ...], scenario_keys: KeyLookup, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", size)
    objects: list[dict[str, object]] = [dict(rtl_433(frame.data)) for frame in frames[:40]]
    texts = []
    for form in FORMS:
        path = written(tmp_path / f"{form}.json", objects, form).rename(tmp_path / "air.json")
        replay = BlockReplay(LearnedDecoder(scenario_keys), "json")
        texts.append(b"".join(part for block in open_blocks(path) for part in replay.replay(block).text))
        assert [type(item) for item in open_capture(path)] == [CaptureEntry] * 40
    assert len(set(texts)) == 1
    assert texts[0].count(b"\n") == 40


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_was_read_before_the_damage_stays(run: Run, tmp_path: Path, jobs: str) -> None:
    text = json.dumps([rtl_433(bytes.fromhex(GAS_HEX))] * 3, indent=2)
    path, whole = tmp_path / "cut.json", tmp_path / "whole.hex"
    path.write_text(text[:-30])
    whole.write_text(GAS_HEX)
    ran = run("replay", path, whole, "--json", "--jobs", jobs, "--key", GAS_KEY)
    assert [json.loads(line)["outcome"] for line in ran.lines] == ["ok"] * 3
    assert ran.err.count("object 3: the file ends in the middle of it; what comes before was read") == 1
    assert "1 object held no telegram" in ran.err
    assert ran.code == 1


def test_objects_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    one = json.dumps(rtl_433(bytes.fromhex(GAS_HEX)))
    with path.open("w") as file:
        file.write("[" + ",".join([one] * 20_000))
        file.write(', {"much": "' + "x" * 4_000_000 + '"}, ' + one + "]")
    tracemalloc.start()
    objects = 0
    bad: list[BadLine] = []
    for block in open_blocks(path):
        objects += len(block.lines()) if block.data else 0
        bad += block.bad
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert objects == 20_001
    assert [(one.line, one.unit) for one in bad] == [(20_001, OBJECT)]
    assert peak < 3_000_000


def test_pasted_packets_are_all_decoded(run: Run) -> None:
    ran = run("decode", "--json", json.dumps({"rxpk": [packet(1), packet(2), {"stat": -1, "data": "AQ=="}]}))
    told = [json.loads(line) for line in ran.lines]
    assert [one["lorawan"]["fcnt"] for one in told] == [1, 2]
    assert [one["recognised"]["notes"] for one in told] == [["1 packet left out"], []]
    assert ran.err.count("recognised: packet forwarder JSON") == 2


def test_a_file_as_a_receiver(tmp_path: Path) -> None:
    path = written(tmp_path / "gateway.json", [{"rxpk": [packet(1), packet(2)]}, {"x": 1}], "array over lines")
    told: list[SourceEvent] = []
    ended, queue = threading.Event(), FrameQueue()

    def tell(event: SourceEvent) -> None:
        told.append(event)
        if event.state is SourceState.ENDED:
            ended.set()

    source = FileSource(path, lambda: AT)
    source.start(queue, tell)
    assert ended.wait(60)
    source.stop()
    assert len(queue) == 2
    assert told[-1].detail == f"end of {path}; 1 object held no telegram"


def test_bad_objects_keep_their_number(tmp_path: Path) -> None:
    path = written(tmp_path / "mixed.json", [{"x": 1}, {"rxpk": [packet(1), packet(2)]}, {"y": 2}], "array")
    items = list(open_capture(path))
    assert [(type(item), item.line) for item in items] == [
        (BadLine, 1),
        (CaptureEntry, 2),
        (CaptureEntry, 2),
        (BadLine, 3),
    ]
