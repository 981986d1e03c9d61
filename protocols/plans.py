"""What the telegrams of one kind of meter have in common, and what that leaves to be read of the next one.

A `Plan` is made from a telegram that the general decoder has read: its fixed bytes as comparisons, the places of
access number, status and identification numbers, and one reader a record. It holds for every meter that sends this
way; `protocols.meter_plans` fits it to each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from protocols.application import COMPACT_HEADER_SIZE, Application, decode_application
from protocols.crypto import BLOCK, key_check_value
from protocols.mbus.compact import FormatLibrary
from protocols.mbus.layouts import Layout, learn_layout
from protocols.model import Address, Key, Security, Telegram
from protocols.payload_layouts import PayloadLayout, learn_payload_layout
from protocols.profiles.apply import Recipe, recipe_of
from protocols.profiles.model import Profile, Where
from protocols.wmbus.afl import AFL_HEADER, KI_SIZE, MCL_SIZE, MCR_SIZE, ML_SIZE, AuthenticationLayer
from protocols.wmbus.ci import Content, Header
from protocols.wmbus.ell import ENCRYPTION_NONE, ExtendedLinkLayer
from protocols.wmbus.link import BLOCK_B, HEADER_SIZE, LinkLayer
from protocols.wmbus.security.cbc_derived import KDF_A, is_cmac, key_derivation
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import SECURITY_NAMES, TransportLayer

LINK_NUMBER = slice(4, 8)
"""The identification number in the link header."""

NUMBER_SIZE = 4
_ADDRESS_SIZE = 8
_MODE_CLEAR, _MODE_5, _MODE_7 = 0, 5, 7
_READ: Final = (Content.RECORDS, Content.COMPACT, Content.MANUFACTURER)
_MODES: Final = (_MODE_CLEAR, _MODE_5, _MODE_7)
_ELL_ACC, ELL_SN, ELL_PAYLOAD_CRC = 2, 3, 7
"""Offsets from the CI field of extended link layer II."""

_ENCRYPTION_BITS = 0xE0
"""Bits of the last session number byte that say which encryption is used."""

_BLOCK_COUNTERS = tuple(bytes((0, 0, block)) for block in range(256 // BLOCK))
"""Frame number and block counter of each block of a frame (EN 13757-4, 13.2.11)."""


Body: TypeAlias = Any
"""What a layout read behind the clear part of a frame; only that layout knows what it is."""


@dataclass(frozen=True, slots=True)
class Message:
    """Where a message that has keys of its own (security mode 7) keeps what these are made of, and its MAC.

    The MAC covers the fields of the authentication layer `before_mac` and `behind_mac` and all from the transport layer
    on; `mac` is None where there is none.
    """

    counter: slice
    transport: int
    mac: slice | None
    before_mac: slice
    behind_mac: slice

    def counter_of(self, data: bytes) -> int:
        """The message counter."""
        return int.from_bytes(data[self.counter], "little")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the telegrams of one kind of meter and one layout have in common.

    `template` is the telegram that taught it. Of a frame of `size` bytes the first `start` are in the clear and
    compared under `clear_mask`; the rest, decrypted where `needs_key`, must match `layout`. `encrypted` is the length
    of the encrypted region of security modes 5 and 7, `ell_start` the offset of an extended link layer that encrypts;
    only mode 7 has a `message`. `access_at` and `status_at` are offsets of access number and status byte, `number_at`
    that of the identification number in a long header. `order` is the record that each reading is read from;
    `as_recorded` says that no rule of the profile changes what a record says. `may_be_b` says that a frame that fits as
    one without CRCs may all the same be one in format B. `counters`, put together by what the counter blocks of AES-CTR
    begin with, are all of them.
    """

    template: Telegram
    size: int
    start: int
    clear_mask: int
    clear_fixed: int
    layout: Layout | PayloadLayout
    profile: Profile | None
    recipe: Recipe
    needs_key: bool
    encrypted: int
    ell_start: int | None
    message: Message | None
    access_at: int | None
    status_at: int | None
    number_at: int | None
    order: tuple[int, ...]
    as_recorded: bool
    may_be_b: bool
    counters: tuple[bytes, ...]

    def suits(self, data: bytes) -> bool:
        """Whether the clear part of a frame is that of this plan, numbers aside."""
        return (
            len(data) == self.size and int.from_bytes(data[: self.start], "big") & self.clear_mask == self.clear_fixed
        )

    def addresses(self, data: bytes) -> tuple[Address, Address | None]:
        """The meter's own address and the sender's (None when they are the same), as `Telegram` has them."""
        link = Address.from_wire(data[2:HEADER_SIZE])
        if self.number_at is None:
            return link, None
        meter = Address.from_transport(data[self.number_at : self.number_at + _ADDRESS_SIZE])
        return meter, None if meter == link else link

    def security(self, key: Key | None) -> Security | None:
        """What the template says of its key, said of another one."""
        security = self.template.security
        if key is None or security is None:
            return security
        check_value = key_check_value(key.value)
        return replace(security, key_check_value=check_value, tried=(check_value,))


