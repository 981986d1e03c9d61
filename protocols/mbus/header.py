"""The record header, DIF to VIFEs and plain-text unit, and what it says about the data (EN 13757-3, 6.3, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from protocols.errors import BadField, Truncated
from protocols.mbus import tables_fb, tables_fd, tables_primary, tables_vife
from protocols.mbus.tables import (
    DATA_FIELDS,
    EXTENSION_BIT,
    FUNCTIONS,
    MAX_DIFE,
    MAX_VIFE,
    Coding,
    DataField,
    Form,
    VifCode,
    reserved,
)
from protocols.mbus.tables_vife import Effect, VifeCode
from protocols.model import Function, Quality
from protocols.text import text_from_bytes

LAYER = "records"

CACHED_HEADERS = 4096
"""Meters repeat the same few headers in every telegram; a thousand meter families have fewer than this."""

_CODE_MASK = 0x7F
_NUMERIC = frozenset({Coding.NUMBER, Coding.COUNTER, Coding.UNSIGNED, Coding.DATE, Coding.TIMEPOINT, Coding.BITS})
"""Codings that devices keep when they add a VIFE of their own (phases, tariffs) to a standard VIF."""


@dataclass(frozen=True, slots=True)
class VifePart:
    """One byte of the VIF chain after the VIF: offset in the header, code without extension bit, meaning."""

    offset: int
    code: int
    meaning: str
    clause: str


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """What a record's header says, apart from where it lies.

    `data_length` is None for a variable length (LVAR). value = data x 10^`exponent` x `factor` + `offset`, in `unit`.
    `quality` is that of a record error, else good. `profile` names the kind of compact profile, if it is one.
    `vif_offset` and `text` (start, end) are offsets in `raw`.
    """

    raw: bytes
    function: Function
    storage: int
    tariff: int
    subunit: int
    data_field: int
    field: DataField
    vif_codes: tuple[int, ...]
    quantity: str
    unit: str
    exponent: int
    factor: Decimal | None
    offset: Decimal | None
    coding: Coding
    modifiers: tuple[str, ...]
    quality: Quality
    profile: str | None
    clause: str
    vif_offset: int
    vifes: tuple[VifePart, ...]
    text: tuple[int, int] | None

    @property
    def data_length(self) -> int | None:
        """Bytes of data, None when the first data byte tells."""
        return None if self.field.form is Form.VARIABLE else self.field.length

    @property
    def scaled(self) -> bool:
        """True when the value has a unit or a scale, and so is a Decimal."""
        return bool(self.unit) or self.exponent != 0 or self.factor is not None or self.offset is not None


def header_end(data: bytes, offset: int, end: int) -> int:
    """Return the offset after the header that starts at `offset`; nothing at or after `end` is read.

    Raises `Truncated` when the header does not end in time, `BadField` for special DIFs and overlong chains.
    """
    if offset >= end:
        raise Truncated("no record header: the message ends before the DIF", layer=LAYER, offset=offset)
    if data[offset] & 0x0F == 0x0F:
        raise BadField(f"DIF {data[offset]:02X} is not a record header", layer=LAYER, offset=offset)
    vif = _chain_end(data, offset, end, MAX_DIFE, "DIFE")
    if vif < end and data[vif] & _CODE_MASK == tables_primary.PLAIN_TEXT:
        return _plain_text(data, vif, end)[2]
    return _chain_end(data, vif, end, MAX_VIFE, "VIFE")


def parse_header(data: bytes, offset: int, end: int | None = None, *, downlink: bool = False) -> RecordHeader:
    """Return what the record header at `offset` says; its length is that of `RecordHeader.raw`.

    `downlink` takes VIFEs 00-0F as object actions instead of record errors. Raises as `header_end` does.
    """
    return interpret(data[offset : header_end(data, offset, len(data) if end is None else end)], downlink=downlink)


def _chain_end(data: bytes, offset: int, end: int, limit: int, name: str) -> int:
    """Return the offset after a byte and its extension bytes."""
    position = offset
    last = offset + limit
    while position < end:
        if data[position] < EXTENSION_BIT:
            return position + 1
        if position == last:
            raise BadField(f"more than {limit} {name} bytes in one record", layer=LAYER, offset=offset)
        position += 1
    before = "DIF" if name == "DIFE" else "VIF"
    raise Truncated(f"the message ends inside the {before} chain of a record", layer=LAYER, offset=end)


def _plain_text(data: bytes, vif: int, end: int) -> tuple[int, int, int]:
    """Return start and end of the unit text (its length byte first) and the end of the header.

    Devices in the field send the text before the VIFEs, EN 13757-3 (C.2) after them. The field's order is taken
    when it gives printable text, else the standard's if that does, else the field's.
    """
    if data[vif] < EXTENSION_BIT:
        text_end = _text_end(data, vif + 1, end)
        return vif + 1, text_end, text_end
    if _is_text(data, vif + 1, end):
        text_end = _text_end(data, vif + 1, end)
        if text_end < end:
            return vif + 1, text_end, _chain_end(data, text_end, end, MAX_VIFE - 1, "VIFE")
    vifes_end = _chain_end(data, vif + 1, end, MAX_VIFE - 1, "VIFE")
    if _is_text(data, vifes_end, end):
        text_end = _text_end(data, vifes_end, end)
        return vifes_end, text_end, text_end
    text_end = _text_end(data, vif + 1, end)
    return vif + 1, text_end, _chain_end(data, text_end, end, MAX_VIFE - 1, "VIFE")


def _text_end(data: bytes, start: int, end: int) -> int:
    text_end = start + 1 + data[start] if start < end else end + 1
    if text_end > end:
        raise Truncated("the message ends inside the plain-text unit of a record", layer=LAYER, offset=end)
    return text_end


def _is_text(data: bytes, start: int, end: int) -> bool:
    """Tell whether a length byte and that many printable ISO 8859-1 characters follow."""
    if start >= end or data[start] == 0 or start + 1 + data[start] > end:
        return False
    return data[start + 1 : start + 1 + data[start]].decode("latin-1").isprintable()


def _find_vif(raw: bytes, vif: int) -> tuple[VifCode, int, tuple[int, ...]]:
    """Return the true VIF's meaning, the offset of the first VIFE, and the codes that were spent on the VIF."""
    code = raw[vif] & _CODE_MASK
    extended = raw[vif] >= EXTENSION_BIT
    if extended and code == tables_primary.EXTENSION_FD:
        true = raw[vif + 1] & _CODE_MASK
        if true == tables_fd.SECOND_LEVEL and raw[vif + 1] >= EXTENSION_BIT:
            second = raw[vif + 2] & _CODE_MASK
            row = tables_fd.FD_FD.get(second) or reserved(second, tables_fd.SECOND_LEVEL_CLAUSE)
            return row, vif + 3, (raw[vif], raw[vif + 1], second)
        return tables_fd.FD.get(true) or reserved(true, tables_fd.CLAUSE), vif + 2, (raw[vif], true)
    if extended and code == tables_primary.EXTENSION_FB:
        true = raw[vif + 1] & _CODE_MASK
        return tables_fb.FB.get(true) or reserved(true, tables_fb.CLAUSE), vif + 2, (raw[vif], true)
    return tables_primary.PRIMARY.get(code) or reserved(code, tables_primary.CLAUSE), vif + 1, (code,)


