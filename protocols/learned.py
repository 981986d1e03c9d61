"""The fast path: a decoder that remembers how each meter's telegrams are built.

After `decode()` has read a telegram, what is the same in the next one of that meter and layout is kept in a `Plan`:
the fixed bytes as mask comparisons, the key, the places of access number and status, one reader a record. The next
telegram that matches needs no walk through the layers. What it gives is, field for field, what `decode()` would give:
whatever does not match exactly (another layout, a damaged frame, a key that no longer fits, a note to make) is left to
`decode()`, which teaches the new layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.application import COMPACT_HEADER_SIZE, Application
from protocols.crypto import BLOCK, aes_cbc_decrypt, aes_ctr, key_check_value
from protocols.decode import decode, decode_fragments, learn, no_keys
from protocols.errors import ProtocolError
from protocols.mbus.compact import FormatLibrary, shipped_formats
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.layouts import Layout, learn_layout
from protocols.mbus.values import Result
from protocols.model import Address, Key, KeyLookup, Outcome, RawFrame, Status, Telegram
from protocols.profiles.apply import Recipe, recipe_of
from protocols.profiles.registry import ProfileRegistry, shipped_profiles
from protocols.wmbus.ci import Content, Header
from protocols.wmbus.ell import CC_CHANGED_BY_REPEATERS, ENCRYPTION_NONE, PAYLOAD_CRC_SIZE, ExtendedLinkLayer
from protocols.wmbus.fragments import Fragments
from protocols.wmbus.link import HEADER_SIZE, LinkLayer, strip_crcs
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import TransportLayer, status_flags

PLANS_A_METER = 4
"""Layouts kept a meter: Kamstrup's full and compact frames, a monthly one, one to spare."""

METERS = 20_000
"""Meters whose plans are kept; beyond it all are learned anew."""

_MODE_CLEAR = 0
_MODE_5 = 5
_ELL_ACC, _ELL_SN, _ELL_PAYLOAD_CRC = 2, 3, 7
"""Offsets from the CI field of extended link layer II."""

_ENCRYPTION_BITS = 0xE0
"""Bits of the last session number byte that say which encryption is used."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the telegrams of one meter and layout have in common.

    `template` is the telegram that taught it. Of a frame of `size` bytes the first `start` are in the clear and
    compared under `clear_mask`; the rest is decrypted with `key` (unless None) and must match `layout`. `encrypted`
    is the length of the encrypted region of security mode 5, `ell_start` the offset of an extended link layer that
    encrypts. `access_at` and `status_at` are offsets of access number and status byte. `order` is the record that each
    reading is read from; `as_recorded` says that no rule of the profile changes what a record says.
    """

    template: Telegram
    size: int
    start: int
    clear_mask: int
    clear_fixed: int
    layout: Layout
    recipe: Recipe
    address: bytes
    key: bytes | None
    encrypted: int
    ell_start: int | None
    access_at: int | None
    status_at: int | None
    order: tuple[int, ...]
    as_recorded: bool

    def open(self, data: bytes) -> bytes | None:
        """The plain bytes behind the clear part of a frame that this plan fits; None when it does not fit."""
        if len(data) != self.size or int.from_bytes(data[: self.start], "big") & self.clear_mask != self.clear_fixed:
            return None
        if self.key is None:
            plain: bytes | None = data[self.start :]
        elif self.ell_start is None:
            plain = self._open_mode_5(data, self.key)
        else:
            plain = self._open_extended_link(data, self.key, self.ell_start)
        return plain if plain is not None and self.layout.matches(plain) else None

    def _open_mode_5(self, data: bytes, key: bytes) -> bytes:
        # The layout's fixed bytes begin with the check bytes, so what a wrong key gives does not match it.
        end = self.start + self.encrypted
        access_number = data[self.access_at or 0 : (self.access_at or 0) + 1]
        return aes_cbc_decrypt(key, self.address + access_number * 8, data[self.start : end]) + data[end:]

    def _open_extended_link(self, data: bytes, key: bytes, ell_start: int) -> bytes | None:
        crc_start = ell_start + _ELL_PAYLOAD_CRC
        cc = data[ell_start + 1] & ~CC_CHANGED_BY_REPEATERS & 0xFF
        counter = self.address + bytes((cc,)) + data[ell_start + _ELL_SN : crc_start] + b"\0\0\0"
        region = aes_ctr(key, counter, data[crc_start:])
        payload = region[PAYLOAD_CRC_SIZE:]
        return payload if region[0] | region[1] << 8 == crc16_en13757(payload) else None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A telegram that a plan read: only what differs from the plan's template.

    `plain` are the bytes behind the clear part, `results` value and quality of each record.
    """

    plan: Plan
    frame: RawFrame
    access_number: int | None
    status_raw: int | None
    plain: bytes
    results: Sequence[Result]

    @property
    def outcome(self) -> Outcome:
        """A plan only fits what decodes."""
        return Outcome.OK

    def record_data(self, position: int) -> bytes:
        """The data bytes of a record."""
        slot = self.plan.layout.slots[position]
        return self.plain[slot.start : slot.end]

    @property
    def status(self) -> Status | None:
        """The status byte and the maker's flag words by name."""
        raw = self.status_raw
        status = None if raw is None else Status(raw, status_flags(raw))
        data = [self.record_data(position) for position in range(len(self.results))]
        return self.plan.recipe.status(status, data)

    @property
    def readings(self) -> list[Result]:
        """Value and quality of each reading, in the order of the template's."""
        results, plan = self.results, self.plan
        if plan.as_recorded:
            return [results[position] for position in plan.order]
        return [
            planned.result(results[planned.position], self.record_data(planned.position))
            for planned in plan.recipe.readings
        ]


