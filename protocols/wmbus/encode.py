"""Building wireless M-Bus frames, layer by layer from the application outwards; the inverse of the parsers beside it.

    records -> transport layer -> [authentication layer] -> [extended link layer] -> link layer -> [CRCs]

All functions are pure and raise `ValueError` for values that do not fit their fields. Frames are without CRCs (L
counts what follows it) until `with_crcs` adds those of a frame format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from construct import ConstructError, Struct

from protocols.crypto import BLOCK, aes_cbc_encrypt, aes_cmac, aes_ctr
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, FrameFormat
from protocols.wmbus.afl import (
    AFL_BODY,
    AFL_HEADER,
    MAC_PRESENT,
    MAC_TYPES,
    MCL_PRESENT,
    MCR_PRESENT,
)
from protocols.wmbus.ci import Content, Header
from protocols.wmbus.ell import ELL_SCHEMAS, ENCRYPTION_AES_CTR, ENCRYPTION_NONE
from protocols.wmbus.link import BLOCK_B, HEADER_SIZE, LINK_HEADER, blocks_a
from protocols.wmbus.security.cbc_address import initial_vector
from protocols.wmbus.security.cbc_derived import KDF_A, message_keys
from protocols.wmbus.security.ctr_extended_link import counter_block
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import LONG_HEADER, SHORT_HEADER

MAX_L: Final = 255
FILLER: Final = b"\x2f"
MAX_ENCRYPTED_BLOCKS: Final = 15
SYNCHRONOUS: Final = 0x2000
"""Bit S of the configuration word of modes 0 and 5: sent at the time that the access number tells."""

CI_CODES: Final[dict[tuple[Content, Header], int]] = {
    (Content.RECORDS, Header.NONE): 0x78,
    (Content.RECORDS, Header.SHORT): 0x7A,
    (Content.RECORDS, Header.LONG): 0x72,
    (Content.COMPACT, Header.NONE): 0x79,
    (Content.COMPACT, Header.SHORT): 0x7B,
    (Content.COMPACT, Header.LONG): 0x73,
    (Content.FORMAT, Header.NONE): 0x69,
    (Content.FORMAT, Header.SHORT): 0x6A,
    (Content.FORMAT, Header.LONG): 0x6B,
    (Content.NOTHING, Header.SHORT): 0x8A,
    (Content.NOTHING, Header.LONG): 0x8B,
}
"""CI fields of messages of a meter (EN 13757-7, Table 2)."""

_MCL_MAC_TYPE: Final = 5
_MCL_COUNTER: Final = 0x20
MAC_SIZE: Final = MAC_TYPES[_MCL_MAC_TYPE][1]


@dataclass(frozen=True, slots=True)
class TransportHeader:
    """Access number and status; with `address` it is the long header, and that address is what the keys belong to.

    `configuration` holds the bits of the configuration word beside mode and number of blocks.
    """

    access_number: int
    status: int = 0
    address: Address | None = None
    configuration: int = 0

    @property
    def kind(self) -> Header:
        """Short or long."""
        return Header.SHORT if self.address is None else Header.LONG

    def to_bytes(self, ci: int, configuration: int) -> bytes:
        """Build CI field and header, the configuration word completed with `configuration`."""
        fields: dict[str, object] = {
            "acc": self.access_number,
            "status": self.status,
            "configuration": self.configuration | configuration,
        }
        if self.address is None:
            return bytes((ci,)) + _build(SHORT_HEADER, fields)
        return bytes((ci,)) + _build(LONG_HEADER, {"address": self.address.to_transport(), **fields})


def _build(schema: Struct, fields: dict[str, object]) -> bytes:
    try:
        return bytes(schema.build(fields))
    except ConstructError as error:
        raise ValueError(f"a field does not fit: {error}") from error


def _ci(content: Content, kind: Header) -> int:
    try:
        return CI_CODES[content, kind]
    except KeyError:
        raise ValueError(f"no CI field for {content} with {kind} header") from None


def transport_clear(content: Content, application: bytes, header: TransportHeader | None = None) -> bytes:
    """Transport layer in security mode 0, with no header when none is given."""
    if header is None:
        return bytes((_ci(content, Header.NONE),)) + application
    return header.to_bytes(_ci(content, header.kind), 0) + application


def transport_mode_5(
    content: Content, application: bytes, header: TransportHeader, *, key: bytes, sender: Address, clear: bytes = b""
) -> bytes:
    """Transport layer in security mode 5 (OMS Vol. 2, 9.3.2).

    `application` is encrypted, `clear` follows it in the clear; `sender` is the link-layer address, which the initial
    vector is made of under a short header.
    """
    plaintext = _padded(application)
    front = header.to_bytes(_ci(content, header.kind), 0x0500 | _blocks(plaintext) << 4)
    iv = initial_vector(header.address or sender, header.access_number)
    return front + aes_cbc_encrypt(key, iv, plaintext) + clear


def transport_mode_7(
    content: Content,
    application: bytes,
    header: TransportHeader,
    *,
    key: bytes,
    counter: int,
    sender: Address,
    clear: bytes = b"",
    downlink: bool = False,
) -> bytes:
    """Authentication layer with MAC and transport layer in security mode 7 (OMS Vol. 2, 9.3.3).

    `counter` is the message counter, which must never repeat under one key; it travels in the authentication layer.
    """
    plaintext = _padded(application)
    counter_wire = _counter_wire(counter)
    owner = header.address or sender
    encryption_key, mac_key = message_keys(key, counter_wire, owner.number_wire, downlink=downlink)
    front = header.to_bytes(_ci(content, header.kind), 0x0700 | _blocks(plaintext) << 4) + bytes((KDF_A << 4,))
    message = front + aes_cbc_encrypt(encryption_key, bytes(BLOCK), plaintext) + clear
    mcl = _MCL_MAC_TYPE | _MCL_COUNTER
    mac = aes_cmac(mac_key, bytes((mcl,)) + counter_wire + message)[:MAC_SIZE]
    body = AFL_BODY.build(
        {"mcl": mcl, "ki": None, "mcr": counter, "mac": mac, "ml": None},
        mcl_present=True,
        ki_present=False,
        mcr_present=True,
        ml_present=False,
        mac_length=MAC_SIZE,
    )
    control = MCL_PRESENT | MCR_PRESENT | MAC_PRESENT
    # AFLL counts what follows it: the two bytes of the fragmentation control field and the body.
    afl = _build(AFL_HEADER, {"ci": 0x90, "length": 2 + len(body), "fragmentation_control": control})
    return afl + body + message


def _counter_wire(counter: int) -> bytes:
    if not 0 <= counter < 1 << 32:
        raise ValueError(f"message counter {counter} does not fit into 4 bytes")
    return counter.to_bytes(4, "little")


def _padded(application: bytes) -> bytes:
    plaintext = CHECK_BYTES + application
    return plaintext + FILLER * (-len(plaintext) % BLOCK)


def _blocks(plaintext: bytes) -> int:
    blocks = len(plaintext) // BLOCK
    if blocks > MAX_ENCRYPTED_BLOCKS:
        raise ValueError(f"{blocks} encrypted blocks; the configuration word counts to {MAX_ENCRYPTED_BLOCKS}")
    return blocks


def extended_link(cc: int, acc: int, payload: bytes, *, receiver: Address | None = None) -> bytes:
    """Extended link layer I, or III when the receiver's address is given, in front of `payload`."""
    fields: dict[str, object] = {"ci": 0x8C if receiver is None else 0x8E, "cc": cc, "acc": acc}
    if receiver is not None:
        fields["receiver"] = receiver.to_wire()
    return _build(ELL_SCHEMAS[0x8C if receiver is None else 0x8E], fields) + payload


