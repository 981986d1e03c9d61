"""CI field: what follows (EN 13757-7:2018, Table 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Content(StrEnum):
    """What the bytes after a CI field and its header are."""

    EXTENDED_LINK = "extended link layer"
    NETWORK = "network layer"
    AUTHENTICATION = "authentication and fragmentation layer"
    RECORDS = "data records"
    COMPACT = "compact frame"
    FORMAT = "format frame"
    NOTHING = "no application data"
    APPLICATION_SELECT = "application reset or select"
    SELECTION = "selection of device"
    APPLICATION_ERROR = "application error"
    ALARM = "alarm"
    MANUFACTURER = "manufacturer specific"
    NAMED = "not decoded"


class Header(StrEnum):
    """Which transport header stands between CI field and content."""

    NONE = "none"
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class CiField:
    """One row of the CI table."""

    name: str
    content: Content
    header: Header = Header.NONE
    downlink: bool = False


_N, _S, _L = Header.NONE, Header.SHORT, Header.LONG

CI_FIELDS: dict[int, CiField] = {
    0x50: CiField("application reset or select", Content.APPLICATION_SELECT, _N, downlink=True),
    0x51: CiField("command", Content.RECORDS, _N, downlink=True),
    0x52: CiField("selection of device", Content.SELECTION, _N, downlink=True),
    0x53: CiField("application reset or select", Content.APPLICATION_SELECT, _L, downlink=True),
    0x54: CiField("request of selected application", Content.NAMED, _N, downlink=True),
    0x55: CiField("request of selected application", Content.NAMED, _L, downlink=True),
    0x5A: CiField("command", Content.RECORDS, _S, downlink=True),
    0x5B: CiField("command", Content.RECORDS, _L, downlink=True),
    0x5C: CiField("synchronise action", Content.NAMED, _N, downlink=True),
    0x5F: CiField("specific usage", Content.NAMED, _L, downlink=True),
    0x60: CiField("DLMS/COSEM to device", Content.NAMED, _L, downlink=True),
    0x61: CiField("DLMS/COSEM to device", Content.NAMED, _S, downlink=True),
    0x64: CiField("OBIS value descriptors to device", Content.NAMED, _L, downlink=True),
    0x65: CiField("OBIS value descriptors to device", Content.NAMED, _S, downlink=True),
    0x66: CiField("response of selected application", Content.NAMED, _N),
    0x67: CiField("response of selected application", Content.NAMED, _S),
    0x68: CiField("response of selected application", Content.NAMED, _L),
    0x69: CiField("format frame", Content.FORMAT, _N),
    0x6A: CiField("format frame", Content.FORMAT, _S),
    0x6B: CiField("format frame", Content.FORMAT, _L),
    0x6C: CiField("clock synchronisation, absolute", Content.NAMED, _L, downlink=True),
    0x6D: CiField("clock synchronisation, relative", Content.NAMED, _L, downlink=True),
    0x6E: CiField("application error", Content.APPLICATION_ERROR, _S),
    0x6F: CiField("application error", Content.APPLICATION_ERROR, _L),
    0x70: CiField("application error", Content.APPLICATION_ERROR, _N),
    0x71: CiField("alarm", Content.ALARM, _N),
    0x72: CiField("full frame", Content.RECORDS, _L),
    0x73: CiField("compact frame", Content.COMPACT, _L),
    0x74: CiField("alarm", Content.ALARM, _S),
    0x75: CiField("alarm", Content.ALARM, _L),
    0x76: CiField("full frame with the most significant byte first", Content.NAMED, _N),
    0x77: CiField("fixed data structure with the most significant byte first", Content.NAMED, _N),
    0x78: CiField("full frame", Content.RECORDS, _N),
    0x79: CiField("compact frame", Content.COMPACT, _N),
    0x7A: CiField("full frame", Content.RECORDS, _S),
    0x7B: CiField("compact frame", Content.COMPACT, _S),
    0x7C: CiField("DLMS/COSEM", Content.NAMED, _L),
    0x7D: CiField("DLMS/COSEM", Content.NAMED, _S),
    0x7E: CiField("OBIS value descriptors", Content.NAMED, _L),
    0x7F: CiField("OBIS value descriptors", Content.NAMED, _S),
    0x80: CiField("transport layer to device", Content.NOTHING, _L, downlink=True),
    0x81: CiField("network layer", Content.NETWORK, _N),
    0x82: CiField("network management to device", Content.NAMED, _L, downlink=True),
    0x83: CiField("network management to device", Content.NAMED, _N, downlink=True),
    0x84: CiField("transport layer to device, compact frame expected", Content.NOTHING, _L, downlink=True),
    0x85: CiField("transport layer to device, format frame expected", Content.NOTHING, _L, downlink=True),
    0x86: CiField("extended link layer V", Content.NAMED, _N),
    0x87: CiField("network management", Content.NAMED, _L),
    0x88: CiField("network management", Content.NAMED, _S),
    0x89: CiField("network management", Content.NAMED, _N),
    0x8A: CiField("transport layer from device", Content.NOTHING, _S),
    0x8B: CiField("transport layer from device", Content.NOTHING, _L),
    0x8C: CiField("extended link layer I", Content.EXTENDED_LINK, _N),
    0x8D: CiField("extended link layer II", Content.EXTENDED_LINK, _N),
    0x8E: CiField("extended link layer III", Content.EXTENDED_LINK, _N),
    0x8F: CiField("extended link layer IV", Content.EXTENDED_LINK, _N),
    0x90: CiField("authentication and fragmentation layer", Content.AUTHENTICATION, _N),
    0x9E: CiField("specific usage", Content.NAMED, _S),
    0x9F: CiField("specific usage", Content.NAMED, _L),
    **{0xB8 + step: CiField(f"set baud rate {300 << step}", Content.NOTHING, _N, downlink=True) for step in range(8)},
    0xC0: CiField("image transfer to device", Content.NAMED, _L, downlink=True),
    0xC1: CiField("image transfer", Content.NAMED, _S),
    0xC2: CiField("image transfer", Content.NAMED, _L),
    0xC3: CiField("security information transfer to device", Content.NAMED, _L, downlink=True),
    0xC4: CiField("security information transfer", Content.NAMED, _S),
    0xC5: CiField("security information transfer", Content.NAMED, _L),
}

_RANGES: tuple[tuple[int, int, CiField], ...] = (
    (0x00, 0x1F, CiField("DLMS-based application", Content.NAMED)),
    (0xA0, 0xB7, CiField("manufacturer specific", Content.MANUFACTURER)),
)


def is_reserved(code: int) -> bool:
    """Say whether no row is known of a CI code."""
    return code not in CI_FIELDS and not any(first <= code <= last for first, last, _ in _RANGES)


def ci_field(code: int) -> CiField:
    """Return the row of a CI code; reserved codes come back as `reserved 0xNN`, not decoded."""
    field = CI_FIELDS.get(code)
    if field is not None:
        return field
    for first, last, row in _RANGES:
        if first <= code <= last:
            return row
    return CiField(f"reserved CI 0x{code:02X}", Content.NAMED)
