"""Captures and goldens that are packed are read as they are; damage is told, and nothing before it is lost."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldtool.cli.main import main
from fieldtool.replay.capture import open_blocks

TELEGRAM = "1E44AE4C9956341268077A36001000" + "2F2F0413181E0000023B0000" + "2F2F2F2F"
LINES = [f"{TELEGRAM}\n"] * 2000


def zipped(data: bytes, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("capture.hex",):
            archive.writestr(name, data)
    return packed.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture.hex"
    path.write_text("".join(LINES))
    return path


def pack(capture: Path, suffix: str) -> Path:
    path = capture.with_name(f"{capture.name}.{suffix}")
    path.write_bytes(PACKINGS[suffix](capture.read_bytes()))
    return path


@pytest.mark.parametrize("suffix", PACKINGS)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_packed_capture_gives_what_it_holds(
    capture: Path, suffix: str, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(capture), "--json"]) == 0
    expected = capsys.readouterr().out
    assert expected.count("\n") == len(LINES)
    assert main(["replay", str(pack(capture, suffix)), "--json", "--jobs", jobs]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("suffix", PACKINGS)
def test_a_packed_golden_and_a_name_that_says_nothing(
    capture: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(capture), "--json"]) == 0
    golden = capture.with_name("golden")
    golden.write_bytes(PACKINGS[suffix](capsys.readouterr().out.encode()))
    assert main(["replay", str(capture), "--against", str(golden)]) == 0
    unnamed = pack(capture, suffix).rename(capture.with_name("unnamed"))
    assert main(["replay", str(unnamed), "--json"]) == 0
    assert capsys.readouterr().out.count('"source": "unnamed"') == len(LINES)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_of_a_file_that_was_cut_all_before_that_is_shown(
    capture: Path, suffix: str, capsys: pytest.CaptureFixture[str], random_lines: str
) -> None:
    capture.write_text(random_lines)
    packed = pack(capture, suffix)
    packed.write_bytes(packed.read_bytes()[:-2000])
    assert main(["replay", str(packed), "--json"]) == 2
    said = capsys.readouterr()
    assert 0 < said.out.count("\n") < random_lines.count("\n")
    assert f"capture.hex.{suffix}, packed with " in said.err
    assert "ends too early: it was cut" in said.err


@pytest.fixture
def random_lines() -> str:
    # Numbers of meters that no packing makes much shorter, in more blocks than one.
    rng = random.Random(7)
    return "".join(f"1E44AE4C{rng.randbytes(4).hex()}68077A36001000{TELEGRAM[30:]}\n" for _ in range(60_000))


@pytest.mark.parametrize("suffix", PACKINGS)
def test_a_damaged_file_is_told_in_a_line(capture: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    packed = pack(capture, suffix)
    data = bytearray(packed.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(8)
    packed.write_bytes(data)
    assert main(["replay", str(packed), "--json"]) == 2
    said = capsys.readouterr().err
    assert any(words in said for words in ("is damaged", "ends too early", "cannot be read"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(40), "is packed with zstd"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(40), "is packed with 7z"),
        (zipped(b"", "a", "b"), "is a ZIP archive of 2 files"),
        (b"PK\x03\x04" + bytes(40), "is a ZIP archive that cannot be read"),
    ],
    ids=["zstd", "7z", "two files", "no archive"],
)
def test_what_is_not_unpacked_is_told(
    data: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "packed"
    path.write_bytes(data)
    assert main(["replay", str(path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_standard_input_may_be_packed(capture: Path, suffix: str) -> None:
    command = [sys.executable, "-m", "fieldtool", "replay", "-", "--json"]
    done = subprocess.run(command, input=pack(capture, suffix).read_bytes(), capture_output=True, check=True)
    assert done.stdout.count(b"\n") == len(LINES)


def test_progress_is_that_of_the_packed_file(capture: Path) -> None:
    packed, read = pack(capture, "gz"), list[int]()
    assert sum(block.size for block in open_blocks(packed, read.append)) >= len(LINES)
    assert sum(read) == packed.stat().st_size
