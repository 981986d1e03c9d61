"""The paste door: a text that somebody copied from somewhere, told apart by what proves it.

Order of certainty: hex whose length or checksums fit; a receiver's envelope whose checksum fits; chips of which every
symbol is good; lines by their marks; Base64 and hex among other words only when what they hold is proved to be a
frame. Hex that nothing proves is taken as the bytes of a frame, so that decoding can say what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Final, TypeAlias, cast

from protocols.captures import (
    cul,
    esphome,
    iobroker,
    lorawan_frame,
    mode_t_chips,
    network_server,
    open_mqtt_gateway,
    rtl_433,
    rtl_wmbus,
    simulation,
)
from protocols.captures.base64_text import base64_bytes
from protocols.captures.hex_lines import parse_hex, parse_line
from protocols.captures.key_rows import IS_KEY_ROW, is_row_of_keys
from protocols.captures.loose_hex import runs_of_hex, spelled_bytes
from protocols.captures.lorawan_frame import looks_like_lorawan
from protocols.captures.model import PLAIN_HEX, KeyInstead, NotRecognised, Pasted, SeveralFrames
from protocols.captures.plausible import checksums_fit, frames_in, is_whole, length_fits, length_note
from protocols.errors import BadChecksum, ProtocolError
from protocols.model import Link, RawFrame
from protocols.plural import counted
from protocols.wmbus.link import MIN_LENGTH

TEXT_LIMIT: Final = 1 << 16
"""Longest text that is looked at if it is not plain hex, in characters."""

MAX_LINES: Final = 500
"""Lines of one pasted text; what is longer is a capture."""

KIND_COLUMNS: Final = "hex among columns"
KIND_WORDS: Final = "hex among other words"
KIND_BASE64: Final = "Base64"

INSTEAD: Final = (
    "paste the bytes in hex, a line of rtl_wmbus, rtl_433, CUL, ESPHome or a simulation file, or a receiver's envelope"
)

_FORWARDER_LOG: Final = re.compile(r"\bJSON (?:up|down): (?=\{)")
"""What packet forwarders write in their logs before the packets they hand over, and those they are to send."""

TextReader: TypeAlias = Callable[[str], Pasted | None]
EnvelopeReader: TypeAlias = Callable[[bytes], Pasted]

ENVELOPES: Final[dict[int, tuple[str, str]]] = {
    0xA5: ("an iM871A envelope", "protocols.captures.im871a:read"),
    0xFF: ("an AMB8465 envelope", "protocols.captures.amb8465:read"),
    0xC0: ("an iU891A envelope", "protocols.captures.iu891a:read"),
}
"""First byte to name and `module:function`, which is imported when such a byte is met."""

_OBJECTS: Final[tuple[Callable[[Mapping[str, object]], Pasted | None], ...]] = (
    rtl_433.read_object,
    iobroker.read_object,
    network_server.read_object,
    open_mqtt_gateway.read_object,
)


def recognise(text: str) -> Pasted:
    """Return the frame that a text holds and the form it is in; raises `NotRecognised`, and nothing else.

    JSON with several frames in it raises `SeveralFrames`, which is one.
    """
    bare = text.lstrip("\ufeff").strip()
    if any(is_row_of_keys(line.partition("#")[0]) for line in bare.splitlines()[:MAX_LINES]):
        raise KeyInstead(IS_KEY_ROW)
    try:
        data = parse_hex(bare)
    except ValueError:
        pass
    else:
        pasted = _of_lines(bare)
        frames = 0 if pasted is not None else frames_in(data)
        if frames > 1:
            raise NotRecognised(f"{frames} telegrams in one text", "paste one at a time")
        return pasted or recognise_bytes(data)
    if len(bare) > TEXT_LIMIT:
        raise NotRecognised(f"text of {len(bare)} characters; a telegram has at most 512 hex digits", INSTEAD)
    logged = None if bare.startswith("{") else _FORWARDER_LOG.search(bare)
    if logged is not None:
        bare = bare[logged.end() :]
    if bare.startswith("{"):
        return _of_json(bare)
    found = _of_array(bare) if bare.startswith("[") else _marked(bare)
    if found is not None:
        return found
    bare = bare.partition("#")[0].rstrip()
    if not bare:
        raise NotRecognised("there is nothing but a comment" if text.strip() else "there is no text", INSTEAD)
    pasted = _proved_base64(bare) or _of_lines(bare)
    if pasted is not None:
        return pasted
    for read in _LINES:
        pasted = read(bare)
        if pasted is not None:
            return pasted
    return _of_columns_or_words(bare)


def recognise_all(text: str) -> tuple[Pasted, ...]:
    """Return all frames of a text, one at least; the first one notes what was left out. Raises as `recognise` does."""
    try:
        return (recognise(text),)
    except SeveralFrames as several:
        found: list[Pasted] = []
        refused: list[NotRecognised] = []
        for part in several.texts:
            try:
                found += recognise_all(part)
            except NotRecognised as error:
                refused.append(error)
        if not found:
            raise refused[0] from None
        notes = (
            (*several.notes, f"{counted(len(refused), 'object')} left out: {refused[0].seen}")
            if refused
            else several.notes
        )
        return replace(found[0], notes=(*found[0].notes, *notes)), *found[1:]


def recognise_bytes(data: bytes) -> Pasted:
    """Return the frame that bytes are, or that lies in an envelope or in chips; plain bytes where nothing is proved."""
    if length_fits(data):
        # One text of chips in some hundred has by chance a first byte that counts those after it.
        chips = _whole_chips(data) if mode_t_chips.begins_with_symbols(data) else None
        return chips or Pasted(RawFrame(data))
    in_envelope = data[:1] and data[0] in ENVELOPES
    as_chips = mode_t_chips.may_be_chips(data)
    if not (in_envelope or as_chips) or checksums_fit(data):
        return _bare(data)
    notes = []
    if in_envelope:
        name, target = ENVELOPES[data[0]]
        try:
            return _envelope_reader(target)(data)
        except BadChecksum as error:
            notes.append(f"begins like {name}, but {error}")
        except ProtocolError:
            pass
    if as_chips:
        try:
            return mode_t_chips.read(data)
        except ProtocolError as error:
            notes.append(f"begins like {mode_t_chips.KIND}, but {error}")
    return replace(_bare(data), notes=tuple(notes))


def _whole_chips(data: bytes) -> Pasted | None:
    try:
        return mode_t_chips.read(data)
    except ProtocolError:
        return None


def _bare(data: bytes) -> Pasted:
    """Bytes that nothing proves: a LoRaWAN frame where they can be one, else an M-Bus frame, damaged or not."""
    if looks_like_lorawan(data) and not checksums_fit(data):
        return Pasted(RawFrame(data, link=Link.LORAWAN), lorawan_frame.KIND)
    return Pasted(RawFrame(data))


def _envelope_reader(target: str) -> EnvelopeReader:
    module_name, _, name = target.partition(":")
    return cast(EnvelopeReader, getattr(import_module(module_name), name))


def _proved(data: bytes) -> Pasted | None:
    """Return what bytes are when something proves it."""
    try:
        pasted = recognise_bytes(data)
    except NotRecognised:
        return None
    return pasted if pasted.kind != PLAIN_HEX or is_whole(data) else None


def _of_json(text: str) -> Pasted:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        pasted = _of_lines(text) or _spelled(text)
        if pasted is not None:
            return pasted
        raise NotRecognised("a brace, but no JSON after it", "paste one whole JSON object") from None
    for read in _OBJECTS:
        pasted = read(members)
        if pasted is not None:
            return pasted
    raise NotRecognised("JSON of no known origin", "paste an object of rtl_433, ioBroker or a LoRaWAN server")


def _of_array(text: str) -> Pasted | None:
    """Return the frame of an array of one object; None when it is none of objects that are known."""
    try:
        objects = json.loads(text)
        texts = tuple(json.dumps(one) for one in objects)
    except (ValueError, RecursionError):
        return None
    if not objects or not all(isinstance(one, dict) for one in objects):
        return None
    if len(texts) > 1:
        raise SeveralFrames(f"JSON array of {len(texts)} objects", "paste one of them", texts)
    return recognise(texts[0])


def _marked(text: str) -> Pasted | None:
    """Return the whole frame of a text of hex with number signs in it, which then start no comment."""
    try:
        data = parse_hex(text.replace("#", ""))
    except ValueError:
        return None
    return _proved(data)


def _of_lines(text: str) -> Pasted | None:
    """Return the only telegram of a text of several lines; None for one line, or when none is a telegram by itself."""
    lines = text.splitlines()
    if len(lines) < 2 or _is_whole_hex(text):
        return None
    if len(lines) > MAX_LINES:
        raise NotRecognised(f"{len(lines)} lines", "paste one telegram, or give the file to fieldtool replay")
    found = []
    folded: list[SeveralFrames] = []
    for line in lines:
        try:
            pasted = recognise(line)
        except SeveralFrames as several:
            folded.append(several)
            continue
        except NotRecognised:
            continue
        if pasted.kind != PLAIN_HEX or is_whole(pasted.frame.data):
            found.append(pasted)
    telegrams = len(found) + sum(len(several.texts) for several in folded)
    if folded and telegrams == len(folded[0].texts):
        raise folded[0]
    if telegrams > 1:
        raise NotRecognised(f"{telegrams} telegrams in {len(lines)} lines", "paste one, or all on standard input")
    if not found:
        return None
    note = f"{counted(len(lines) - 1, 'other line')} left out"
    return replace(found[0], notes=(*found[0].notes, note))


def _is_whole_hex(text: str) -> bool:
    """Say whether a text, blanks and line ends left out, is the hex of one whole frame."""
    try:
        return is_whole(parse_hex(text))
    except ValueError:
        return False


def _proved_base64(text: str) -> Pasted | None:
    data = base64_bytes(text)
    pasted = None if data is None else _proved(data)
    if pasted is None:
        return None
    kind = KIND_BASE64 if pasted.kind == PLAIN_HEX else f"{KIND_BASE64}, {pasted.kind}"
    return replace(pasted, kind=kind)


def _of_columns_or_words(text: str) -> Pasted:
    """Return what columns hold; hex among words comes first where only that is proved to be a frame."""
    in_columns: Pasted | None = None
    problem = "there is no telegram in it"
    try:
        in_columns = _columns(text)
    except NotRecognised:
        raise
    except ValueError as error:
        problem = str(error)
    if in_columns is None or not is_whole(in_columns.frame.data):
        in_columns = _words(text) or in_columns
    if in_columns is None:
        raise NotRecognised(_seen(text, problem), INSTEAD)
    return in_columns


def _spelled(text: str) -> Pasted | None:
    data = spelled_bytes(text)
    return None if data is None else recognise_bytes(data)


def _columns(text: str) -> Pasted | None:
    """Return the telegram among columns with time, strength and mode; `ValueError` when there is none."""
    parsed = parse_line(text)
    if parsed is None:
        return None
    frame, offset_s = parsed
    inner = recognise_bytes(frame.data)
    if inner.kind == PLAIN_HEX:
        return Pasted(frame, KIND_COLUMNS, length_note(frame.data), offset_s)
    rssi_dbm = frame.rssi_dbm if inner.frame.rssi_dbm is None else inner.frame.rssi_dbm
    frame = replace(frame, data=inner.frame.data, rssi_dbm=rssi_dbm, link=inner.frame.link, lora=inner.frame.lora)
    return replace(inner, frame=frame, kind=f"{inner.kind} among columns", offset_s=offset_s)


def _words(text: str) -> Pasted | None:
    runs = [pasted for run in runs_of_hex(text) if (pasted := _proved(run)) is not None]
    # Nothing but a key proves a LoRaWAN frame: among words, any identifier may look like one.
    found = {pasted.frame.data: pasted for pasted in runs if pasted.frame.link is Link.MBUS}
    if len(found) > 1:
        raise NotRecognised(f"{len(found)} telegrams in one text", "paste one at a time")
    for pasted in found.values():
        return replace(pasted, kind=KIND_WORDS if pasted.kind == PLAIN_HEX else f"{pasted.kind} among other words")
    return None


def _seen(text: str, problem: str) -> str:
    """Say what a text is that no form fits."""
    data = base64_bytes(text)
    if data is None or len(data) <= MIN_LENGTH or problem == IS_KEY_ROW:
        return problem
    return f"{problem}, and as Base64 it is {len(data)} bytes that are not a whole frame"


_LINES: Final[tuple[TextReader, ...]] = (
    simulation.read,
    rtl_wmbus.read,
    rtl_433.read_csv,
    esphome.read,
    cul.read,
    iobroker.read_line,
    _spelled,
)
"""Readers of one line, those with the surest marks first."""
