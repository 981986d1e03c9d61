"""The capture that is recorded: appended to what is there, as lines that can be read again."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from fieldtool.cli.recording import Recording
from fieldtool.errors import OutputError
from fieldtool.replay.capture import open_capture
from protocols.captures.model import CaptureEntry
from protocols.model import RawFrame
from tests.fieldtool.paste_bench import CLEAR

FRAME = replace(CLEAR, source="im871a")


def _record(path: Path) -> None:
    recording = Recording(path)
    recording.write(FRAME)
    recording.close()


def _read(path: Path) -> list[RawFrame | None]:
    return [item.frame if isinstance(item, CaptureEntry) else None for item in open_capture(path)]


def test_a_second_recording_goes_on_behind_the_first(tmp_path: Path) -> None:
    path = tmp_path / "today.hex"
    _record(path)
    _record(path)
    assert [frame and frame.data for frame in _read(path)] == [FRAME.data] * 2


def test_a_capture_whose_last_line_was_cut_loses_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "today.hex"
    _record(path)
    path.write_bytes(path.read_bytes()[:-7])
    _record(path)
    assert _read(path)[-1] is not None
    assert len(_read(path)) == 2


def test_a_packed_capture_is_not_written_into(tmp_path: Path) -> None:
    path = tmp_path / "today.hex.gz"
    path.write_bytes(gzip.compress(b"2E44\n"))
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"today\.hex\.gz is packed, and cannot be appended to") as caught:
        Recording(path)
    assert "another file" in caught.value.hint
    assert path.read_bytes() == before
