"""The fast path for LoRaWAN: uplinks that are built as the last one of their device was.

After `decode_lorawan` has read an uplink, what will be the same in the next one is kept in a `Plan`: the keys, the
meter, the names of its readings, and for DIF/VIF records where their data stand. An uplink that fits needs its MIC
checked, its payload decrypted and its values read, and nothing else. What it gives is what `decode_lorawan` would give:
whatever is not exactly as before (a counter that does not go on, another payload, a damaged frame) is left to it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Final

from protocols.crypto import Cmac
from protocols.lorawan.carried import Shifted
from protocols.lorawan.cipher import crypt_payload
from protocols.lorawan.counter import LOW, MAX_GAP
from protocols.lorawan.facts import CounterSource, MicState
from protocols.lorawan.keys import V1_0
from protocols.lorawan.meters.model import Encoding, LoraMeter
from protocols.lorawan.payload import clock_is_far, meter_rules
from protocols.lorawan.payloads import binary_payload_decoder
from protocols.lorawan.phy import CONFIRMED, MIC_SIZE, MType
from protocols.lorawan.sessions import Session
from protocols.mbus.header import interpret as interpret_header
from protocols.mbus.layouts import Slot, reader_of
from protocols.mbus.values import Result
from protocols.model import RawFrame, Record, Status, Telegram
from protocols.profiles.apply import Recipe, recipe_of
from protocols.profiles.payloads.model import Item
from protocols.profiles.registry import shipped_profiles
from protocols.wmbus.transport import TransportLayer, status_of

PAYLOAD_AT: Final = 9
"""Offset of FRMPayload in an uplink without FOpts."""

_UPLINKS: Final = {kind << 5: kind in CONFIRMED for kind in (MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP)}
_FOPTS_LENGTH: Final = 0x0F
_FPORT_AT: Final = 8
_SMALLEST: Final = PAYLOAD_AT + 1 + MIC_SIZE
ACCESS_NUMBER_BEHIND: Final = 4
"""How far before its end a transport header with a configuration word has the access number, in modes 0 and 5."""

_RECORDS: Final = frozenset({Encoding.RECORDS, Encoding.TYPED_RECORDS})

Values = tuple[list[Result], tuple[bytes, ...], tuple[str, ...]]
"""Value and quality of each record, data of each record where flag words need them, flags."""

Read = Callable[[bytes, RawFrame], Values | None]
"""Reads an uplink with its payload in plain; None when it is not built as the plan says."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the uplinks of one device, port and size have in common.

    `template` is the telegram that taught it, `order` the record that each reading is read from; `as_recorded` says
    that no rule changes what a record says. `status` is what a carried telegram's header says, None without one.
    """

    template: Telegram
    dev_addr: str
    wire: bytes
    network: Cmac
    app_key: bytes = field(repr=False)
    read: Read
    recipe: Recipe
    order: tuple[int, ...]
    as_recorded: bool
    status: Status | None


@dataclass(frozen=True, slots=True)
class LorawanSighting:
    """An uplink that a plan read: only what differs from the plan's template.

    `readings` are value and quality of each reading, in the order of the template's.
    """

    plan: Plan
    frame: RawFrame
    fcnt: int
    plaintext: bytes
    readings: list[Result]
    status: Status | None


def plan_name(data: bytes) -> bytes | None:
    """What plans are kept by: DevAddr, port and size; None for messages that have none."""
    if len(data) < _SMALLEST or data[0] not in _UPLINKS or data[5] & _FOPTS_LENGTH or not data[_FPORT_AT]:
        return None
    return data[1:5] + data[8:9] + bytes((len(data) & 0xFF,))


class Ahead:
    """A session, and how far uplinks that plans read have taken it since."""

    __slots__ = ("_at", "_confirmed", "_mic", "_session", "fcnt")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.fcnt = session.fcnt_up
        self._confirmed = session.confirmed_up
        self._mic = b""
        self._at: datetime | None = None

    def heard(self, fcnt: int, frame: RawFrame) -> None:
        """Go on after an uplink."""
        self.fcnt, self._mic, self._at = fcnt, frame.data[-MIC_SIZE:], frame.at
        if _UPLINKS[frame.data[0]]:
            self._confirmed = fcnt

    @property
    def session(self) -> Session:
        """The session as it is now."""
        if not self._mic:
            return self._session
        return replace(
            self._session,
            fcnt_up=self.fcnt,
            confirmed_up=self._confirmed,
            last_up=self._mic,
            heard_at=self._at,
            earlier=False,
        )


def follow_plan(plan: Plan, frame: RawFrame, ahead: Ahead) -> LorawanSighting | None:
    """Read an uplink by a plan and take its session further; None, and nothing changed, when it does not fit."""
    data, last = frame.data, ahead.fcnt
    if last is None:
        return None
    fcnt = (last & ~(LOW - 1)) | data[6] | data[7] << 8
    if fcnt <= last - MAX_GAP:
        fcnt += LOW
    if fcnt <= last or fcnt >= 1 << 32:
        return None
    counter, size = fcnt.to_bytes(4, "little"), len(data) - MIC_SIZE
    mic = data[size:]
    b0 = b"\x49\0\0\0\0\0" + plan.wire + counter + bytes((0, size))
    if not hmac.compare_digest(plan.network.of(b0 + data[:size])[:MIC_SIZE], mic):
        return None
    plaintext = crypt_payload(plan.app_key, 0, plan.wire, fcnt, data[PAYLOAD_AT:size])
    values = plan.read(data[:PAYLOAD_AT] + plaintext + mic, frame)
    if values is None:
        return None
    results, contents, flags = values
    if plan.as_recorded:
        readings = [results[position] for position in plan.order]
    else:
        readings = [each.result(results[each.position], contents[each.position]) for each in plan.recipe.readings]
    status = plan.recipe.status(plan.status or Status(None, flags), contents)
    ahead.heard(fcnt, frame)
    return LorawanSighting(plan, frame, fcnt, plaintext, readings, status)


def learn_plan(telegram: Telegram, session: Session, meter: LoraMeter | None) -> Plan | None:
    """Make a plan of a telegram; None when uplinks like it need the general decoder."""
    facts, keys = telegram.lorawan, session.keys
    network_key, app_key = keys.f_nwk_s_int_key, keys.app_s_key
    if meter is None or facts is None or network_key is None or app_key is None or keys.version != V1_0:
        return None
    usual = telegram.ok and facts.mic is MicState.VERIFIED and facts.fcnt_source is not CounterSource.GIVEN
    # What a carried telegram's own key opened is left to the general decoder.
    if not usual or not telegram.records or telegram.plain[PAYLOAD_AT:-MIC_SIZE] != facts.plaintext:
        return None
    transport = _transport(telegram)
    status = None if transport is None else status_of(transport[0])
    read = _reader(telegram, meter, None if transport is None else transport[1])
    if read is None:
        return None
    recipe = _recipe(telegram, meter)
    plan = Plan(
        template=telegram,
        dev_addr=keys.dev_addr,
        wire=telegram.data[1:5],
        network=Cmac(network_key.value),
        app_key=app_key.value,
        read=read,
        recipe=recipe,
        order=tuple(planned.position for planned in recipe.readings),
        as_recorded=not any(planned.changes for planned in recipe.readings),
        status=status,
    )
    return plan if _reproduces(plan) else None


def _transport(telegram: Telegram) -> tuple[TransportLayer, int] | None:
    """The transport header of a carried telegram, and the offset of its access number."""
    for layer in telegram.layers:
        if isinstance(layer, Shifted) and isinstance(layer.inner, TransportLayer):
            header = layer.inner
            return None if header.configuration is None else (header, layer.end - ACCESS_NUMBER_BEHIND)
    return None


def _reader(telegram: Telegram, meter: LoraMeter, access_number_at: int | None) -> Read | None:
    if telegram.meter is not None:
        carried = meter.encoding is Encoding.TELEGRAM and access_number_at is not None
        return _records_reader(telegram, meter, access_number_at) if carried else None
    if meter.encoding in _RECORDS:
        return _records_reader(telegram, meter, None)
    return _binary_reader(telegram, meter)


def _recipe(telegram: Telegram, meter: LoraMeter) -> Recipe:
    """How records become readings and flags.

    A carried telegram is read by the meter's rules where it has some, else by the profile of its own address.
    """
    inner = None if telegram.meter is None else shipped_profiles().find(telegram.meter)
    return recipe_of(telegram.records, meter_rules(meter) if inner is None or meter.rules is not None else inner)


def _reproduces(plan: Plan) -> bool:
    """Whether a plan's recipes make of the template's records what the general decoder made of them."""
    telegram = plan.template
    records = telegram.records
    readings = tuple(
        planned.filled((record.value, record.quality), record.data)
        for planned in plan.recipe.readings
        for record in (records[planned.position],)
    )
    return readings == telegram.readings


def _records_reader(telegram: Telegram, meter: LoraMeter, access_number_at: int | None) -> Read | None:
    """Read DIF/VIF records whose headers stand where they stood; all other bytes must be the very same.

    Of a carried telegram's header only the access number may differ.
    """
    slots: list[Slot | Result] = []
    mask = bytearray(b"\xff" * len(telegram.plain))
    mask[:PAYLOAD_AT] = bytes(PAYLOAD_AT)
    mask[-MIC_SIZE:] = bytes(MIC_SIZE)
    if access_number_at is not None:
        mask[access_number_at] = 0
    for record in telegram.records:
        if not record.header:
            slots.append((record.value, record.quality))
            continue
        header = interpret_header(record.header)
        if record.expanded_from is not None or header.data_length is None or header.profile is not None:
            return None
        slots.append(Slot(record.data_start, record.end, reader_of(header)))
        mask[record.data_start : record.end] = bytes(record.end - record.data_start)
    ones = int.from_bytes(mask, "big")
    fixed, size = int.from_bytes(telegram.plain, "big") & ones, len(mask)
    if meter.clock_tolerance_years is not None:
        return None
    constant = tuple(record.data for record in telegram.records)

    def read(plain: bytes, frame: RawFrame) -> Values | None:
        if len(plain) != size or int.from_bytes(plain, "big") & ones != fixed:
            return None
        results: list[Result] = []
        contents: list[bytes] = []
        for slot, before in zip(slots, constant, strict=True):
            if isinstance(slot, Slot):
                data = plain[slot.start : slot.end]
                results.append(slot.read(data))
                contents.append(data)
            else:
                results.append(slot)
                contents.append(before)
        return results, tuple(contents), ()

    return read


_shape = attrgetter("name", "quantity", "unit", "start", "end", "function", "storage")
_result = attrgetter("value", "quality")


def _binary_reader(telegram: Telegram, meter: LoraMeter) -> Read | None:
    """Read a maker's own payload by its decoder; its items must be the same, but for their values."""
    fport = telegram.lorawan.fport if telegram.lorawan is not None else None
    if meter.encoding is not Encoding.BINARY or any(record.header for record in telegram.records):
        return None
    decoder = binary_payload_decoder(meter.decoder or "")
    end = len(telegram.plain) - MIC_SIZE
    taught = decoder(telegram.plain, PAYLOAD_AT, end, fport)
    shapes, notes = list(map(_shape, taught.entries)), taught.notes
    if taught.problem is not None or not all(isinstance(entry, Item) for entry in taught.entries):
        return None
    clock = _clock_place(telegram.records, meter)
    years = meter.clock_tolerance_years

    def read(plain: bytes, frame: RawFrame) -> Values | None:
        if len(plain) - MIC_SIZE != end:
            return None
        found = decoder(plain, PAYLOAD_AT, end, fport)
        if found.problem is not None or found.notes != notes or list(map(_shape, found.entries)) != shapes:
            return None
        results: list[Result] = list(map(_result, found.entries))
        if years is not None and (clock is None or clock_is_far(results[clock][0], frame.at, years)):
            return None
        contents = tuple(plain[entry.start : entry.end] for entry in found.entries)
        return results, contents, found.flags

    return read


def _clock_place(records: Sequence[Record], meter: LoraMeter) -> int | None:
    if meter.clock_tolerance_years is None:
        return None
    return next((place for place, record in enumerate(records) if record.quantity == "datetime"), None)
