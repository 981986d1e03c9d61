"""rtl_433's output for wireless M-Bus: JSON objects and lines of CSV.

Its hex has no CRCs, but in frame format B the L field still counts them. Its strengths are not in dBm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocols.captures.hex_lines import parse_hex
from protocols.captures.model import NotRecognised, Pasted
from protocols.captures.plausible import is_whole, length_note, with_true_length
from protocols.captures.times import time_in
from protocols.model import RawFrame
from protocols.wmbus.link import MIN_LENGTH

KIND_JSON: Final = "rtl_433 JSON"
KIND_CSV: Final = "rtl_433 CSV line"
MODEL: Final = "Wireless-MBus"

MODES: Final[dict[str, str]] = {"T": "T1", "C": "C1", "S": "S1", "R": "R2", "F": "F2"}
"""The letter in its `mode`, to the mode of a meter's telegram."""

_HEADING: Final = "time,"


def is_heading(text: str) -> bool:
    """Say whether a line is the head of a CSV file."""
    return text.startswith(_HEADING) and "model" in text


def read_object(members: Mapping[str, object]) -> Pasted | None:
    """Return the frame of a JSON object, None when rtl_433 did not write it; `NotRecognised` for other devices."""
    model, data = members.get("model"), members.get("data")
    if not isinstance(model, str):
        return None
    if model != MODEL or not isinstance(data, str):
        raise NotRecognised(f"{KIND_JSON} of something else than {MODEL}", f'paste an object with "model": "{MODEL}"')
    time, mode = members.get("time"), members.get("mode")
    return _pasted(
        _bytes(data, KIND_JSON), time if isinstance(time, str) else "", mode if isinstance(mode, str) else "", KIND_JSON
    )


def read_csv(text: str) -> Pasted | None:
    """Return the frame of a line of CSV, None when rtl_433 did not write it; `NotRecognised` without a telegram."""
    if MODEL not in text or "," not in text:
        return None
    cells = [cell.strip(' "') for cell in text.split(",")]
    frames = []
    for cell in cells:
        try:
            data = parse_hex(cell)
        except ValueError:
            continue
        if len(data) > MIN_LENGTH and is_whole(with_true_length(data)[0]):
            frames.append(data)
    if len(frames) != 1:
        seen = f"{KIND_CSV} with {len(frames) or 'no'} telegrams whose length fits"
        raise NotRecognised(seen, "paste a whole line with one in it")
    mode = next((cell for cell in cells if cell in MODES), "")
    return _pasted(frames[0], text, mode, KIND_CSV)


def _bytes(digits: str, kind: str) -> bytes:
    try:
        return parse_hex(digits)
    except ValueError as error:
        raise NotRecognised(f"{kind} whose data are not hex: {error}", "paste the whole object") from None


def _pasted(data: bytes, time: str, mode: str, kind: str) -> Pasted:
    data, note = with_true_length(data)
    notes = (note,) if note is not None else length_note(data)
    written = time_in(time)
    zoned = written is not None and written.zoned
    return Pasted(
        RawFrame(data, at=written.at if written is not None and zoned else None, mode=MODES.get(mode)),
        kind,
        notes,
        local_at=written.at if written is not None and not zoned else None,
    )