def plan_of(telegram: Telegram, profile: Profile | None, formats: FormatLibrary) -> Plan | None:
    """Return a plan for telegrams like this one; None when they need the general decoder.

    `profile` is that of the meter, `formats` are the compact-frame formats that the telegram was read with.
    """
    shape = _shape(telegram)
    if shape is None:
        return None
    learned = None if _may_hold_payload(telegram, profile) else _layout(telegram, shape)
    layout = _payload_layout(telegram, shape, profile) if learned is None else learned
    if layout is None:
        return None
    recipe = recipe_of(telegram.records, profile)
    transport, start = shape.transport, shape.start
    access = _access_at(transport)
    mask = int.from_bytes(_clear_mask(telegram, shape), "big")
    return Plan(
        template=telegram,
        size=len(telegram.data),
        start=start,
        clear_mask=mask,
        clear_fixed=int.from_bytes(telegram.data[:start], "big") & mask,
        layout=layout,
        profile=profile,
        recipe=recipe,
        needs_key=shape.encrypted,
        encrypted=transport.encrypted_blocks * BLOCK if shape.ell is None else 0,
        ell_start=None if shape.ell is None else shape.ell.start,
        message=shape.message,
        access_at=access if shape.ell is None else shape.ell.start + _ELL_ACC,
        status_at=None if access is None else access + 1,
        number_at=None if transport.address is None else transport.start + 1,
        order=tuple(planned.position for planned in recipe.readings),
        as_recorded=not any(planned.changes for planned in recipe.readings),
        may_be_b=isinstance(layout, PayloadLayout) or _may_be_b(telegram, shape, formats),
        counters=_counters(telegram, shape),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """The layers of a telegram that can be learned; `ell` only when it encrypts, `message` only in mode 7."""

    transport: TransportLayer
    application: Application
    ell: ExtendedLinkLayer | None
    plain_ells: tuple[ExtendedLinkLayer, ...]
    message: Message | None

    @property
    def start(self) -> int:
        """Where the clear part ends and the part that the layout covers begins."""
        return self.application.start if self.ell is None else self.ell.end

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed."""
        by_mode = self.transport.security_mode in (_MODE_5, _MODE_7)
        return self.ell is not None or (by_mode and self.transport.encrypted_blocks > 0)


def _shape(telegram: Telegram) -> _Shape | None:
    """Link layer, extended link layer, in mode 7 authentication, transport, application, nothing remarkable in them."""
    layers = telegram.layers
    if not telegram.ok or telegram.notes or telegram.identity is not None or not 3 <= len(layers) <= 5:
        return None
    link, *between, transport, application = layers
    if not isinstance(link, LinkLayer) or not isinstance(transport, TransportLayer) or transport.ci_field.downlink:
        return None
    if not isinstance(application, Application) or application.content not in _READ:
        return None
    security = telegram.security
    if security is None or security.already_decrypted or transport.security_mode not in _MODES:
        return None
    extended = tuple(layer for layer in between if isinstance(layer, ExtendedLinkLayer))
    encrypting = next((ell for ell in extended if ell.encryption != ENCRYPTION_NONE), None)
    if len(extended) > 1 or (encrypting is None and any(ell.session_number is not None for ell in extended)):
        return None
    if encrypting is not None and (transport.ci_field.header is not Header.NONE or encrypting.receiver is not None):
        return None
    afl = next((layer for layer in between if isinstance(layer, AuthenticationLayer)), None)
    if len(between) != len(extended) + (afl is not None) or (afl is None) != (transport.security_mode != _MODE_7):
        return None
    message = None
    if afl is not None:
        message = _message(telegram, afl, transport)
        if message is None:
            return None
    return _Shape(transport, application, encrypting, extended, message)


def _message(telegram: Telegram, afl: AuthenticationLayer, transport: TransportLayer) -> Message | None:
    """Where an encrypted message of mode 7 keeps its counter and MAC; None where its keys come about in another way."""
    if not transport.encrypted_blocks or key_derivation(transport) != KDF_A:
        return None
    if afl.mcl is None or afl.mcr is None or transport.counter is not None or (afl.mac and not is_cmac(afl)):
        return None
    fields = afl.start + AFL_HEADER.sizeof()
    counter_at = fields + MCL_SIZE + (0 if afl.ki is None else KI_SIZE)
    mac_at = counter_at + MCR_SIZE
    behind_mac = mac_at + len(afl.mac or b"")
    return Message(
        slice(counter_at, mac_at),
        transport.start,
        slice(mac_at, behind_mac) if afl.mac else None,
        slice(fields, mac_at),
        slice(behind_mac, behind_mac + (0 if afl.ml is None else ML_SIZE)),
    )


def _access_at(transport: TransportLayer) -> int | None:
    """Where the access number stands, with the status behind it; None without a transport header."""
    if transport.configuration is None:
        return None
    return transport.start + 1 + (0 if transport.address is None else _ADDRESS_SIZE)


def _may_hold_payload(telegram: Telegram, profile: Profile | None) -> bool:
    """Whether a payload decoder looks at such telegrams: what it makes of the next one, no layout tells."""
    if profile is None or not profile.payloads:
        return False
    headers = {record.source for record in telegram.records}
    return any(rule.where is Where.WHOLE or rule.record in headers for rule in profile.payloads)


def _clear_mask(telegram: Telegram, shape: _Shape) -> bytes:
    """Ones for the bytes of the clear part that are the same in every telegram of this kind of meter."""
    mask = bytearray(b"\xff" * shape.start)
    mask[LINK_NUMBER] = bytes(NUMBER_SIZE)
    if shape.transport.address is not None:
        first = shape.transport.start + 1
        mask[first : first + NUMBER_SIZE] = bytes(NUMBER_SIZE)
    for ell in shape.plain_ells:
        mask[ell.start + _ELL_ACC] = 0
    if shape.ell is not None:
        first = shape.ell.start + ELL_SN
        mask[first : shape.start] = bytes(shape.start - first)
        mask[first + 3] = _ENCRYPTION_BITS
    elif (access_at := _access_at(shape.transport)) is not None:
        mask[access_at : access_at + 2] = bytes(2)
    for part in () if shape.message is None else (shape.message.counter, shape.message.mac):
        if part is not None:
            mask[part] = bytes(part.stop - part.start)
    return bytes(mask)


def _layout(telegram: Telegram, shape: _Shape) -> Layout | None:
    application = shape.application
    if application.content is Content.MANUFACTURER:
        return None
    tail = application.tail
    # The maker's bytes behind DIF 0F are not read, so they may be anything.
    free = () if tail is None else ((tail[0] + 1, tail[1]),)
    plain = telegram.plain
    full_crc_at = None
    if application.content is Content.COMPACT:
        skipped = len(CHECK_BYTES) if plain[application.start : application.end].startswith(CHECK_BYTES) else 0
        full_crc_at = application.start + skipped + COMPACT_HEADER_SIZE // 2
    return learn_layout(plain[shape.start :], telegram.records, shape.start, free=free, full_crc_at=full_crc_at)


def _payload_layout(telegram: Telegram, shape: _Shape, profile: Profile | None) -> PayloadLayout | None:
    transport, application, security = shape.transport, shape.application, telegram.security
    # What a maker protects in a way of its own has another name.
    if shape.ell is not None or security is None or security.name != SECURITY_NAMES[transport.security_mode]:
        return None
    encrypted_end = application.start + transport.encrypted_blocks * BLOCK if shape.encrypted else 0
    if encrypted_end + 2 == len(telegram.data):
        return None  # what two bytes behind the encrypted blocks are is looked at each time
    begins = CHECK_BYTES if shape.encrypted else b""
    return learn_payload_layout(telegram, application, transport.ci_field, profile, begins)


def _counters(telegram: Telegram, shape: _Shape) -> tuple[bytes, ...]:
    """The ends of the counter blocks, of which the beginning stands between two of them."""
    if shape.ell is None:
        return ()
    size = len(telegram.data) - shape.ell.start - ELL_PAYLOAD_CRC
    return (b"", *_BLOCK_COUNTERS[: (size + BLOCK - 1) // BLOCK])


def _may_be_b(telegram: Telegram, shape: _Shape, formats: FormatLibrary) -> bool:
    """Whether a frame like this one could be in format B, which only its CRCs can tell.

    A short one could where it decodes flawlessly without its last two bytes; an encrypted region that loses bytes
    never does. A long one always could: one of its two CRCs makes it a damaged frame, whatever it reads, and that a
    meter was never heard in format B proves nothing.
    """
    if len(telegram.data) > BLOCK_B:
        return True
    application, size = shape.application, len(telegram.data) - 2
    encrypted_end = application.start + shape.transport.encrypted_blocks * BLOCK if shape.ell is None else 0
    if shape.encrypted and encrypted_end > size:
        return False
    if size <= application.start:
        return True
    ci = shape.transport.ci_field
    return decode_application(ci, telegram.plain, application.start, size, formats).problem is None
