"""Transport layer: address, access number, status, configuration field (EN 13757-7, 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from construct import Bytes, Int8ul, Int16ul, Struct

from protocols.errors import Truncated
from protocols.model import Address, Span, Status
from protocols.plural import counted
from protocols.wmbus.ci import CiField, Header, ci_field
from protocols.wmbus.link import tile

SHORT_HEADER = Struct("acc" / Int8ul, "status" / Int8ul, "configuration" / Int16ul)
LONG_HEADER = Struct("address" / Bytes(8), "acc" / Int8ul, "status" / Int8ul, "configuration" / Int16ul)
_SCHEMAS = {Header.SHORT: SHORT_HEADER, Header.LONG: LONG_HEADER}
_HEADER_WORDS = {Header.NONE: "no header", Header.SHORT: "short header", Header.LONG: "long header"}

EXTENSION_SIZES: dict[int, int] = {7: 1, 10: 2, 13: 1}
"""Security modes whose configuration field has an extension, and its size in bytes (EN 13757-7, 7.5.8)."""

KEY_VERSION_PRESENT = 0x40
"""Bit V of the configuration field extension: a key version byte follows."""

COUNTER_IN_HEADER = 0x2000
"""Bit Z of the mode 7 configuration word: the message counter follows in the transport header."""

COUNTER_SIZE = 4

ALL_BYTES = 0xFF
"""Low byte of the configuration word of mode 10: everything between counter and tag is encrypted."""

CONFIGURATION_BITS: tuple[tuple[int, str], ...] = (
    (0x8000, "bidirectional"),
    (0x4000, "accessible"),
    (0x2000, "synchronous"),
    (0x0002, "repeated access"),
    (0x0001, "repeated by a hop"),
)
"""Of the words of modes 0, 5 and 15 (EN 13757-7, 7.5.6)."""

CONTENT = 0x000C
STATIC_MESSAGE = 0x0008
"""Content of the message: 10 says that it does not change."""

STATUS_LOW_BITS = ("", "application_busy", "application_error", "alarm")
STATUS_BITS: tuple[tuple[int, str], ...] = (
    (0x04, "power_low"),
    (0x08, "permanent_error"),
    (0x10, "temporary_error"),
    (0x20, "manufacturer_bit_5"),
    (0x40, "manufacturer_bit_6"),
    (0x80, "manufacturer_bit_7"),
)

SECURITY_NAMES: dict[int, str] = {
    0: "none",
    1: "manufacturer specific",
    2: "DES-CBC, IV 0",
    3: "DES-CBC",
    4: "AES-128-CBC, IV 0",
    5: "AES-128-CBC",
    6: "reserved",
    7: "AES-128-CBC, derived key",
    8: "AES-128-CTR with CMAC",
    9: "AES-128-GCM",
    10: "AES-128-CCM",
    13: "TLS",
    15: "AES-128-CBC, DSMR",
}


@dataclass(frozen=True, slots=True)
class TransportLayer:
    """CI field and transport header; `end` is where the application layer begins, encrypted or not."""

    ci: int
    start: int
    end: int
    address: Address | None = None
    access_number: int | None = None
    status: int | None = None
    configuration: int | None = None
    extension: bytes = b""
    key_version: int | None = None
    counter: bytes | None = None
    name: str = "transport"

    @property
    def ci_field(self) -> CiField:
        """The row of the CI table."""
        return ci_field(self.ci)

    @property
    def security_mode(self) -> int:
        """Bits 12-8 of the configuration word; 0 without a header."""
        return 0 if self.configuration is None else (self.configuration >> 8) & 0x1F

    @property
    def encrypted_blocks(self) -> int:
        """N, bits 7-4 of the configuration word of modes 5 and 7: 16-byte blocks that are encrypted."""
        return 0 if self.configuration is None else (self.configuration >> 4) & 0x0F

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """CI, address, ACC, STS, CF and what the security mode adds."""
        row = self.ci_field
        fields: list[tuple[int, str, str, str]] = [
            (1, "CI", f"{row.name}, {_HEADER_WORDS[row.header]}", "EN 13757-7, Table 2"),
        ]
        if self.address is not None:
            fields += [
                (4, "ID", f"number {self.address.number}", "EN 13757-7, 7.5.2"),
                (2, "M", f"manufacturer {self.address.manufacturer}", "EN 13757-7, 7.5.2"),
                (1, "version", f"{self.address.version}", "EN 13757-7, 7.5.2"),
                (1, "device type", self.address.medium, "EN 13757-7, 7.5.2"),
            ]
        if self.status is not None:
            flags = ", ".join(status_flags(self.status)) or "no error"
            fields.append((1, "ACC", f"access number {self.access_number}", "EN 13757-7, 7.5.3"))
            fields.append((1, "STS", flags, "EN 13757-7, 7.5.4"))
        if self.configuration is not None:
            fields.append((2, "CF", self._configuration_meaning(), "EN 13757-7, 7.5.5"))
        if self.extension:
            fields.append((len(self.extension), "CFE", self._extension_meaning(), "EN 13757-7, 7.5.8"))
        return tile(self.name, self.start, (*fields, *self._extension_fields()))

    def _extension_fields(self) -> list[tuple[int, str, str, str]]:
        """Message counter and key version; mode 10 sends the version first, mode 7 the counter."""
        fields: list[tuple[int, str, str, str]] = []
        if self.counter is not None:
            counter = int.from_bytes(self.counter, "little")
            fields.append((COUNTER_SIZE, "MC", f"message counter {counter}", "EN 13757-7, 7.5.8"))
        if self.key_version is not None:
            position = 0 if self.security_mode == 10 else len(fields)
            fields.insert(position, (1, "key version", f"{self.key_version}", "EN 13757-7, 7.5.8"))
        return fields

    def _configuration_meaning(self) -> str:
        mode = self.security_mode
        name = f"security mode {mode} ({SECURITY_NAMES.get(mode, 'reserved')})"
        return ", ".join((name, *self._encrypted_words(), *self._configuration_flags()))

    def _encrypted_words(self) -> tuple[str, ...]:
        """How much of the payload is encrypted, in the unit of the mode."""
        mode, low = self.security_mode, (self.configuration or 0) & 0xFF
        if mode in (5, 7, 15):
            return (counted(self.encrypted_blocks, "encrypted block"),)
        if mode == 10 and low == ALL_BYTES:
            return ("all bytes encrypted",)
        return (counted(low, "encrypted byte"),) if mode in (2, 3, 10) else ()

    def _configuration_flags(self) -> tuple[str, ...]:
        """Bits B, A, S, R and H, and the content of the message, where the mode's word has them."""
        word = self.configuration or 0
        if self.security_mode not in (0, 5, 15):
            return ()
        content = ("static message",) if word & CONTENT == STATIC_MESSAGE else ()
        return (*(name for bit, name in CONFIGURATION_BITS if word & bit), *content)

    def _extension_meaning(self) -> str:
        word = int.from_bytes(self.extension, "little")
        derivation = {0: "persistent key", 1: "KDF-A"}.get((word >> 4) & 3, "reserved derivation")
        return f"{derivation}, key {word & 0x0F}"