@dataclass(slots=True)
class _Meaning:
    """The VIF's meaning while its VIFEs are applied from left to right."""

    vif: VifCode
    unit: str
    exponent: int
    coding: Coding
    factor: Decimal | None
    offset: Decimal | None = None
    quality: Quality = Quality.GOOD
    profile: str | None = None
    modifiers: list[str] = field(default_factory=list)

    def apply(self, vife: VifeCode) -> None:
        """Let one VIFE change unit, scale, coding or quality, and keep its name."""
        if vife.name:
            self.modifiers.append(vife.name)
        match vife.effect:
            case Effect.MULTIPLY:
                self.exponent += vife.exponent
            case Effect.ADD:
                step = Decimal(1).scaleb(vife.exponent + self.vif.unit_exponent)
                self.offset = step if self.offset is None else self.offset + step
            case Effect.UNIT:
                self.unit = f"{self.unit or '1'}{vife.unit}"
            case Effect.CODING if vife.coding is Coding.BITS:
                self._replace("", vife.coding)
            case Effect.CODING:
                self.coding = vife.coding
            case Effect.QUALITY:
                self.quality = vife.quality
            case Effect.PROFILE:
                self.profile = vife.name
            case Effect.UNITLESS:
                self._replace("", Coding.OPAQUE)
            case Effect.REPLACE:
                self._replace(vife.unit, vife.coding)
            case Effect.NONE:
                pass

    def _replace(self, unit: str, coding: Coding) -> None:
        self.unit, self.coding, self.exponent, self.factor, self.offset = unit, coding, 0, None, None

    def manufacturer(self, rest: bytes) -> None:
        """Take everything after VIFE FF as the manufacturer's qualifier of a value that keeps VIF and scale.

        EN 13757-3 leaves the data to the manufacturer as well; in the field they are the VIF's (phases of
        electricity meters), and identification numbers are the only ones that are not.
        """
        self.modifiers.append(f"manufacturer_{rest.hex()}" if rest else "manufacturer")
        if self.coding not in _NUMERIC:
            self.coding = Coding.OPAQUE

    def withhold(self) -> None:
        """Leave the data unread, whatever the VIFEs would make of them."""
        self._replace("", Coding.SECRET)
        self.profile = None


