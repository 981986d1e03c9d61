"""What the telegrams of one kind of meter have in common, and what that leaves to be read of the next one.

A `Plan` is made from a telegram that the general decoder has read: its fixed bytes as comparisons, the places of
access number, status and identification numbers, and one reader a record. It holds for every meter that sends this
way. A `MeterPlan` is a plan with the addresses and the key of one meter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from protocols.application import COMPACT_HEADER_SIZE, Application, decode_application
from protocols.crypto import BLOCK, BlockCipher, aes_decryptor, aes_encryptor, key_check_value
from protocols.mbus.compact import FormatLibrary
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.layouts import Layout, learn_layout
from protocols.model import Address, Key, Security, Telegram
from protocols.profiles.apply import Recipe, recipe_of
from protocols.profiles.model import Profile, Where
from protocols.wmbus.ci import Content, Header
from protocols.wmbus.decoder import address_detail
from protocols.wmbus.decryption import key_detail
from protocols.wmbus.ell import CC_CHANGED_BY_REPEATERS, ENCRYPTION_NONE, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.link import BLOCK_B, HEADER_SIZE, LinkLayer
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import TransportLayer

LINK_NUMBER = slice(4, 8)
"""The identification number in the link header."""

NUMBER_SIZE = 4
_IV_NUMBER = slice(2, 6)
_ADDRESS_SIZE = 8
_MODE_CLEAR, _MODE_5 = 0, 5
_ELL_ACC, _ELL_SN, _ELL_PAYLOAD_CRC = 2, 3, 7
"""Offsets from the CI field of extended link layer II."""

_ENCRYPTION_BITS = 0xE0
"""Bits of the last session number byte that say which encryption is used."""

_BLOCK_COUNTERS = tuple(bytes((0, 0, block)) for block in range(256 // BLOCK))
"""Frame number and block counter of each block of a frame (EN 13757-4, 13.2.11)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the telegrams of one kind of meter and one layout have in common.

    `template` is the telegram that taught it. Of a frame of `size` bytes the first `start` are in the clear and
    compared under `clear_mask`; the rest, decrypted where `needs_key`, must match `layout`. `encrypted` is the length
    of the encrypted region of security mode 5, `ell_start` the offset of an extended link layer that encrypts.
    `access_at` and `status_at` are offsets of access number and status byte, `number_at` that of the identification
    number in a long header. `order` is the record that each reading is read from; `as_recorded` says that no rule of
    the profile changes what a record says. `may_be_b` says that a frame that fits as one without CRCs may all the same
    be one in format B. `counters`, put together by what the counter blocks of AES-CTR begin with, are all of them.
    """

    template: Telegram
    size: int
    start: int
    clear_mask: int
    clear_fixed: int
    layout: Layout
    profile: Profile | None
    recipe: Recipe
    needs_key: bool
    encrypted: int
    ell_start: int | None
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


@dataclass(slots=True, eq=False)
class MeterPlan:
    """A plan for the telegrams of one meter; no two are equal, so that more can be remembered by them.

    `meter` and `link_address` are as in `Telegram`. `iv_address` is the address as it enters the initial vector,
    `aes` the context of the key, `other` the next plan of the same meter. `watch` and `line` are for whoever judges and
    writes down its telegrams: of thousands of meters, what is remembered is found quickest where the next telegram
    looks anyway.
    """

    plan: Plan
    meter: Address
    link_address: Address | None
    key: Key | None
    iv_address: bytes
    aes: BlockCipher | None = field(repr=False)
    other: MeterPlan | None = field(default=None, repr=False)
    watch: Any = field(default=None, repr=False)
    line: Any = field(default=None, repr=False)

    @classmethod
    def of(
        cls, plan: Plan, data: bytes, meter: Address, link_address: Address | None, key: Key | None = None
    ) -> MeterPlan:
        """Fit a plan to the meter that sent `data`, whose addresses are those of `Plan.addresses`."""
        # Without a long header, and where the extended link layer encrypts, it is the address in the link header.
        of_sender = plan.number_at is None or plan.ell_start is not None
        iv_address = data[2:HEADER_SIZE] if of_sender else meter.to_wire()
        if key is None:
            return cls(plan, meter, link_address, None, iv_address, None)
        context = aes_decryptor(key.value) if plan.ell_start is None else aes_encryptor(key.value)
        return cls(plan, meter, link_address, key, iv_address, context)

    def open(self, data: bytes) -> bytes | None:
        """The plain bytes behind the clear part of a frame that this plan fits; None when it does not fit.

        The link header is not compared: `data` has that of this meter.
        """
        plan = self.plan
        start = plan.start
        if len(data) != plan.size or int.from_bytes(data[:start], "big") & plan.clear_mask != plan.clear_fixed:
            return None
        number_at, context = plan.number_at, self.aes
        # With a long header the IV has the number of that header.
        if number_at is not None and data[number_at : number_at + NUMBER_SIZE] != self.iv_address[_IV_NUMBER]:
            return None
        if context is None:
            plain: bytes | None = data[start:]
        elif plan.ell_start is None:
            # The layout's fixed bytes begin with the check bytes, so what a wrong key gives does not match it.
            access_at, end = plan.access_at or 0, start + plan.encrypted
            chained = self.iv_address + data[access_at : access_at + 1] * 8 + data[start : end - BLOCK]
            number = int.from_bytes(context.update(data[start:end]), "big") ^ int.from_bytes(chained, "big")
            plain = number.to_bytes(plan.encrypted, "big") + data[end:]
        else:
            plain = self._open_session(context, data, plan.ell_start)
        return plain if plain is not None and plan.layout.matches(plain) else None

    def _open_session(self, context: BlockCipher, data: bytes, ell_start: int) -> bytes | None:
        """What an extended link layer encrypts by AES-CTR, without its CRC; None when that does not fit."""
        crc_start = ell_start + _ELL_PAYLOAD_CRC
        cc = data[ell_start + 1] & ~CC_CHANGED_BY_REPEATERS & 0xFF
        session = self.iv_address + bytes((cc,)) + data[ell_start + _ELL_SN : crc_start]
        size = len(data) - crc_start
        stream = int.from_bytes(context.update(session.join(self.plan.counters))[:size], "big")
        region = (int.from_bytes(data[crc_start:], "big") ^ stream).to_bytes(size, "big")
        plain = region[PAYLOAD_CRC_SIZE:]
        return plain if region[0] | region[1] << 8 == crc16_en13757(plain) else None

    @property
    def address_detail(self) -> str:
        """What the rung "address" says."""
        return address_detail(self.meter, self.link_address)

    @property
    def key_detail(self) -> str:
        """What the rung "key" says; empty where no key is needed."""
        return "" if self.key is None else key_detail(self.key)

    @property
    def key_check_value(self) -> str:
        """That of the key; empty where no key is needed."""
        return "" if self.key is None else key_check_value(self.key.value)


def plan_of(telegram: Telegram, profile: Profile | None, formats: FormatLibrary) -> Plan | None:
    """Return a plan for telegrams like this one; None when they need the general decoder.

    `profile` is that of the meter, `formats` are the compact-frame formats that the telegram was read with.
    """
    shape = _shape(telegram)
    if shape is None or _may_hold_payload(telegram, profile):
        return None
    layout = _layout(telegram, shape)
    if layout is None:
        return None
    recipe = recipe_of(telegram.records, profile)
    transport, start = shape.transport, shape.start
    access = transport.end - 4 if transport.configuration is not None else None
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
        access_at=access if shape.ell is None else shape.ell.start + _ELL_ACC,
        status_at=None if access is None else access + 1,
        number_at=None if transport.address is None else transport.start + 1,
        order=tuple(planned.position for planned in recipe.readings),
        as_recorded=not any(planned.changes for planned in recipe.readings),
        may_be_b=_may_be_b(telegram, shape, formats),
        counters=_counters(telegram, shape),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """The layers of a telegram that can be learned; `ell` only when it encrypts."""

    transport: TransportLayer
    application: Application
    ell: ExtendedLinkLayer | None
    plain_ells: tuple[ExtendedLinkLayer, ...]

    @property
    def start(self) -> int:
        """Where the clear part ends and the part that the layout covers begins."""
        return self.application.start if self.ell is None else self.ell.end

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed."""
        return self.ell is not None or (self.transport.security_mode == _MODE_5 and self.transport.encrypted_blocks > 0)


