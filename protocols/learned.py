"""The fast path: a decoder that remembers how the telegrams of each kind of meter are built.

After `decode()` has read a telegram, what is the same in the next one of that kind of meter is kept as a `Plan`. A
telegram that matches one needs no walk through the layers, also the first one of a meter whose kind is known. What
that gives is, field for field, what `decode()` would give: whatever does not match exactly (another layout, a damaged
frame, a key that does not fit, a note to make) is left to `decode()`, which teaches the new layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from protocols.crypto import BLOCK
from protocols.decode import decode, decode_fragments, learn, no_keys, unknown_format
from protocols.errors import ProtocolError
from protocols.lookups import keys_at_hand, keys_of_many
from protocols.mbus.compact import FormatLibrary, shipped_formats
from protocols.mbus.values import Result
from protocols.meter_plans import MeterPlan, meter_plan
from protocols.model import Address, FrameFormat, Key, KeyLookup, Link, Outcome, RawFrame, Status, Telegram
from protocols.plans import LINK_NUMBER, Body, Plan, plan_of
from protocols.profiles.registry import ProfileRegistry, shipped_profiles
from protocols.wmbus.fragments import Fragments
from protocols.wmbus.link import HEADER_SIZE, has_crc_of_b, strip_crcs
from protocols.wmbus.transport import status_flags

if TYPE_CHECKING:
    from protocols.lorawan.follower import LorawanFollower

PLANS_A_METER = 8
"""Layouts kept a meter: Kamstrup's full and compact frames, a monthly one, the meters behind one radio adapter."""

PLANS_A_KIND = 16
"""Layouts kept for all meters of one kind and length of frame."""

METERS = 20_000
"""Meters whose plans are kept."""

PLANS = 500
"""Plans that are kept; beyond meters or plans all are learned anew."""

LEARNED_A_KIND = 64
"""Plans that a kind of meter may teach: one whose telegrams are never alike would only push out those of others."""

Match: TypeAlias = tuple[MeterPlan, bytes, Body]
"""The plan that fits a frame, the frame without CRCs, and what its layout read behind the clear part."""

FormatSearch: TypeAlias = Callable[[int], FormatLibrary | None]
"""Asked for the format of a signature that is not known: formats to add, None when it cannot be found."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A telegram that a plan read: only what differs from the plan's template.

    `data` is the frame without CRCs, `body` is what the plan's layout read behind its clear part.
    """

    plan: MeterPlan
    data: bytes
    body: Body
    frame: RawFrame

    @property
    def outcome(self) -> Outcome:
        """A plan only fits what decodes."""
        return Outcome.OK

    @property
    def access_number(self) -> int | None:
        """The access number of the transport header, or of the extended link layer that encrypts."""
        at = self.plan.plan.access_at
        return None if at is None else self.data[at]

    @property
    def status(self) -> Status | None:
        """The status byte and the maker's flag words by name."""
        return status_of(self.plan.plan, self.data, self.body)

    @property
    def readings(self) -> list[Result]:
        """Value and quality of each reading, in the order of the template's."""
        return readings_of(self.plan.plan, self.body)


def status_of(plan: Plan, data: bytes, body: Body) -> Status | None:
    """What the meter says of itself in a telegram that `plan` fits."""
    status = None
    if plan.status_at is not None:
        raw = data[plan.status_at]
        status = Status(raw, status_flags(raw))
    return plan.recipe.status(plan.layout.status(status, body), plan.layout.cut(body))


def readings_of(plan: Plan, body: Body) -> list[Result]:
    """Value and quality of each reading of a telegram that `plan` fits."""
    results = plan.layout.results(body)
    if plan.as_recorded:
        return [results[position] for position in plan.order]
    data = plan.layout.cut(body)
    return [planned.result(results[planned.position], data[planned.position]) for planned in plan.recipe.readings]