def status_flags(status: int) -> tuple[str, ...]:
    """Names of what a transport status byte reports (EN 13757-7, 7.5.4)."""
    low = STATUS_LOW_BITS[status & 3]
    return ((low,) if low else ()) + tuple(name for bit, name in STATUS_BITS if status & bit)


def status_of(layer: TransportLayer) -> Status | None:
    """The status byte of a header that has one."""
    return None if layer.status is None else Status(layer.status, status_flags(layer.status))


def parse_transport(data: bytes, start: int) -> TransportLayer:
    """Read CI field and header at `start`; `Truncated` when the frame ends inside the header."""
    ci = data[start]
    header = ci_field(ci).header
    if header is Header.NONE:
        return TransportLayer(ci, start, start + 1)
    schema = _SCHEMAS[header]
    end = start + 1 + schema.sizeof()
    if end > len(data):
        raise Truncated(f"frame ends inside the {header} transport header", layer="transport", offset=len(data))
    fields = schema.parse(data[start + 1 : end])
    address = fields.get("address")
    layer = TransportLayer(
        ci,
        start,
        end,
        address=None if address is None else Address.from_transport(address),
        access_number=fields.acc,
        status=fields.status,
        configuration=fields.configuration,
    )
    return _with_extension(layer, data)


def _with_extension(layer: TransportLayer, data: bytes) -> TransportLayer:
    """Add what the security mode puts after the configuration word: CFE, counter, key version."""
    mode = layer.security_mode
    size = EXTENSION_SIZES.get(mode)
    if size is None:
        return layer
    position = layer.end
    extension = data[position : position + size]
    position += size
    counter = key_version = None
    has_version = bool(extension) and bool(extension[0] & KEY_VERSION_PRESENT)
    has_counter = mode == 10 or (mode == 7 and bool((layer.configuration or 0) & COUNTER_IN_HEADER))
    if mode == 10 and has_version:
        key_version = _byte(data, position)
        position += 1
    if has_counter:
        counter = data[position : position + COUNTER_SIZE]
        position += COUNTER_SIZE
    if mode == 7 and has_version:
        key_version = _byte(data, position)
        position += 1
    if position > len(data):
        raise Truncated("frame ends inside the configuration field extension", layer="transport", offset=len(data))
    return replace(layer, end=position, extension=extension, key_version=key_version, counter=counter)


def _byte(data: bytes, offset: int) -> int:
    return data[offset] if offset < len(data) else 0
