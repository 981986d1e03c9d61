"""Compact and format frames: records whose headers were learned before (EN 13757-3, Annex G)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import islice

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated, Unsupported
from protocols.mbus.compact_profiles import expand_profiles
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.header import LAYER, header_end, interpret
from protocols.mbus.records import ParsedRecords, make_record
from protocols.mbus.tables import FILLER
from protocols.mbus.values import data_end
from protocols.model import Record
from protocols.plural import counted

SIGNATURE_LENGTH = 2
MAX_FORMATS = 4096
"""Formats that a library holds; beyond it nothing is learned. The meters of a town have some dozens."""

PREAMBLE_LENGTH = 4
"""Signature and full-frame CRC before the data of a compact frame."""

Headers = tuple[bytes, ...]
"""One DIF/VIF chain a record: a format."""


def format_signature(headers: bytes) -> int:
    """Return the signature of the concatenated headers of all records (EN 13757-3, G.3)."""
    return crc16_en13757(headers)


def headers_of(records: Iterable[Record]) -> bytes:
    """Return the format of a full frame: the headers of its records, concatenated."""
    return b"".join(record.header for record in records if record.expanded_from is None)


def full_frame_bytes(records: Iterable[Record]) -> bytes:
    """Return the records as a full frame transmits them: headers and data in turn, no fillers, no manufacturer data."""
    return b"".join(record.header + record.data for record in records if record.expanded_from is None)


@dataclass(frozen=True, slots=True)
class FormatLibrary:
    """The formats known so far, by signature, at most `MAX_FORMATS`; they are the same for all meters of a type."""

    formats: Mapping[int, Headers] = field(default_factory=dict)

    def get(self, signature: int) -> Headers | None:
        """Return the format of a signature, None when it was never seen."""
        return self.formats.get(signature)

    def learn(self, headers: bytes) -> FormatLibrary:
        """Return a library that knows this format too; this one when it does already, is full, or there are no headers.

        Raises `Truncated` or `BadField` when the bytes are not one record header after the other.
        """
        signature = format_signature(headers)
        if not headers or signature in self.formats or len(self.formats) >= MAX_FORMATS:
            return self
        return FormatLibrary({**self.formats, signature: split_headers(headers, 0, len(headers))})

    def joined(self, other: FormatLibrary) -> FormatLibrary:
        """Return a library that knows the formats of both, this one's first; this one when the other knows no more."""
        added = {signature: headers for signature, headers in other.formats.items() if signature not in self.formats}
        if not added:
            return self
        return FormatLibrary(dict(islice({**self.formats, **added}.items(), MAX_FORMATS)))

    def __len__(self) -> int:
        return len(self.formats)


@dataclass(frozen=True, slots=True)
class CompactRecords(ParsedRecords):
    """The records of a compact frame, with what the frame says about them."""

    signature: int
    full_crc: int
    crc_matches: bool


@cache
def shipped_formats() -> FormatLibrary:
    """Return the formats that come with the package, so that compact frames of common meters decode at once."""
    text = resources.files("protocols.mbus").joinpath("formats.toml").read_text(encoding="utf-8")
    library = FormatLibrary()
    for row in tomllib.loads(text)["format"]:
        library = library.learn(bytes.fromhex(row["headers"]))
    return library


def split_headers(data: bytes, start: int, end: int) -> Headers:
    """Cut concatenated headers apart; raises `Truncated` or `BadField` when they are none."""
    headers: list[bytes] = []
    position = start
    while position < end:
        following = header_end(data, position, end)
        headers.append(data[position:following])
        position = following
    return tuple(headers)