class LearnedDecoder:
    """Decodes one frame after the other and remembers formats, fragments and layouts; belongs to one thread.

    `keys` must give the same keys for an address as long as it is used: call `forget()` when they change.
    `search_formats` is asked when a compact frame needs a format that is not known, `make_follower` for what follows
    LoRaWAN devices, once, when the first of their frames comes.
    """

    def __init__(
        self,
        keys: KeyLookup = no_keys,
        *,
        formats: FormatLibrary | None = None,
        profiles: ProfileRegistry | None = None,
        already_decrypted: bool = False,
        lorawan: LorawanFollower | None = None,
    ) -> None:
        self._lorawan = lorawan
        self.formats = shipped_formats() if formats is None else formats
        self.fragments = Fragments.none()
        self.search_formats: FormatSearch | None = None
        self.make_follower: Callable[[], LorawanFollower] | None = None
        self.keys = keys
        self._profiles = shipped_profiles() if profiles is None else profiles
        self._already_decrypted = already_decrypted
        self._by_meter: dict[FrameFormat, dict[bytes, MeterPlan]] = {}
        self._by_kind: dict[bytes, tuple[Plan, ...]] = {}
        self._expected: Mapping[Address, Sequence[Key]] = {}
        self._meters = self._plans = 0
        self._learned_of: Counter[bytes] = Counter()
        self.forget()

    @property
    def lorawan(self) -> LorawanFollower:
        """What follows LoRaWAN devices; it and its modules are made when the first of their frames comes."""
        if self._lorawan is None:
            if self.make_follower is not None:
                self._lorawan = self.make_follower()
            else:
                from protocols.lorawan.follower import LorawanFollower

                self._lorawan = LorawanFollower()
        return self._lorawan

    @property
    def meters(self) -> int:
        """How many meters have plans."""
        return self._meters

    def forget(self) -> None:
        """Drop all plans, and with them the keys they hold; formats and LoRaWAN sessions stay."""
        if self._lorawan is not None:
            self._lorawan.forget()
        self._by_meter = {frame_format: {} for frame_format in FrameFormat}
        self._by_kind = {}
        self._expected = {}
        self._meters = self._plans = 0
        self._learned_of = Counter()

    def decode(
        self, frame: RawFrame | bytes, keys: KeyLookup | None = None, *, already_decrypted: bool = False
    ) -> Telegram:
        """Decode in full, and learn; with `keys` in place of the decoder's own, no plan is made."""
        raw = RawFrame(frame) if isinstance(frame, bytes) else frame
        if raw.link is not Link.MBUS:
            return self.lorawan.decode(raw, self.keys if keys is None else keys)
        telegram = self._decoded(
            raw,
            self.keys if keys is None else keys,
            already_decrypted=already_decrypted or self._already_decrypted,
        )
        if keys is None and not already_decrypted:
            self._learn(telegram)
        return telegram

    def _decoded(self, frame: RawFrame, keys: KeyLookup, *, already_decrypted: bool) -> Telegram:
        telegram = self._with_formats(
            lambda formats: decode(
                frame, keys, formats=formats, profiles=self._profiles, already_decrypted=already_decrypted
            )
        )
        self.fragments, pieces = self.fragments.add(telegram)
        if pieces:
            telegram = self._with_formats(
                lambda formats: decode_fragments(
                    pieces, keys, formats=formats, profiles=self._profiles, already_decrypted=already_decrypted
                )
            )
        self.formats = learn(self.formats, telegram)
        return telegram

    def _with_formats(self, read: Callable[[FormatLibrary], Telegram]) -> Telegram:
        """Read a telegram, and once more when the format that it lacks can be found."""
        telegram = read(self.formats)
        signature = None if self.search_formats is None else unknown_format(telegram)
        if signature is None or self.search_formats is None:
            return telegram
        found = self.search_formats(signature)
        if found is None:
            return telegram
        self.formats = self.formats.joined(found)
        return read(self.formats)

    def sight(self, frame: RawFrame) -> Telegram | Sighting:
        """Decode by a plan where one fits, else in full."""
        match = self.match(frame.data, frame.frame_format) if frame.link is Link.MBUS else None
        return self.decode(frame) if match is None else Sighting(*match, frame)

    def match(self, raw: bytes, told: FrameFormat | None = None) -> Match | None:
        """Find the plan that fits the bytes of a frame; None leaves them to `decode`.

        `told` is the frame format where the receiver has said it.
        """
        if not raw:
            return None
        if told is None and len(raw) == raw[0] + 1:
            # Without CRCs, or in format B: the latter only where nothing else decodes, see `Plan.may_be_b`.
            match = self._match_data(raw, raw, FrameFormat.STRIPPED)
            if match is not None or not self._by_meter[FrameFormat.B]:
                return match
        try:
            stripped = strip_crcs(raw, told)
        except ProtocolError:
            return None
        if stripped.missing or stripped.trailing or stripped.problem or stripped.format is FrameFormat.STRIPPED:
            return None
        return self._match_data(raw, stripped.data, stripped.format)

    def expect(self, frames: Iterable[bytes]) -> None:
        """Look up at once the keys of all new meters among the senders of some frames, where that is quicker.

        It is for frames without CRCs, of kinds of meters that are known; they are to be matched next.
        """
        known = self._by_meter[FrameFormat.STRIPPED]
        asked = [self._asks_for(frame) for frame in frames if frame[:HEADER_SIZE] not in known]
        self._expected = keys_of_many(self.keys, [address for address in asked if address is not None])

    def _asks_for(self, data: bytes) -> Address | None:
        """The address whose keys a new meter needs first; None where it needs none, or its kind is not known."""
        for plan in self._by_kind.get(_kind(data, FrameFormat.STRIPPED), ()):
            if plan.suits(data):
                meter, link_address = plan.addresses(data)
                if not plan.needs_key:
                    return None
                return meter if plan.ell_start is None else link_address or meter
        return None

    def _match_data(self, raw: bytes, data: bytes, frame_format: FrameFormat) -> Match | None:
        known = self._by_meter[frame_format].get(data[:HEADER_SIZE])
        while known is not None:
            body = known.open(data)
            if body is not None:
                return None if known.plan.may_be_b and _is_b(raw, frame_format) else (known, data, body)
            known = known.other
        return self._match_kind(raw, data, frame_format)

    def _match_kind(self, raw: bytes, data: bytes, frame_format: FrameFormat) -> Match | None:
        """Fit a plan of the meter's kind to a meter, or to a layout, that was not heard yet."""
        for plan in self._by_kind.get(_kind(data, frame_format), ()):
            known = self._fitted(plan, data) if plan.suits(data) else None
            body = None if known is None else known.open(data)
            if known is not None and body is not None:
                if plan.may_be_b and _is_b(raw, frame_format):
                    return None
                self._keep(known, data, frame_format)
                return known, data, body
        return None

    def _learn(self, telegram: Telegram) -> None:
        address = telegram.meter
        if address is None:
            return
        plan = plan_of(telegram, self._profiles.find(address), self.formats)
        if plan is None or plan.addresses(telegram.data) != (address, telegram.link_address):
            return
        frame_format = _format_of(telegram)
        kind = _kind(telegram.data, frame_format)
        if self._learned_of[kind] >= LEARNED_A_KIND:
            return
        known = self._fitted(plan, telegram.data)
        body = None if known is None else known.open(telegram.data)
        # What a maker protects in a way of its own, no plan opens: a decoder of payloads might read it all the same.
        if known is None or body is None or readings_of(plan, body) != _results(telegram):
            return
        if self._plans >= PLANS:
            self.forget()
        self._plans += 1
        self._learned_of[kind] += 1
        self._by_kind[kind] = (plan, *self._by_kind.get(kind, ()))[:PLANS_A_KIND]
        self._keep(known, telegram.data, frame_format)

    def _keep(self, known: MeterPlan, data: bytes, frame_format: FrameFormat) -> None:
        if self._meters >= METERS:
            self._by_meter = {frame_format: {} for frame_format in FrameFormat}
            self._meters = 0
        by_header = self._by_meter[frame_format]
        header = data[:HEADER_SIZE]
        self._meters += header not in by_header
        known.other = by_header.get(header)
        by_header[header] = last = known
        for _ in range(PLANS_A_METER - 1):
            if last.other is None:
                return
            last = last.other
        last.other = None

    def _fitted(self, plan: Plan, data: bytes) -> MeterPlan | None:
        """Fit a plan to the sender of `data`; None when `decode` would read its telegrams differently."""
        template = plan.template
        meter, link_address = plan.addresses(data)
        if (link_address is None) != (template.link_address is None):
            return None
        if not plan.needs_key:
            return meter_plan(plan, data, meter, link_address)
        addresses = (meter, link_address) if plan.ell_start is None else (link_address or meter,)
        for address in addresses:
            keys: Sequence[Key] = self._keys_of(address) if address is not None else ()
            usable = [key for key in keys if len(key.value) == BLOCK]
            if usable:
                return meter_plan(plan, data, meter, link_address, usable[0])
        return None

    def _keys_of(self, address: Address) -> Sequence[Key]:
        """The keys to fit a plan with; where nobody asks for one, `decode` does, if it needs it."""
        found = self._expected.get(address)
        return keys_at_hand(self.keys, address) if found is None else found


def _kind(data: bytes, frame_format: FrameFormat) -> bytes:
    """What the link header says apart from the number: length, C field, manufacturer, version, device type."""
    return data[: LINK_NUMBER.start] + data[LINK_NUMBER.stop : HEADER_SIZE] + frame_format.encode()


def _results(telegram: Telegram) -> list[Result]:
    return [(reading.value, reading.quality) for reading in telegram.readings]


def _is_b(raw: bytes, frame_format: FrameFormat) -> bool:
    return frame_format is FrameFormat.STRIPPED and has_crc_of_b(raw)


def _format_of(telegram: Telegram) -> FrameFormat:
    frame = telegram.frame
    return FrameFormat.STRIPPED if telegram.data == frame.data else strip_crcs(frame.data, frame.frame_format).format
