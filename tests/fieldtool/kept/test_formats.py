"""Compact-frame formats: kept from run to run, and found in a capture when their full frame comes late."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fieldtool.kept.formats_file import choose_formats, load_formats, save_formats
from fieldtool.replay.capture import Block
from fieldtool.replay.processes import replay_in_processes
from fieldtool.replay.second_pass import SecondPass
from fieldtool.replay.worker import Task
from protocols.captures.model import CaptureEntry, CaptureItem
from protocols.decode import no_keys
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import MAX_FORMATS, FormatLibrary, format_signature, shipped_formats
from protocols.mbus.encode import compact_from_full
from protocols.model import Address, Key, Outcome, RawFrame
from protocols.wmbus.encode import extended_link_session, link_frame, session_number
from tests.fieldtool.conftest import Run

KEY = bytes(range(1, 17))
METERS = [Address.of("KAM", f"6300146{number}", 0x1B, 0x16) for number in range(4)]

# An order of records that no shipped format has: status, flow, volume, clock.
RECORDS = bytes.fromhex("02FF20 7100 023B 0500 0413 09190000 046D 0F08942B")
HEADERS = bytes.fromhex("02FF20 023B 0413 046D")


def frame(acc: int, *, compact: bool, meter: Address = METERS[0]) -> bytes:
    payload = b"\x79" + compact_from_full(RECORDS) if compact else b"\x78" + RECORDS
    number = session_number(acc & 15, 1000 + acc, encrypted=True)
    return link_frame(0x44, meter, extended_link_session(0x20, acc, number, payload, sender=meter, key=KEY))


def write(path: Path, frames: Sequence[bytes]) -> Path:
    path.write_text("".join(f"{data.hex()}\n" for data in frames))
    return path


LATE = [frame(1, compact=True), frame(2, compact=True), frame(3, compact=False), frame(4, compact=True)]


def outcomes(text: str) -> list[str]:
    return [json.loads(line)["outcome"] for line in text.splitlines()]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_frame_that_comes_late_is_found(run: Run, tmp_path: Path, jobs: str) -> None:
    assert shipped_formats().get(format_signature(HEADERS)) is None
    path = write(tmp_path / "late.hex", LATE)
    ran = run("replay", path, "--json", "--key", KEY.hex(), "--jobs", jobs)
    assert outcomes(ran.out) == ["ok"] * 4
    assert [json.loads(line)["hex"] for line in ran.lines] == [data.hex().upper() for data in LATE]
    assert ran.code == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_it_is_found_in_a_capture_that_is_json(run: Run, tmp_path: Path, jobs: str) -> None:
    packet = {"freq": 868.5, "datr": "SF7BW125", "data": "QPF9vkkAAgABlUN4disR/w0="}
    objects = [{"rxpk": [packet, packet]}, *({"model": "Wireless-MBus", "data": data.hex()} for data in LATE)]
    path = tmp_path / "late.json"
    path.write_text(json.dumps(objects, indent=2))
    ran = run("replay", path, "--json", "--key", KEY.hex(), "--jobs", jobs)
    assert outcomes(ran.out)[2:] == ["ok"] * 4


def test_without_the_second_pass_it_is_not(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "late.hex", LATE)
    ran = run("replay", path, "--json", "--key", KEY.hex(), "--no-second-pass")
    assert outcomes(ran.out) == ["unsupported", "unsupported", "ok", "ok"]


def test_standard_input_is_read_once(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "late.hex", LATE).read_bytes()
    assert outcomes(run("replay", "-", "--json", "--key", KEY.hex(), stdin=data).out) == [
        "unsupported",
        "unsupported",
        "ok",
        "ok",
    ]


def test_several_files_are_one_capture(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.hex", LATE[:2]), write(tmp_path / "b.hex", LATE[2:])
    assert outcomes(run("replay", first, second, "--json", "--key", KEY.hex()).out) == ["ok"] * 4


@pytest.mark.parametrize("second_pass", [True, False])
def test_one_and_several_processes_agree(run: Run, tmp_path: Path, second_pass: bool) -> None:
    order = (1, 2, 3, 9, 2, 8, 11) if second_pass else (9, 1, 2, 3, 2, 8, 11)
    frames = [frame(acc, compact=acc != 9, meter=meter) for acc in order for meter in METERS]
    path = write(tmp_path / "air.hex", frames)
    words = ["replay", path, "--json", "--key", KEY.hex(), "--second-pass" if second_pass else "--no-second-pass"]
    alone = run(*words)
    assert run(*words, "--jobs", "3").out == alone.out
    assert set(outcomes(alone.out)) == {"ok"}
    assert sum(json.loads(line)["findings"] != [] for line in alone.lines) == (8 if second_pass else 20)


def test_processes_learn_formats_of_each_other() -> None:
    frames = [frame(9, compact=False), *(frame(acc, compact=True, meter=meter) for acc in (1, 2) for meter in METERS)]
    blocks = [
        Block(number, data.hex().encode(), "air.hex", begins=number == 1) for number, data in enumerate(frames, start=1)
    ]
    task = Task("json", (Key(KEY, "given"),))
    shown, formats = "", FormatLibrary()
    for replayed, formats in replay_in_processes(blocks, 2, task, no_keys):  # noqa: B007 - the last ones count
        shown += b"".join(replayed.text).decode()
    assert outcomes(shown) == ["ok"] * len(frames)
    assert formats.get(format_signature(HEADERS)) is not None


def test_a_capture_is_read_ahead_at_most_once() -> None:
    opened, read = [], []

    def again() -> Iterator[CaptureItem]:
        opened.append(1)
        for number in range(50):
            read.append(number)
            yield CaptureEntry(number, RawFrame(frame(number, compact=True)))

    decoder = LearnedDecoder(lambda _: (Key(KEY),))
    decoder.search_formats = SecondPass(again, decoder)
    for number in range(50):
        assert decoder.decode(frame(number, compact=True)).outcome is Outcome.UNSUPPORTED
    assert (len(opened), len(read)) == (1, 50)


def test_fragments_that_wait_are_left_alone() -> None:
    decoder = LearnedDecoder(lambda _: (Key(KEY),))
    waiting = decoder.fragments
    decoder.search_formats = SecondPass(lambda: [CaptureEntry(1, RawFrame(LATE[2]))], decoder)
    assert decoder.decode(LATE[0]).ok
    assert decoder.fragments is waiting


def test_formats_are_kept_for_the_next_run(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "deeper" / "formats.json"
    full, compact = write(tmp_path / "full.hex", [LATE[2]]), write(tmp_path / "compact.hex", [LATE[0]])
    assert outcomes(run("replay", compact, "--json", "--key", KEY.hex(), "--formats", kept).out) == ["unsupported"]
    assert not kept.exists()
    assert run("replay", full, "--key", KEY.hex(), "--formats", kept).code == 0
    assert load_formats(kept).formats.get(format_signature(HEADERS)) is not None
    before = kept.read_bytes()
    assert outcomes(run("replay", compact, "--json", "--key", KEY.hex(), "--formats", kept).out) == ["ok"]
    assert run("decode", LATE[0].hex(), "--key", KEY.hex(), "--formats", kept).code == 0
    assert run("decode", LATE[0].hex(), "--key", KEY.hex()).code == 1
    assert run("listen", f"file:{compact}", "--key", KEY.hex(), "--formats", kept).err.count("1 ok")
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept]


def test_listening_keeps_formats_and_decoding_does_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.json"
    monkeypatch.setenv("FIELDTOOL_FORMATS", str(kept))
    assert choose_formats(None) == kept
    assert run("decode", LATE[2].hex(), "--key", KEY.hex()).code == 0
    assert not kept.exists()
    run("listen", f"file:{write(tmp_path / 'full.hex', [LATE[2]])}", "--key", KEY.hex())
    assert load_formats(kept).formats.get(format_signature(HEADERS)) is not None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "holds no formats"),
        (b'{"version": 1, "formats": "02FF20"}', "holds no formats"),
        (b'{"version": 2, "formats": []}', "not of version 1"),
        (b'{"version": 1, "formats": [7]}', "format 1 is not a row"),
        (b'{"version": 1, "formats": ["0413", "xyz"]}', "format 2 is not a row"),
        (b'{"version": 1, "formats": ["04"]}', "format 1 is not a row"),
        (b'{"version": 1, "formats": [""]}', "format 1 is not a row"),
        (b'{"version": 1, "formats": ["' + b"0413" * 500 + b'"]}', "format 1 is not a row"),
        (b'{"version": 1, "formats": [' + b",".join([b'"0413"'] * (MAX_FORMATS + 1)) + b"]}", "more than 4096"),
        (b" " * ((4 << 20) + 1), "longer than"),
    ],
    ids=[
        "empty", "binary", "deep", "a list", "a text", "newer", "a number", "no hex", "half a header", "no header",
        "long", "many", "huge",
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_left_alone(run: Run, tmp_path: Path, content: bytes, what: str) -> None:
    kept = tmp_path / "formats.json"
    kept.write_bytes(content)
    ran = run("replay", write(tmp_path / "full.hex", [LATE[2]]), "--key", KEY.hex(), "--formats", kept)
    assert ran.code == 0
    told = [line for line in ran.err.splitlines() if "formats file" in line]
    assert len(told) == 1
    assert what in told[0]
    assert kept.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    ran = run("replay", write(tmp_path / "full.hex", [LATE[2]]), "--key", KEY.hex(), "--formats", blocked / "f.json")
    assert ran.code == 0
    assert ran.err.count("formats file") == 1


def test_two_programs_that_learn_keep_both(tmp_path: Path) -> None:
    path = tmp_path / "formats.json"
    first, second = load_formats(path), load_formats(path)
    assert save_formats(first, first.library.learn(HEADERS)) == ""
    assert save_formats(second, second.library.learn(bytes.fromhex("0413 0259"))) == ""
    assert set(load_formats(path).formats.formats) == {
        format_signature(HEADERS),
        format_signature(bytes.fromhex("0413 0259")),
    }


def test_the_file_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "formats.json"
    rows = [
        bytes.fromhex(f"84{number & 0x0F | 0x80:02X}{number >> 4 & 0x0F | 0x80:02X}{number >> 8:02X}13")
        for number in range(4096)
    ]
    many = FormatLibrary({format_signature(row): (row,) for row in rows})
    assert save_formats(load_formats(path), many) == ""
    count = len(load_formats(path).formats)
    assert count > MAX_FORMATS - 10, "all but the few that are shipped"
    more = FormatLibrary({format_signature(HEADERS): (HEADERS,)})
    assert save_formats(load_formats(path), more) == ""
    kept = load_formats(path).formats
    assert len(kept) <= MAX_FORMATS
    assert kept.get(format_signature(HEADERS)) is not None
    full = FormatLibrary(dict.fromkeys(range(MAX_FORMATS), (b"\x04\x13",)))
    assert full.learn(HEADERS) is full
    assert len(full.joined(more)) == MAX_FORMATS


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "formats.json"
    save_formats(load_formats(path), shipped_formats().learn(HEADERS))
    before = path.read_bytes()

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    problem = save_formats(load_formats(path), shipped_formats().learn(bytes.fromhex("0413 0259")))
    assert "No space left" in problem
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
