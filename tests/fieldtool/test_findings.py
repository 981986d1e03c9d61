"""Where people and programs see what is not plausible: JSON, lines, explanations, alarms; the outcome stays ok."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fieldtool.export.lines import telegram_line
from fieldtool.pipeline.pipeline import Pipeline
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.queue import FrameQueue
from protocols.captures.hex_lines import format_line
from protocols.learned import LearnedDecoder
from protocols.model import Address, Key, RawFrame, RungState, Telegram
from protocols.plausibility import Judge, with_findings
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import TransportHeader, link_frame, transport_mode_5
from tests.fieldtool.conftest import Run

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEY = bytes(range(1, 17))
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
NEIGHBOUR = Address.of("KAM", "63001475", 0x1B, 0x16)


def frame(acc: int, seconds: int, litres: int, *, status: int = 0, meter: Address = WATER) -> RawFrame:
    records = bytes.fromhex("0413") + litres.to_bytes(4, "little")
    payload = transport_mode_5(Content.RECORDS, records, TransportHeader(acc, status), key=KEY, sender=meter)
    return RawFrame(link_frame(0x44, meter, payload), START + timedelta(seconds=seconds), "test", "C1", -70)


FRAMES = [
    frame(1, 0, 1000),
    frame(2, 16, 1000),
    frame(1, 20, 10, meter=NEIGHBOUR),
    frame(3, 32, 999),
    frame(4, 48, 1000, status=0x10),
    frame(2, 52, 1000),
    frame(5, 64, 900_000),
    frame(6, 80, 1001),
]
KINDS = [
    [],
    [],
    [],
    ["negative_consumption"],
    ["error_state"],
    ["possible_replay"],
    ["jump"],
    [],
]


@pytest.fixture
def noticed(tmp_path: Path) -> Path:
    """A capture with something of everything."""
    path = tmp_path / "noticed.hex"
    path.write_text("".join(f"{format_line(each)}\n" for each in FRAMES))
    return path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_in_the_json_of_a_replay(run: Run, noticed: Path, jobs: str) -> None:
    ran = run("replay", noticed, "--json", "--key", KEY.hex(), "--jobs", jobs)
    shown = [json.loads(line) for line in ran.lines]
    assert ran.code == 0
    assert {one["outcome"] for one in shown} == {"ok"}
    assert [[finding["kind"] for finding in one["findings"]] for one in shown] == KINDS
    for one, kinds in zip(shown, KINDS, strict=True):
        step = one["verdict"][-1]
        assert step["rung"] == "plausibility"
        assert step["state"] == ("failed" if kinds else "passed")
        assert (step["next"] is None) == (not kinds)
        assert all(reading["value"] is not None for reading in one["readings"])


def test_offsets_stand_in_for_times(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "offsets.txt"
    near, far = ((0, 1000), (16, 900_000)), ((0, 1000), (86400 * 60, 900_000))
    for steps, kinds in ((near, ["jump"]), (far, [])):
        lines = [
            f"telegram=|{frame(number, 0, litres).data.hex()}|+{offset}\n"
            for number, (offset, litres) in enumerate(steps)
        ]
        path.write_text("".join(lines))
        ran = run("replay", path, "--json", "--key", KEY.hex())
        found = json.loads(ran.lines[-1])
        assert [finding["kind"] for finding in found["findings"]] == kinds
        assert found["received"]["at"] is None


def test_in_lines(run: Run, noticed: Path) -> None:
    lines = run("replay", noticed, "--key", KEY.hex()).lines
    for line, kinds in zip(lines, KINDS, strict=True):
        assert "✓ ok" in line
        raised = ["temporary_error" if kind == "error_state" else kind for kind in kinds]
        assert line.split("▲ ")[1:] == raised


def test_a_single_telegram_shows_only_itself(run: Run) -> None:
    digits = [each.data.hex() for each in FRAMES]
    shown = [json.loads(line) for line in run("decode", *digits, "--json", "--key", KEY.hex()).lines]
    kinds = [[finding["kind"] for finding in one["findings"]] for one in shown]
    assert kinds == [["error_state"] if "error_state" in each else [] for each in KINDS]


def test_earlier_telegrams_of_a_request(run: Run) -> None:
    request = {
        "hex": frame(1, 0, 900).data.hex(),
        "key": KEY.hex(),
        "prior": [frame(acc, 0, 1000).data.hex() for acc in (1, 2, 3)],
    }
    alone = {**request, "prior": []}
    ran = run("decode", "--jsonl", stdin=f"{json.dumps(request)}\n{json.dumps(alone)}\n".encode())
    first, second = (json.loads(line) for line in ran.lines)
    assert [finding["kind"] for finding in first["findings"]] == ["possible_replay"]
    assert second["findings"] == []


def test_in_the_explanation(run: Run) -> None:
    digits = FRAMES[4].data.hex()
    explained = run("decode", digits, "--key", KEY.hex(), "--explain").out
    assert "✗ plausibility read while the meter reports a temporary error" in explained
    assert "next: read the meter's error on its display before the values are used" in explained
    summary = run("decode", digits, "--key", KEY.hex())
    assert "▲ error state: read while the meter reports a temporary error" in summary.out
    assert summary.code == 0


def heard(frames: Sequence[RawFrame]) -> tuple[Reception, list[Telegram]]:
    """What the reception makes of frames that came through the queue."""
    queue, reception, telegrams = FrameQueue(), Reception(), []
    pipeline = Pipeline(
        queue,
        LearnedDecoder(lambda _: (Key(KEY),)),
        reception,
        (lambda telegram, duplicate: telegrams.append(telegram),),
    )
    for each in frames:
        queue.put(each)
    queue.close()
    pipeline.start()
    pipeline.stop()
    return reception, telegrams


def test_in_the_list_of_meters() -> None:
    reception, telegrams = heard(FRAMES[:6])
    row = reception.row(WATER)
    assert row is not None
    assert row.alarms == ("possible_replay",)
    assert row.outcome == "ok"
    neighbour = reception.row(NEIGHBOUR)
    assert neighbour is not None
    assert neighbour.alarms == ()
    assert [[str(finding.kind) for finding in telegram.findings] for telegram in telegrams] == KINDS[:6]
    assert telegrams[-1].verdict[-1].state is RungState.FAILED


def test_heard_by_two_receivers() -> None:
    doubled = [FRAMES[0], FRAMES[1], RawFrame(FRAMES[0].data, START + timedelta(seconds=4)), FRAMES[1]]
    _, telegrams = heard([doubled[0], doubled[2], doubled[1], doubled[3]])
    assert [telegram.findings for telegram in telegrams] == [()] * 4


def test_a_replay_of_a_meter_without_a_key_is_seen_as_well() -> None:
    decoder, judge = LearnedDecoder(), Judge()
    for each in FRAMES[:2]:
        judge.judge(decoder.decode(each))
    again = decoder.decode(RawFrame(FRAMES[0].data, START + timedelta(seconds=60)))
    line = telegram_line(with_findings(again, judge.judge(again)))
    assert "○ no key" in line
    assert line.endswith("▲ possible_replay")
