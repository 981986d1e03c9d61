"""`replay --against`: a capture decoded now, and what was made of it before."""

from __future__ import annotations

import json
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldtool.cli import replay as replay_command
from fieldtool.errors import InputError
from fieldtool.replay.block_replay import Replayed
from protocols.learned import LearnedDecoder
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

HINT = "make one with: fieldtool replay CAPTURE --json > GOLDEN"


@pytest.fixture
def golden(run: Run, capture: Path) -> Path:
    """What `replay --json` makes of the capture."""
    path = capture.with_name("golden.jsonl")
    path.write_text(run("replay", capture, "--json", "--key", GAS_KEY).out)
    return path


def edit(golden: Path, change: Callable[[dict[str, Any]], object], *lines: int) -> None:
    """Change members of some lines."""
    texts = golden.read_text().splitlines()
    for number in lines:
        telegram = json.loads(texts[number - 1])
        change(telegram)
        texts[number - 1] = json.dumps(telegram)
    golden.write_text("\n".join([*texts, ""]))


def drop(golden: Path, *lines: int) -> list[str]:
    """Take lines out of a file, and return them."""
    texts = golden.read_text().splitlines(keepends=True)
    golden.write_text("".join(text for number, text in enumerate(texts, 1) if number not in lines))
    return [texts[number - 1] for number in lines]


@pytest.mark.parametrize("options", [(), ("--jobs", "2"), ("--no-second-pass",), ("--speed", "1000000")])
def test_nothing_differs(run: Run, capture: Path, golden: Path, options: tuple[str, ...]) -> None:
    count = len(golden.read_text().splitlines())
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden, *options)
    assert ran.code == 0, ran.out
    assert ran.lines[1].split() == [str(count), "equal"]
    assert [text.split()[0] for text in ran.lines[2:]] == ["0", "0", "0"]
    assert f"{count} telegrams: " in ran.err
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden, "--json", *options)
    (summary,) = map(json.loads, ran.lines)
    assert (ran.code, summary["equal"], summary["different"], summary["whole"]) == (0, count, 0, True)


@pytest.mark.parametrize("jobs", ["1", "2", "3"])
def test_what_differs_is_told_by_line_and_summed_up(run: Run, capture: Path, golden: Path, jobs: str) -> None:
    count = len(golden.read_text().splitlines())
    edit(golden, lambda telegram: telegram["received"].update(rssi_dbm=-7.5), *range(2, 12))
    edit(golden, lambda telegram: telegram.pop("notes"), 3)
    (dropped,) = drop(golden, 20)
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden, "--jobs", jobs)
    assert ran.code == 1
    assert [text.split("  ")[0] for text in ran.lines[:5]] == ["line 2", "line 3", "line 3", "line 4", "line 5"]
    now = json.loads(dropped)
    meter, access = now["meter"], now["security"]["access_number"]
    who = f"{meter['manufacturer']} {meter.get('printed_number') or meter['number']}  access {access}"
    assert f"before line 20  {who}  extra: {now['outcome']}, hex {now['hex'][:31]}…" in ran.lines
    assert any("  received.rssi_dbm: -7.5 → -" in text for text in ran.lines)
    assert any(text.startswith("line 3  ") and text.endswith("  notes new: []") for text in ran.lines)
    assert "5 further differences not shown: --all-differences shows them" in ran.lines
    assert f"{count - 11:9}  equal" in ran.lines
    assert "       10  different" in ran.lines
    assert "       10  changed  received.rssi_dbm" in ran.lines
    assert "        1  new      notes" in ran.lines
    everything = run("replay", capture, "--key", GAS_KEY, "--against", golden, "--all-differences", "--jobs", jobs)
    assert sum("received.rssi_dbm: " in text for text in everything.lines) == 10
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden, "--json", "--jobs", jobs)
    *told, summary = map(json.loads, ran.lines)
    assert [one["kind"] for one in told].count("changed") == 10
    assert [one["hex"] for one in told if one["kind"] == "extra"] == [now["hex"]]
    assert summary["members"][0] == {"kind": "changed", "member": "received.rssi_dbm", "telegrams": 10}
    assert sum(one["different"] for one in summary["meters"]) == 10