def _apply_vifes(raw: bytes, first: int, last: int, meaning: _Meaning, *, downlink: bool) -> list[VifePart]:
    """Apply the VIFEs in `raw[first:last]` and name each of them."""
    parts: list[VifePart] = []
    position = first
    while position < last:
        code = raw[position] & _CODE_MASK
        if code == tables_vife.MANUFACTURER_SPECIFIC:
            meaning.manufacturer(raw[position + 1 : last])
            parts.append(VifePart(position, code, "manufacturer specific from here", tables_vife.CLAUSE))
            parts += _raw_parts(raw, position + 1, last, "manufacturer specific", tables_vife.CLAUSE)
            return parts
        if code == tables_vife.EXTENSION_FC and position + 1 < last:
            parts.append(VifePart(position, code, "extension table FC", tables_vife.CLAUSE))
            position += 1
            vife = tables_vife.extension(raw[position] & _CODE_MASK)
        else:
            vife = tables_vife.combinable(code, downlink=downlink)
        meaning.apply(vife)
        parts.append(VifePart(position, raw[position] & _CODE_MASK, _vife_words(vife), vife.clause))
        position += 1
    return parts


def _vife_words(vife: VifeCode) -> str:
    match vife.effect:
        case Effect.MULTIPLY:
            return f"x 10^{vife.exponent}"
        case Effect.ADD:
            return f"+ 10^{vife.exponent} of the VIF's unit"
        case Effect.CODING:
            return f"data are {vife.coding.value}"
        case _:
            return vife.name.replace("_", " ") or "no record error"


def _raw_parts(raw: bytes, first: int, last: int, meaning: str, clause: str) -> list[VifePart]:
    return [VifePart(at, raw[at] & _CODE_MASK, meaning, clause) for at in range(first, last)]


@lru_cache(maxsize=CACHED_HEADERS)
def interpret(raw: bytes, *, downlink: bool = False) -> RecordHeader:
    """Return what the bytes of exactly one header say.

    Raises `Truncated` or `BadField` when they are not one; offsets in the errors count from the header's start.
    """
    end = header_end(raw, 0, len(raw))
    if end != len(raw):
        raise BadField(f"{len(raw) - end} bytes after the record header", layer=LAYER, offset=end)
    vif_offset = _chain_end(raw, 0, end, MAX_DIFE, "DIFE")
    storage, tariff, subunit = _registers(raw, vif_offset)
    data_field = DATA_FIELDS[raw[0] & 0x0F]
    if data_field is None:
        raise BadField(f"DIF {raw[0]:02X} is not a record header", layer=LAYER, offset=0)
    vif, first, spent = _find_vif(raw, vif_offset)
    meaning = _Meaning(vif, vif.unit, vif.exponent, vif.coding, vif.factor)
    text, last = None, end
    if raw[vif_offset] & _CODE_MASK == tables_primary.PLAIN_TEXT:
        start, stop, _ = _plain_text(raw, vif_offset, end)
        text = (start, stop)
        first, last = (first, start) if stop == end and start > first else (stop, end)
        # The unit is transmitted last character first.
        meaning.unit = text_from_bytes(raw[start + 1 : stop][::-1])
    vifes = _vife_parts(raw, vif_offset, (first, last), meaning, downlink=downlink)
    return RecordHeader(
        raw=raw,
        function=FUNCTIONS[raw[0] >> 4 & 3],
        storage=storage,
        tariff=tariff,
        subunit=subunit,
        data_field=raw[0] & 0x0F,
        field=data_field,
        vif_codes=(*spent, *(raw[at] & _CODE_MASK for at in range(first, last))),
        quantity=vif.quantity,
        unit=meaning.unit,
        exponent=meaning.exponent,
        factor=meaning.factor,
        offset=meaning.offset,
        coding=meaning.coding,
        modifiers=tuple(meaning.modifiers),
        quality=meaning.quality,
        profile=meaning.profile,
        clause=vif.clause,
        vif_offset=vif_offset,
        vifes=vifes,
        text=text,
    )


