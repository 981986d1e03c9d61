"""Messages of a radio access: what a gateway sends to a meter and what the meter answers, built and taken apart.

A gateway's frame has the gateway's address on the link layer and the meter's in the long transport header. A meter's
has its own on the link layer, an extended link layer I and the short header. Data travel in security mode 5 when there
is a key, in mode 0 otherwise (EN 13757-4, 12.5.2 and 13.2; EN 13757-7, 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from protocols.crypto import BLOCK, aes_cbc_decrypt, aes_cbc_encrypt
from protocols.errors import BadField, DecryptFailed, Truncated, Unsupported
from protocols.model import Address
from protocols.wmbus.ci import Content, ci_field
from protocols.wmbus.control import C_FIELDS, control_name
from protocols.wmbus.ell import parse_ell
from protocols.wmbus.encode import FILLER, TransportHeader, extended_link, link_frame
from protocols.wmbus.link import HEADER_SIZE, parse_link
from protocols.wmbus.link_timing import ACCESSIBLE, BIDIRECTIONAL
from protocols.wmbus.security.cbc_address import initial_vector
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import TransportLayer, parse_transport

SND_NKE: Final = 0x40
SND_UD: Final = 0x53
REQ_UD1: Final = 0x5A
REQ_UD2: Final = 0x5B
CNF_IR: Final = 0x06
SND_NR: Final = 0x44
SND_IR: Final = 0x46
ACK: Final = 0x00
NACK: Final = 0x01
RSP_UD: Final = 0x08
FCB: Final = 0x20
"""Frame count bit of SND-UD and REQ-UD: toggled with every new request, kept in a repetition."""

ANSWERS: Final = frozenset({"ACK", "NACK", "RSP-UD"})
"""What a meter sends because it was asked; the access number in its transport header is that of the request."""

CI_COMMAND: Final = 0x5B
CI_TO_DEVICE: Final = 0x80
CI_RECORDS: Final = 0x7A
CI_APPLICATION_ERROR: Final = 0x6E
CI_FROM_DEVICE: Final = 0x8A

CARRIER: Final = bytes.fromhex("0D7F")
"""DIF and VIF of a manufacturer-specific record of variable length: it carries what has no records of its own."""

MAX_CARRIED: Final = 0xBF
"""Longest content that the length byte of such a record can tell (EN 13757-3, 6.3.6)."""


@dataclass(frozen=True, slots=True)
class TwoWayMessage:
    """A frame of an access, taken apart.

    `sender` is the address on the link layer, `meter` whom it is about, `cc` the communication control field or its
    bits in the configuration word. `application` is in the clear, without check bytes, and left out of the repr; `key`
    is the position of the key that opened it, None when it was not encrypted.
    """

    control: int
    sender: Address
    meter: Address
    ci: int
    acc: int
    status: int
    cc: int
    application: bytes = field(repr=False)
    key: int | None

    @property
    def name(self) -> str:
        """The C field by name."""
        return control_name(self.control)


def gateway_frame(
    control: int, gateway: Address, meter: Address, acc: int, application: bytes = b"", key: bytes | None = None
) -> bytes:
    """Build a frame to a meter, without CRCs; `ValueError` when it is too long or a value does not fit.

    Without `application` it is a header alone.
    """
    ci = CI_COMMAND if application else CI_TO_DEVICE
    return link_frame(control, gateway, _transport(ci, TransportHeader(acc, 0, meter), application, key, meter))


def meter_frame(
    control: int,
    meter: Address,
    acc: int,
    *,
    cc: int,
    link_acc: int,
    status: int = 0,
    application: bytes = b"",
    key: bytes | None = None,
    ci: int = CI_RECORDS,
) -> bytes:
    """Build a frame of a meter, without CRCs; `acc` stands in the transport header, `link_acc` in the link layer.

    `ci` says what `application` is, and must be one with the short header; without data the frame is a header alone.
    """
    ci = ci if application else CI_FROM_DEVICE
    transport = _transport(ci, TransportHeader(acc, status), application, key, meter)
    return link_frame(control, meter, extended_link(cc, link_acc, transport))


def _transport(ci: int, header: TransportHeader, application: bytes, key: bytes | None, meter: Address) -> bytes:
    if not application or key is None:
        return header.to_bytes(ci, 0) + application
    plaintext = CHECK_BYTES + application
    plaintext += FILLER * (-len(plaintext) % BLOCK)
    blocks = len(plaintext) // BLOCK
    if blocks > 15:
        raise ValueError(f"{len(application)} bytes of data do not fit into 15 encrypted blocks")
    iv = initial_vector(meter, header.access_number)
    return header.to_bytes(ci, 0x0500 | blocks << 4) + aes_cbc_encrypt(key, iv, plaintext)


@dataclass(frozen=True, slots=True)
class TwoWayHeader:
    """The part of a frame of an access that is never encrypted; the fields as in `TwoWayMessage`."""

    control: int
    sender: Address
    meter: Address
    cc: int
    transport: TransportLayer


def parse_header(frame: bytes) -> TwoWayHeader:
    """Take the headers of a frame without CRCs apart; raises `Truncated`, `BadField`, `Unsupported`."""
    if len(frame) <= HEADER_SIZE or len(frame) != frame[0] + 1:
        raise Truncated(f"L field and length of the frame disagree: {len(frame)} bytes", layer="link", offset=0)
    link = parse_link(frame)
    if link.control & 0x7F not in C_FIELDS:
        raise BadField(f"C field {link.control:02X} is not in use", layer="link", offset=1)
    position, cc = link.end, None
    if ci_field(frame[position]).content is Content.EXTENDED_LINK:
        extended = parse_ell(frame, position)
        if extended.encryption:
            raise Unsupported("an encrypted extended link layer is not read here", layer="ell", offset=position)
        position, cc = extended.end, extended.cc
        if position >= len(frame):
            raise Truncated("frame ends before a CI field", layer="transport", offset=position)
    transport = parse_transport(frame, position)
    return TwoWayHeader(
        control=link.control & 0x7F,
        sender=link.address,
        meter=transport.address or link.address,
        cc=_access_bits(transport) if cc is None else cc,
        transport=transport,
    )


def parse_two_way(frame: bytes, keys: Sequence[bytes] = ()) -> TwoWayMessage:
    """Take a frame without CRCs apart and decrypt it with the first key that fits.

    Raises `DecryptFailed` when none does, `Unsupported` for other security modes and layers, `Truncated`, `BadField`.
    """
    header = parse_header(frame)
    transport = header.transport
    application, key = _opened(frame, transport, header.meter, keys)
    return TwoWayMessage(
        control=header.control,
        sender=header.sender,
        meter=header.meter,
        ci=transport.ci,
        acc=transport.access_number or 0,
        status=transport.status or 0,
        cc=header.cc,
        application=application,
        key=key,
    )


def _access_bits(transport: TransportLayer) -> int:
    """The bits B and A of a configuration word of mode 0 or 5, where they stand in CC."""
    if transport.configuration is None or transport.security_mode not in (0, 5):
        return 0
    high = transport.configuration >> 8
    return (high & BIDIRECTIONAL) | (ACCESSIBLE if high & 0x40 else 0)


def _opened(frame: bytes, transport: TransportLayer, meter: Address, keys: Sequence[bytes]) -> tuple[bytes, int | None]:
    size = BLOCK * transport.encrypted_blocks
    rest = frame[transport.end :]
    if transport.security_mode not in (0, 5):
        raise Unsupported(
            f"security mode {transport.security_mode} is not read in an access", layer="transport", offset=transport.end
        )
    if transport.security_mode == 0 or not size:
        return rest, None
    if size > len(rest):
        raise Truncated("frame ends inside the encrypted blocks", layer="transport", offset=len(frame))
    iv = initial_vector(meter, transport.access_number or 0)
    for position, key in enumerate(keys):
        plaintext = aes_cbc_decrypt(key, iv, rest[:size])
        if plaintext.startswith(CHECK_BYTES):
            return plaintext[len(CHECK_BYTES) :] + rest[size:], position
    raise DecryptFailed("check bytes 2F2F do not appear", layer="transport", offset=transport.end)


def carry(content: bytes) -> bytes:
    """Return the record that carries `content`; `ValueError` when it is longer than a record can be."""
    if len(content) > MAX_CARRIED:
        raise ValueError(f"{len(content)} bytes do not fit into one record; {MAX_CARRIED} do")
    return CARRIER + bytes((len(content),)) + content


def carried(application: bytes) -> bytes | None:
    """Return what the record at the start of `application` carries; None when there is no whole one."""
    start = len(CARRIER) + 1
    if not application.startswith(CARRIER) or len(application) < start:
        return None
    length = application[len(CARRIER)]
    content = application[start : start + length]
    return content if length <= MAX_CARRIED and len(content) == length else None