def test_a_value_that_differs_by_the_last_digit(run: Run, tmp_path: Path) -> None:
    capture, golden = tmp_path / "gas.hex", tmp_path / "gas.jsonl"
    capture.write_text(GAS_HEX)
    text = run("replay", capture, "--json", "--key", GAS_KEY).out
    assert "28504.27" in text
    golden.write_text(text.replace("28504.27", "28504.2700"))
    assert run("replay", capture, "--key", GAS_KEY, "--against", golden).code == 0
    golden.write_text(text.replace("28504.27", "28504.27001"))
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden)
    assert (ran.code, ran.lines[0]) == (
        1,
        "line 1  ELS 12345678  access 42  readings.volume.value: 28504.27001 → 28504.27",
    )
    assert run("replay", capture, "--key", GAS_KEY, "--against", golden, "--ignore", "readings.volume").code == 0
    ran = run("replay", capture, "--against", golden)
    told = {tuple(text.split()) for text in ran.lines if text.startswith(" " * 8)}
    assert {("1", "changed", "outcome"), ("1", "only", "in", "golden", "readings.volume")} <= told


def test_members_that_are_left_out(run: Run, capture: Path, golden: Path) -> None:
    copy = capture.with_name("copy.hex")
    copy.write_bytes(capture.read_bytes())
    assert run("replay", copy, "--key", GAS_KEY, "--against", golden).code == 1
    options = ("--ignore", "received.source", "--ignore", "recieved")
    ran = run("replay", copy, "--key", GAS_KEY, "--against", golden, *options)
    assert ran.code == 0
    assert "--ignore recieved: no telegram that was looked into has it" in ran.err
    assert "--ignore received.source" not in ran.err


def test_several_captures_and_a_pipe(run: Run, capture: Path, golden: Path) -> None:
    golden.write_text(run("replay", capture, capture, "--json").out)
    assert run("replay", capture, capture, "--against", golden).code == 0
    ran = run("replay", capture, "--against", golden)
    assert (ran.code, "missing: only in golden" in ran.out) == (1, True)
    golden.write_text(run("replay", "-", "--json", stdin=capture.read_bytes()).out)
    assert run("replay", "-", "--against", golden, stdin=capture.read_bytes()).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_golden_that_is_unpacked_on_the_way(run: Run, capture: Path, golden: Path) -> None:
    pipe = golden.with_name("golden.pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(golden.read_bytes()))
    writer.start()
    ran = run("replay", capture, "--key", GAS_KEY, "--against", pipe)
    writer.join()
    assert ran.code == 0, ran.err


def test_goldens_of_other_commands(run: Run, capture: Path, golden: Path) -> None:
    heard = run("listen", f"file:{capture}", "--json")
    golden.write_text(heard.out)
    ran = run("replay", capture, "--against", golden, "--ignore", "received", "--json")
    summary = json.loads(ran.lines[-1])
    assert (summary["missing"], summary["different"]) == (0, 0)
    assert summary["equal"] == len(heard.lines)
    requests = "".join(f'{{"id": {number}, "hex": "{GAS_HEX}", "key": "{GAS_KEY}"}}\n' for number in range(3))
    golden.write_text(run("decode", "--jsonl", stdin=requests.encode()).out)
    capture.write_text(f"{GAS_HEX}\n" * 3)
    options = ("--key", GAS_KEY, "--ignore", "id", "--ignore", "received.source", "--ignore", "verdict.key.detail")
    assert run("replay", capture, "--against", golden, *options).code == 0


def test_lines_that_are_none_are_told_and_counted(run: Run, capture: Path, golden: Path) -> None:
    texts = golden.read_text().splitlines(keepends=True)
    golden.write_text("".join([*texts[:5], "once upon a time\n" * 15, *texts[5:]]))
    ran = run("replay", capture, "--key", GAS_KEY, "--against", golden)
    assert ran.code == 1
    assert "golden line 6: not JSON: Expecting value at character 1" in ran.err
    assert ran.err.count("not JSON") == 10
    assert f"{15:9}  golden lines that are no telegram" in ran.lines
    assert f"{len(texts):9}  equal" in ran.lines


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.jsonl", None, "there is no such file"),
        ("", None, "is a folder"),
        ("x" * 300, None, "name too long"),
        ("air.hex", None, "is the capture itself, not a golden of it"),
        ("other.hex", GAS_HEX.encode(), "is it a capture?"),
        ("empty.jsonl", b"", "is empty"),
        ("binary.jsonl", b"\1\0\0\0", "is no text"),
    ],
)
def test_what_is_no_golden_is_refused_before_anything_is_read(
    run: Run, capture: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = capture.parent / name
    if content is not None:
        path.write_bytes(content)
    ran = run("replay", capture, "--against", path)
    assert (ran.code, ran.out) == (2, "")
    message, hint = ran.err.splitlines()
    assert message.startswith(f"fieldtool: {path}")
    assert problem in message.replace("N", "n")
    assert HINT in hint or "check the name" in hint


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may read everything")
def test_a_golden_that_may_not_be_read(run: Run, capture: Path, golden: Path) -> None:
    golden.chmod(0)
    ran = run("replay", capture, "--against", golden)
    assert ran.code == 2
    assert "check whether you may read it" in ran.err


@pytest.mark.parametrize("options", [("--ignore", "verdict"), ("--all-differences",)])
def test_options_that_need_a_golden(run: Run, capture: Path, options: tuple[str, ...]) -> None:
    ran = run("replay", capture, *options)
    assert ran.code == 2
    assert "belong to --against" in ran.err


@pytest.mark.parametrize("name", ["", ".", "received.", "a..b"])
def test_names_that_are_none(run: Run, capture: Path, golden: Path, name: str) -> None:
    ran = run("replay", capture, "--against", golden, "--ignore", name)
    assert ran.code == 2
    assert "must be the name of a member" in ran.err


def test_standard_input_is_no_golden(run: Run, capture: Path) -> None:
    ran = run("replay", capture, "--against", "-", stdin=b"{}")
    assert ran.code == 2
    assert "not read from standard input" in ran.err


def test_the_golden_of_another_capture(run: Run, capture: Path, golden: Path) -> None:
    capture.write_text(GAS_HEX)
    ran = run("replay", capture, "--against", golden, "--key", GAS_KEY)
    assert ran.code == 1
    assert "is it that of another capture?" in ran.err


def test_a_capture_without_telegrams(run: Run, capture: Path, golden: Path) -> None:
    capture.write_text("# nothing\n")
    ran = run("replay", capture, "--against", golden)
    assert (ran.code, ran.out) == (2, "")
    assert "no telegram in what was read" in ran.err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (InputError("air.hex: gone", "look"), 2)])