def parse_format_frame(data: bytes, start: int, end: int) -> bytes:
    """Return the concatenated headers of a format frame (CI 69, 6A, 6B), which starts with LEN and signature.

    Raises `Truncated`, `BadField`, or `BadChecksum` when the signature is not that of the headers.
    """
    end = min(end, len(data))
    if start + 1 + SIGNATURE_LENGTH > end:
        raise Truncated("the format frame ends before its signature", layer=LAYER, offset=end)
    length = data[start]
    frame_end = start + 1 + length
    if length < SIGNATURE_LENGTH:
        raise BadField(f"length {length} of a format frame leaves no signature", layer=LAYER, offset=start)
    if frame_end > end:
        message = f"the format frame announces {length} bytes, {end - start - 1} are left"
        raise Truncated(message, layer=LAYER, offset=end)
    headers_start = start + 1 + SIGNATURE_LENGTH
    signature = int.from_bytes(data[start + 1 : headers_start], "little")
    computed = format_signature(data[headers_start:frame_end])
    if computed != signature:
        message = f"format signature {signature:04X} is not that of its headers ({computed:04X})"
        raise BadChecksum(message, layer=LAYER, offset=start + 1)
    split_headers(data, headers_start, frame_end)
    return data[headers_start:frame_end]


def expand_compact(data: bytes, start: int, end: int, library: FormatLibrary) -> CompactRecords:
    """Decode a compact frame (CI 79, 7B, 73) at `start`: signature, full-frame CRC, data of all records.

    The records' spans cover their data only. A full-frame CRC that does not match is a note where the length fits: a
    published telegram of a real meter fails it. Where neither fits, there are no records.
    Raises `Truncated` without a signature, `Unsupported` for one that is not in `library`.
    """
    end = min(end, len(data))
    data_start = start + PREAMBLE_LENGTH
    if data_start > end:
        raise Truncated("the compact frame ends before its signature and CRC", layer=LAYER, offset=end)
    signature = int.from_bytes(data[start : start + SIGNATURE_LENGTH], "little")
    full_crc = int.from_bytes(data[start + SIGNATURE_LENGTH : data_start], "little")
    headers = library.get(signature)
    if headers is None:
        message = f"compact frame of unknown format {signature:04X}: needs a full frame of the same meter type first"
        raise Unsupported(message, layer=LAYER, offset=start)
    records, problem, position = _interleave(headers, data, data_start, end)
    notes: list[str] = []
    crc_matches = problem is None and crc16_en13757(full_frame_bytes(records)) == full_crc
    if problem is None:
        only_fillers = data.count(FILLER, position, end) == end - position
        if not crc_matches and not only_fillers:
            problem, records, position = _misfit(signature, full_crc, end - position, data_start), [], data_start
        elif not crc_matches:
            notes.append(f"full-frame CRC {full_crc:04X} does not match format {signature:04X}")
        elif not only_fillers:
            notes.append(f"{counted(end - position, 'byte')} after the last record of format {signature:04X}")
        position = end if only_fillers else position
    expanded, profile_notes = expand_profiles(records)
    return CompactRecords(
        records=(*records, *expanded),
        tail=None,
        more_follows=False,
        problem=problem,
        stopped_at=position,
        notes=(*notes, *profile_notes),
        signature=signature,
        full_crc=full_crc,
        crc_matches=crc_matches,
    )


def _misfit(signature: int, full_crc: int, left: int, offset: int) -> ProtocolError:
    """The reason why a frame is not read: its format is another meter's with the same signature, or it is damaged."""
    remains = f"{counted(left, 'byte')} {'is' if left == 1 else 'are'} left"
    message = (
        f"format {signature:04X} does not fit this frame: {remains}, and the full-frame CRC {full_crc:04X} is another"
    )
    return BadChecksum(message, layer=LAYER, offset=offset)


def _interleave(headers: Headers, data: bytes, start: int, end: int) -> tuple[list[Record], ProtocolError | None, int]:
    """Give each header its data; returns the records, what stopped it, and where."""
    records: list[Record] = []
    position = start
    try:
        for raw in headers:
            header = interpret(raw)
            following = data_end(header, data, position, end)
            records.append(make_record(len(records), header, data[position:following], position, position))
            position = following
    except ProtocolError as error:
        return records, error, position
    return records, None, position