def _vife_parts(
    raw: bytes, vif_offset: int, chain: tuple[int, int], meaning: _Meaning, *, downlink: bool
) -> tuple[VifePart, ...]:
    """Apply the VIFEs of `chain` (start, end) as the VIF wants them read, and name every byte after the VIF."""
    first, last = chain
    if raw[vif_offset] & _CODE_MASK == tables_primary.MANUFACTURER_SPECIFIC:
        meaning.manufacturer(raw[first:last])
        return tuple(_raw_parts(raw, first, last, "manufacturer specific", tables_primary.CLAUSE))
    if raw[vif_offset] == tables_primary.EXTENSION_EF | EXTENSION_BIT:
        return tuple(_raw_parts(raw, first, last, "reserved extension table EF", tables_primary.CLAUSE))
    parts = _true_vif_parts(raw, vif_offset, first, meaning.vif)
    parts += _apply_vifes(raw, first, last, meaning, downlink=downlink)
    if meaning.vif.coding is Coding.SECRET:
        meaning.withhold()
    return tuple(parts)


def _true_vif_parts(raw: bytes, vif_offset: int, first: int, vif: VifCode) -> list[VifePart]:
    """Name the bytes between an extension VIF and the first VIFE; none for a primary or plain-text VIF."""
    if raw[vif_offset] & _CODE_MASK == tables_primary.PLAIN_TEXT:
        return []
    parts = _raw_parts(raw, vif_offset + 1, first - 1, "second level of the extension table", vif.clause)
    if first - 1 > vif_offset:
        parts.append(VifePart(first - 1, raw[first - 1] & _CODE_MASK, describe_vif(vif), vif.clause))
    return parts


def describe_vif(vif: VifCode) -> str:
    """Return quantity, unit and scale in words: `volume, m3, x 10^-3`."""
    words = [vif.quantity.replace("_", " ")]
    if vif.unit:
        words.append(vif.unit)
    if vif.exponent:
        words.append(f"x 10^{vif.exponent}")
    if vif.factor is not None:
        words.append(f"x {vif.factor}")
    return ", ".join(words)


def primary_words(header: RecordHeader) -> str:
    """Return what the VIF byte itself says: the quantity, or the table that follows."""
    raw = header.raw[header.vif_offset]
    code = raw & _CODE_MASK
    if raw >= EXTENSION_BIT and code in (tables_primary.EXTENSION_FB, tables_primary.EXTENSION_FD):
        return f"extension table {raw:02X}"
    return describe_vif(tables_primary.PRIMARY.get(code) or reserved(code, tables_primary.CLAUSE))


def _registers(raw: bytes, vif_offset: int) -> tuple[int, int, int]:
    """Collect storage number, tariff and subunit from DIF and DIFEs (EN 13757-3, 6.3.3)."""
    storage, tariff, subunit = raw[0] >> 6 & 1, 0, 0
    for step in range(vif_offset - 1):
        dife = raw[step + 1]
        storage |= (dife & 0x0F) << (1 + 4 * step)
        tariff |= (dife >> 4 & 3) << (2 * step)
        subunit |= (dife >> 6 & 1) << step
    return storage, tariff, subunit