class LearnedDecoder:
    """Decodes one frame after the other and remembers formats, fragments and layouts; belongs to one thread.

    `keys` must give the same keys for an address as long as it is used: call `forget()` when they change.
    """

    def __init__(
        self,
        keys: KeyLookup = no_keys,
        *,
        formats: FormatLibrary | None = None,
        profiles: ProfileRegistry | None = None,
        already_decrypted: bool = False,
    ) -> None:
        self.formats = shipped_formats() if formats is None else formats
        self.fragments = Fragments.none()
        self._keys = keys
        self._profiles = shipped_profiles() if profiles is None else profiles
        self._already_decrypted = already_decrypted
        self._plans: dict[bytes, tuple[Plan, ...]] = {}

    def forget(self) -> None:
        """Drop all plans, and with them the keys they hold; formats stay."""
        self._plans.clear()

    def decode(
        self, frame: RawFrame | bytes, keys: KeyLookup | None = None, *, already_decrypted: bool = False
    ) -> Telegram:
        """Decode in full, and learn; with `keys` in place of the decoder's own, no plan is made."""
        raw = RawFrame(frame) if isinstance(frame, bytes) else frame
        telegram = self._decoded(
            raw,
            self._keys if keys is None else keys,
            already_decrypted=already_decrypted or self._already_decrypted,
        )
        if keys is None and not already_decrypted:
            self._learn(telegram)
        return telegram

    def _decoded(self, frame: RawFrame, keys: KeyLookup, *, already_decrypted: bool) -> Telegram:
        telegram = decode(
            frame, keys, formats=self.formats, profiles=self._profiles, already_decrypted=already_decrypted
        )
        self.fragments, pieces = self.fragments.add(telegram)
        if pieces:
            telegram = decode_fragments(
                pieces, keys, formats=self.formats, profiles=self._profiles, already_decrypted=already_decrypted
            )
        self.formats = learn(self.formats, telegram)
        return telegram

    def sight(self, frame: RawFrame) -> Telegram | Sighting:
        """Decode by a plan where one fits, else in full."""
        if len(frame.data) <= HEADER_SIZE:
            return self.decode(frame)
        try:
            stripped = strip_crcs(frame.data)
        except ProtocolError:
            return self.decode(frame)
        plans = self._plans.get(stripped.data[:HEADER_SIZE] + stripped.format.encode())
        if plans is None or stripped.missing or stripped.trailing or stripped.problem is not None:
            return self.decode(frame)
        data = stripped.data
        for plan in plans:
            plain = plan.open(data)
            if plain is not None:
                access, status = plan.access_at, plan.status_at
                return Sighting(
                    plan,
                    frame,
                    None if access is None else data[access],
                    None if status is None else data[status],
                    plain,
                    plan.layout.values(plain),
                )
        return self.decode(frame)

    def _learn(self, telegram: Telegram) -> None:
        plan = self._plan(telegram)
        if plan is None:
            return
        name = telegram.data[:HEADER_SIZE] + strip_crcs(telegram.frame.data).format.encode()
        if name not in self._plans and len(self._plans) >= METERS:
            self._plans.clear()
        self._plans[name] = (plan, *self._plans.get(name, ()))[:PLANS_A_METER]

    def _plan(self, telegram: Telegram) -> Plan | None:
        """A plan for telegrams like this one; None when they need the general decoder."""
        shape = _shape(telegram)
        if shape is None:
            return None
        key = self._key(telegram, shape)
        if key is None and shape.encrypted:
            return None
        start = shape.start
        layout = _layout(telegram, shape)
        address = (telegram.link_address if shape.ell is not None else None) or telegram.meter
        if layout is None or address is None:
            return None
        mask = int.from_bytes(_clear_mask(telegram, shape), "big")
        has_header = shape.transport.configuration is not None
        access = shape.transport.end - 4 if has_header else None
        recipe = recipe_of(telegram.records, self._profiles.find(address) if telegram.profile else None)
        return Plan(
            template=telegram,
            size=len(telegram.data),
            start=start,
            clear_mask=mask,
            clear_fixed=int.from_bytes(telegram.data[:start], "big") & mask,
            layout=layout,
            recipe=recipe,
            address=address.to_wire(),
            key=None if key is None else key.value,
            encrypted=shape.transport.encrypted_blocks * BLOCK if shape.ell is None else 0,
            ell_start=None if shape.ell is None else shape.ell.start,
            access_at=access if shape.ell is None else shape.ell.start + _ELL_ACC,
            status_at=None if access is None else access + 1,
            order=tuple(planned.position for planned in recipe.readings),
            as_recorded=not any(planned.changes for planned in recipe.readings),
        )

    def _key(self, telegram: Telegram, shape: _Shape) -> Key | None:
        """The key that opened a telegram, if it is the first that would be tried again."""
        security = telegram.security
        if not shape.encrypted or security is None or len(security.tried) != 1:
            return None
        addresses: tuple[Address | None, ...] = (telegram.meter, telegram.link_address)
        if shape.ell is not None:
            addresses = (telegram.link_address or telegram.meter,)
        for address in addresses:
            keys = [key for key in self._keys(address) if len(key.value) == BLOCK] if address is not None else []
            if keys:
                return keys[0] if key_check_value(keys[0].value) == security.key_check_value else None
        return None


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
    if not isinstance(link, LinkLayer) or not isinstance(transport, TransportLayer):
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


def _clear_mask(telegram: Telegram, shape: _Shape) -> bytes:
    """Ones for the bytes of the clear part that are the same in every telegram of the meter."""
    mask = bytearray(b"\xff" * shape.start)
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
