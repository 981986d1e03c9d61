"""Captures of one telegram a line, in hex.

A line is a bare telegram, or a telegram among columns separated by `;`, `,`, tabs or blanks: a date with time, a
signal strength in dBm, a radio mode. `telegram=|HEX|+SECONDS`, a prefix `0x`, and blanks, `|`, `_` inside the hex are
understood; `#` starts a comment. A time without a zone is taken as UTC.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from protocols.captures.key_rows import IS_KEY_ROW, is_key_among, is_row_of_keys
from protocols.captures.times import TIME, utc_of
from protocols.model import FrameFormat, Link, RawFrame
from protocols.text import safe_text

LINE_LIMIT = 1 << 20
"""Longest line that is looked at, in characters; the longest frame has 256 bytes."""

MIN_FRAME = 5
"""The shortest frame there is: a wired short frame (EN 13757-2, 5.2)."""

MARK = "telegram="
"""What stands in front of the hex in simulation files."""

_OFFSET = re.compile(r"(?<=[0-9A-Fa-f| \t])\+(\d{1,9}(?:\.\d{1,9})?)\s*s?\s*$")
_RSSI = re.compile(r"(?<![0-9A-Za-z.])(-\d{1,3})(?:\.\d{1,3})?(?:\s?dBm)?(?![0-9A-Za-z])")
_MODE = re.compile(r"(?<![0-9A-Za-z])(?:S1m|[STCR][12]|[CT]1,[CT]1|N[12][a-g])(?![0-9A-Za-z])")
_SPREADING = re.compile(r"SF\d{1,2}", re.ASCII)
"""The radio mode of LoRa: what is recorded with it is a LoRaWAN frame, whatever its bytes look like."""
_FILLING = str.maketrans("", "", " \t|_")
_COLUMNS = re.compile(r"[;,\t]")
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]")


def parse_hex(text: str) -> bytes:
    """Return the bytes of hex with blanks, `|`, `_` and a `0x` allowed; `ValueError` says what is wrong and where.

    The text itself is never quoted: it may be a key that landed in the wrong place.
    """
    digits = text.strip()
    if digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    digits = "".join(digits.translate(_FILLING).split())
    if not digits:
        raise ValueError("there are no hex digits")
    wrong = _NOT_HEX.search(digits)
    if wrong is not None:
        raise ValueError(f"{safe_text(wrong.group())!r} at digit {wrong.start() + 1} is not a hex digit")
    if len(digits) % 2:
        raise ValueError(f"odd number of hex digits ({len(digits)}): one is missing or too many")
    return bytes.fromhex(digits)


def parse_line(text: str, source: str = "") -> tuple[RawFrame, float | None] | None:
    """Read one line: the frame and its offset in seconds, None for blank lines and comments.

    `ValueError` says in words what is wrong with the line.
    """
    if len(text) > LINE_LIMIT:
        raise ValueError(f"line of {len(text)} characters; a telegram has at most 512 hex digits")
    rest = text.lstrip("\ufeff").partition("#")[0].strip()
    if not rest:
        return None
    mark = rest.find(MARK)
    if mark >= 0:
        rest = rest[mark + len(MARK) :]
    offset_s = None
    found = _OFFSET.search(rest)
    if found is not None and (mark >= 0 or TIME.search(rest, found.start() - 24) is None):
        # Behind a time of day, `+0100` is its zone.
        offset_s = float(found.group(1))
        rest = rest[: found.start()]
    if is_row_of_keys(rest):
        raise ValueError(IS_KEY_ROW)
    try:
        return RawFrame(parse_hex(rest), source=source), offset_s
    except ValueError:
        if mark >= 0:
            raise
    return _parse_columns(rest, source), offset_s


def format_line(frame: RawFrame) -> str:
    """Return a frame as a line of a capture: time, signal strength, mode, hex; before that its format where it is told.

    `parse_line` reads it back, and `parse_own_line` its format too. A payload that a network server decrypted becomes
    an event of one, for `LineReader`.
    """
    if frame.link is Link.LORAWAN_PAYLOAD:
        from protocols.captures.payload_line import payload_line

        return payload_line(frame)
    at = "" if frame.at is None else frame.at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")
    rssi = "" if frame.rssi_dbm is None else str(frame.rssi_dbm)
    told = "" if frame.frame_format is None else f"{frame.frame_format};"
    return f"{at.removesuffix('+00:00') + 'Z' if at else ''};{rssi};{frame.mode or ''};{told}{frame.data.hex().upper()}"


def parse_own_line(text: str, source: str = "") -> RawFrame | None:
    """Read, quickly, what `format_line` has written; None for anything else."""
    columns = text.split(";")
    if len(columns) not in (4, 5):
        return None
    at, rssi_dbm, mode, *told, digits = columns
    if at and not at.endswith("Z"):
        return None
    if _SPREADING.fullmatch(mode):
        return _lorawan_line(at, rssi_dbm, mode, digits, source)
    try:
        return RawFrame(
            bytes.fromhex(digits),
            datetime.fromisoformat(at).astimezone(UTC) if at else None,
            source,
            mode or None,
            int(rssi_dbm) if rssi_dbm else None,
            frame_format=FrameFormat(told[0]) if told else None,
        )
    except (ValueError, OverflowError):
        return None


def _lorawan_line(at: str, rssi_dbm: str, mode: str, digits: str, source: str) -> RawFrame | None:
    """The same of a LoRaWAN frame, whose spreading factor stands for the mode."""
    # Captures without LoRaWAN need nothing of it.
    from protocols.lorawan.facts import LoraReception

    frame = parse_own_line(f"{at};{rssi_dbm};;{digits}", source)
    if frame is None:
        return None
    lora = LoraReception(spreading_factor=int(mode.removeprefix("SF")))
    return replace(frame, mode=mode, link=Link.LORAWAN, lora=lora)


def _parse_columns(text: str, source: str) -> RawFrame:
    """Take time, signal strength and mode out of a line; what remains must hold the telegram."""
    at = rssi_dbm = mode = None
    found = TIME.search(text)
    if found is not None:
        at = utc_of(found)
        text = f"{text[: found.start()]};{text[found.end() :]}"
    found = _RSSI.search(text)
    if found is not None:
        rssi_dbm = int(found.group(1))
        text = _RSSI.sub(";", text)
    found = _MODE.search(text)
    if found is not None:
        mode = found.group()
        text = f"{text[: found.start()]};{text[found.end() :]}"
    candidates: list[bytes] = []
    problem: ValueError | None = None
    columns = [column for column in _COLUMNS.split(text) if column.strip(" |_")]
    for column in sorted(columns, key=len, reverse=True):
        try:
            candidates.append(parse_hex(column))
        except ValueError as error:
            problem = problem or error
    data = max(candidates, key=len, default=b"")
    if len(data) < MIN_FRAME:
        raise problem or ValueError("there is no telegram in the line")
    if is_key_among(data, columns):
        raise ValueError(IS_KEY_ROW)
    return RawFrame(data, at=at, source=source, mode=mode, rssi_dbm=rssi_dbm)