@pytest.mark.parametrize("form", ["--json", "--all-differences"])
def test_what_is_known_is_summed_up_when_the_replay_ends_early(
    run: Run, capture: Path, golden: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, form: str
) -> None:
    edit(golden, lambda telegram: telegram.update(profile="other"), 3)
    head = capture.with_name("head.hex")
    head.write_text("".join(capture.read_text().splitlines(keepends=True)[:11]))
    replayed = replay_command._replayed

    def ended(arguments: Namespace, reading: replay_command._Reading, decoder: LearnedDecoder) -> Iterator[Replayed]:
        yield from replayed(arguments, reading, decoder)
        raise error

    monkeypatch.setattr(replay_command, "_replayed", ended)
    options = ("--key", GAS_KEY, "--ignore", "received.source", form)
    ran = run("replay", head, "--against", golden, *options)
    assert ran.code == code
    if form == "--json":
        *told, summary = map(json.loads, ran.lines)
        assert [(one["line"], one["member"]) for one in told] == [(3, "profile")]
        assert (summary["whole"], summary["equal"], summary["missing"]) == (False, 9, 0)
    else:
        assert "telegrams  so far: not all was replayed" in ran.lines


def test_a_hostile_golden_steers_no_terminal(run: Run, capture: Path, golden: Path) -> None:
    edit(golden, lambda telegram: telegram.update({"\x1b[2J": "\x1b]0;x\x07", "profile": "\u202e\x9b"}), 1)
    edit(golden, lambda telegram: telegram["meter"].update(number="\x1b[1m"), 2)
    drop(golden, 30)
    golden.write_text(golden.read_text() + '{"hex": "\\u001b[2J", "outcome": "\\u001b[2J", "meter": null}\n')
    for form in ("--json", "--all-differences"):
        ran = run("replay", capture, "--key", GAS_KEY, "--against", golden, form)
        assert ran.code == 1
        assert all(text.isprintable() for text in ran.lines)


def test_the_help_names_the_options(run: Run) -> None:
    text = run("replay", "--help").out
    assert all(name in text for name in ("--against GOLDEN", "--ignore MEMBER", "--all-differences"))