def session_number(session: int, minute: int, *, encrypted: bool) -> int:
    """Put session (0 to 15), minute counter (25 bits) and encryption into the 32-bit session number."""
    if not 0 <= session < 1 << 4 or not 0 <= minute < 1 << 25:
        raise ValueError(f"session {session} or minute {minute} does not fit into the session number")
    return session | minute << 4 | (ENCRYPTION_AES_CTR if encrypted else ENCRYPTION_NONE) << 29


def extended_link_session(
    cc: int,
    acc: int,
    number: int,
    payload: bytes,
    *,
    sender: Address,
    key: bytes | None = None,
    receiver: Address | None = None,
) -> bytes:
    """Extended link layer II, or IV when the receiver's address is given, in front of `payload`.

    `number` comes from `session_number`; where it says encrypted, payload CRC and payload are encrypted under `key`.
    """
    encrypted = number >> 29 == ENCRYPTION_AES_CTR
    if encrypted and key is None:
        raise ValueError("the session number says encrypted, and there is no key")
    ci = 0x8D if receiver is None else 0x8F
    fields: dict[str, object] = {"ci": ci, "cc": cc, "acc": acc, "session_number": number}
    fields["payload_crc"] = crc16_en13757(payload)
    if receiver is not None:
        fields["receiver"] = receiver.to_wire()
    layer = _build(ELL_SCHEMAS[ci], fields)
    header, region = layer[:-2], layer[-2:] + payload
    if encrypted and key is not None:
        region = aes_ctr(key, counter_block(sender, cc, number), region)
    return header + region


def link_frame(control: int, sender: Address, payload: bytes) -> bytes:
    """Link layer in front of `payload`: L, C, M, A, without CRCs."""
    length = HEADER_SIZE - 1 + len(payload)
    if length > MAX_L:
        raise ValueError(f"frame of L {length}; L counts to {MAX_L}")
    return _build(LINK_HEADER, {"length": length, "control": control, "address": sender.to_wire()}) + payload


def with_crcs(frame: bytes, frame_format: FrameFormat) -> bytes:
    """Add the link-layer CRCs of a frame format, as on the air (EN 13757-4, 12.2 and 12.3)."""
    if len(frame) < HEADER_SIZE or len(frame) != frame[0] + 1:
        raise ValueError(f"L field and length of the frame disagree: {len(frame)} bytes")
    return _ADD_CRCS[frame_format](frame)


def _crc(block: bytes) -> bytes:
    return block + crc16_en13757(block).to_bytes(2, "big")


def _with_crcs_a(frame: bytes) -> bytes:
    out, position = bytearray(), 0
    for _, size in blocks_a(frame[0]):
        out += _crc(frame[position : position + size])
        position += size
    return bytes(out)


def _with_crcs_b(frame: bytes) -> bytes:
    first = BLOCK_B - 2
    length = frame[0] + (2 if len(frame) <= first else 4)
    if length > MAX_L:
        raise ValueError(f"frame of L {length} with CRCs; L counts to {MAX_L}")
    counted = bytes((length,)) + frame[1:]
    if len(frame) <= first:
        return _crc(counted)
    return _crc(counted[:first]) + _crc(counted[first:])


_ADD_CRCS: Final[dict[FrameFormat, Callable[[bytes], bytes]]] = {
    FrameFormat.A: _with_crcs_a,
    FrameFormat.B: _with_crcs_b,
    FrameFormat.STRIPPED: bytes,
}