def _shape(telegram: Telegram) -> _Shape | None:
    """Link layer, at most one extended link layer, transport, application, all well and nothing remarkable."""
    layers = telegram.layers
    if not telegram.ok or telegram.notes or telegram.identity is not None or len(layers) not in (3, 4):
        return None
    link, *ells, transport, application = layers
    if not isinstance(link, LinkLayer) or not isinstance(transport, TransportLayer) or transport.ci_field.downlink:
        return None
    if not isinstance(application, Application) or application.content not in (Content.RECORDS, Content.COMPACT):
        return None
    security = telegram.security
    if security is None or security.already_decrypted or transport.security_mode not in (_MODE_CLEAR, _MODE_5):
        return None
    extended = tuple(ell for ell in ells if isinstance(ell, ExtendedLinkLayer))
    encrypting = next((ell for ell in extended if ell.encryption != ENCRYPTION_NONE), None)
    if len(extended) != len(ells) or (encrypting is None and any(ell.session_number is not None for ell in extended)):
        return None
    if encrypting is not None and (transport.ci_field.header is not Header.NONE or encrypting.receiver is not None):
        return None
    return _Shape(transport, application, encrypting, extended)


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
        first = shape.ell.start + _ELL_SN
        mask[first : shape.start] = bytes(shape.start - first)
        mask[first + 3] = _ENCRYPTION_BITS
    elif shape.transport.configuration is not None:
        # Access number and status stand before the configuration word, which ends the header of modes 0 and 5.
        mask[shape.transport.end - 4 : shape.transport.end - 2] = bytes(2)
    return bytes(mask)


def _layout(telegram: Telegram, shape: _Shape) -> Layout | None:
    application = shape.application
    tail = application.tail
    # The maker's bytes behind DIF 0F are not read, so they may be anything.
    free = () if tail is None else ((tail[0] + 1, tail[1]),)
    plain = telegram.plain
    full_crc_at = None
    if application.content is Content.COMPACT:
        skipped = len(CHECK_BYTES) if plain[application.start : application.end].startswith(CHECK_BYTES) else 0
        full_crc_at = application.start + skipped + COMPACT_HEADER_SIZE // 2
    return learn_layout(plain[shape.start :], telegram.records, shape.start, free=free, full_crc_at=full_crc_at)


def _counters(telegram: Telegram, shape: _Shape) -> tuple[bytes, ...]:
    """The ends of the counter blocks, of which the beginning stands between two of them."""
    if shape.ell is None:
        return ()
    size = len(telegram.data) - shape.ell.start - _ELL_PAYLOAD_CRC
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
