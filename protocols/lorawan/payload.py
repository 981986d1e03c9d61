"""From a decrypted FRMPayload to readings: `decode_payload` is pure, total, and knows no ports or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from protocols.application import Opaque
from protocols.errors import ProtocolError, Unsupported
from protocols.lorawan.bridges import PayloadState, add_piece, take_apart, timed_telegrams
from protocols.lorawan.carried import (
    Shifted,
    decode_carried,
    decode_headed,
    looks_like_headed,
    looks_like_telegram,
    looks_like_wired,
    shifted_records,
    with_known_ci,
)
from protocols.lorawan.meters.model import DECODED, Encoding, LoraMeter
from protocols.lorawan.naming import named
from protocols.lorawan.payload_result import NO_STATE, PayloadLayer, PayloadResult, Suggestion
from protocols.lorawan.payloads import BinaryPayload, binary_payload_decoder
from protocols.lorawan.payloads.lobaro import decode_bridge_status
from protocols.lorawan.refusal import clock_is_far, clock_problem, refused
from protocols.model import (
    Address,
    Key,
    KeyLookup,
    Layer,
    Outcome,
    Quality,
    Reading,
    Record,
    Status,
    Telegram,
)
from protocols.plural import counted
from protocols.profiles.model import Profile
from protocols.profiles.payloads.model import Item
from protocols.profiles.registry import shipped_profiles
from protocols.wmbus.transport import status_flags

NEXT_DAMAGED = "check whether the meter's profile is the right one; the bytes are as the meter sent them"
NEXT_UNSUPPORTED = "keep the payload; what it needs is named above"
NEXT_UNKNOWN = "file the meter's profile with its keys"
NEXT_SUSPECT = "compare the values with the meter's display before using them"


@dataclass(frozen=True, slots=True)
class _Given:
    """What `decode_payload` was called with."""

    plain: bytes
    start: int
    end: int
    fport: int | None
    received_at: datetime | None
    keys: KeyLookup
    fcnt: int | None
    state: PayloadState

    @property
    def payload(self) -> bytes:
        return self.plain[self.start : self.end]

    def result(self, layers: Sequence[Layer], state: PayloadState | None = None) -> PayloadResult:
        return PayloadResult(
            self.start, self.end, self.plain, layers=tuple(layers), state=self.state if state is None else state
        )

    def opaque(self, meaning: str) -> Opaque:
        return Opaque("application", self.start, self.end, meaning)


def no_keys(address: Address) -> Sequence[Key]:
    """The look-up of someone who has no keys for carried telegrams."""
    return ()


def decode_payload(
    plain: bytes,
    start: int,
    end: int,
    fport: int | None,
    meter: LoraMeter | None,
    *,
    received_at: datetime | None = None,
    keys: KeyLookup = no_keys,
    fcnt: int | None = None,
    state: PayloadState = NO_STATE,
) -> PayloadResult:
    """Read the payload `plain[start:end]`, sent on `fport` by `meter`; never raises, always ends.

    `keys` are for messages that the payload carries, `fcnt` is the uplink's counter, `state` what the device's payloads
    before taught. Without a meter only payloads that say themselves what they are give readings; the result suggests
    meters that others may be of.
    """
    end = max(0, min(end, len(plain)))
    given = _Given(plain, max(0, min(start, end)), end, fport, received_at, keys, fcnt, state)
    if given.start == given.end:
        return replace(given.result(()), notes=("no payload",))
    if meter is None:
        return _unknown(given)
    if meter.encoding in DECODED:
        return _binary(given, meter)
    return _carrier(given, meter)


def _binary(given: _Given, meter: LoraMeter) -> PayloadResult:
    decoder = binary_payload_decoder(meter.decoder or "")
    return _from_binary(given, meter, decoder(given.plain, given.start, given.end, given.fport))


def _from_binary(given: _Given, meter: LoraMeter, found: BinaryPayload) -> PayloadResult:
    records = _numbered(found, given.plain)
    problem, suspect = found.problem, found.suspect
    if problem is None:
        problem = refused(meter, records)
    if problem is None:
        problem = clock_problem(meter, records, given.received_at)
        suspect = problem is not None
    status = Status(None, found.flags) if found.flags or problem is None else None
    read = named(records, status, meter_rules(meter))
    result = PayloadResult(
        given.start,
        given.end,
        given.plain,
        records,
        _believed(read.readings, problem, suspect=suspect),
        read.status,
        meter.id,
        notes=(*found.notes, *meter.notes) if meter.notes else found.notes,
        layers=(PayloadLayer(given.start, given.end, records),),
        state=given.state,
    )
    return result if problem is None else _with_problem(result, problem, suspect=suspect)


def meter_rules(meter: LoraMeter) -> Profile | None:
    """The names of the meter's records: its own, else those of the wireless M-Bus profile that it shares."""
    if meter.rules is not None or meter.profile is None:
        return meter.rules
    return shipped_profiles().profiles.get(meter.profile)


def _numbered(found: BinaryPayload, plain: bytes) -> tuple[Record, ...]:
    """Items and records as records, numbered one behind the other."""
    records: list[Record] = []
    first_of_run = 0
    for index, entry in enumerate(found.entries):
        if isinstance(entry, Item):
            records.append(_record(entry, index, plain))
            continue
        if entry.index == 0:
            first_of_run = index
        if first_of_run or entry.index != index:
            expanded = None if entry.expanded_from is None else first_of_run + entry.expanded_from
            entry = replace(entry, index=index, expanded_from=expanded)
        records.append(entry)
    return tuple(records)


def _record(item: Item, index: int, plain: bytes) -> Record:
    start, end = item.start, item.end
    return Record(
        index,
        start,
        start,
        end,
        b"",
        plain[start:end],
        item.quantity,
        item.unit,
        item.value,
        item.quality,
        item.function,
        item.storage,
        name=item.name,
    )


def _believed(readings: tuple[Reading, ...], problem: ProtocolError | None, *, suspect: bool) -> tuple[Reading, ...]:
    """The readings that may be shown.

    Those of a suspect payload are marked invalid. A payload that breaks off is not what the meter's profile says, for
    its bytes are proven by the MIC: none of its values counts. What is only not known here takes nothing from the rest.
    """
    if problem is None or (isinstance(problem, Unsupported) and not suspect):
        return readings
    if suspect:
        return tuple(replace(reading, quality=Quality.INVALID) for reading in readings)
    return ()


def _with_problem(result: PayloadResult, problem: ProtocolError, *, suspect: bool = False) -> PayloadResult:
    unsupported = isinstance(problem, Unsupported)
    return replace(
        result,
        outcome=Outcome.UNSUPPORTED if unsupported else Outcome.DAMAGED,
        problem=str(problem),
        next=NEXT_SUSPECT if suspect else NEXT_UNSUPPORTED if unsupported else NEXT_DAMAGED,
    )


def _carrier(given: _Given, meter: LoraMeter) -> PayloadResult:
    if meter.encoding is Encoding.TRANSPORT:
        telegram = decode_headed(given.payload, given.state.address, given.keys, given.received_at)
        return _from_telegram(given, meter, telegram, given.start)
    if meter.encoding is Encoding.TELEGRAM:
        data = with_known_ci(given.payload, meter.short_header_ci)
        telegram = decode_carried(data, given.keys, given.received_at)
        result = _from_telegram(given, meter, telegram, given.start)
        if data == given.payload:
            return result
        return replace(result, notes=(*result.notes, f"CI field {meter.short_header_ci:02X} is a short header here"))
    if meter.encoding is Encoding.TELEGRAM_PARTS and given.fport == 1:
        return _from_binary(given, meter, decode_bridge_status(given.plain, given.start, given.end, given.fport))
    return _bridge(given, meter)


def _bridge(given: _Given, meter: LoraMeter) -> PayloadResult:
    try:
        piece = take_apart(meter.encoding, given.payload, given.fport)
    except ProtocolError as problem:
        result = replace(given.result((given.opaque("not decoded"),)), profile=meter.id)
        return _with_problem(result, problem)
    if not piece.first and given.state.pieces is None and given.fcnt is not None and given.fcnt == given.state.ended:
        result = given.result((given.opaque("the last part of a message, sent again"),))
        return replace(result, profile=meter.id, notes=("the last part of a message that was put together before",))
    got = add_piece(given.state.pieces, piece, given.payload, given.fcnt)
    ended = given.fcnt if got.message is not None and got.count > 1 else given.state.ended
    state = replace(given.state, pieces=got.pieces, ended=ended)
    if got.problem is not None:
        result = replace(given.result((given.opaque("a part of a message"),), state), profile=meter.id)
        return replace(_with_problem(result, got.problem), next="wait for the next message of this device")
    if got.message is None:
        result = given.result((given.opaque(f"part {got.count} of a message"),), state)
        return replace(result, profile=meter.id, notes=(f"part {got.count} of a message; the rest has to follow",))
    offset = given.start + piece.header if got.count == 1 else None
    if meter.encoding is Encoding.TELEGRAM_SEGMENTS:
        result = _from_segments(given, meter, got.message, offset)
    else:
        heard_at = got.clock or given.received_at
        telegram = decode_carried(got.message, given.keys, heard_at)
        result = _from_telegram(given, meter, telegram, offset)
    notes = list(result.notes)
    if got.count > 1:
        notes.append(f"put together from {got.count} uplinks")
    if got.clock is not None:
        notes.append(f"heard by the bridge at {got.clock:%Y-%m-%d %H:%M:%S} UTC")
    if got.rssi_dbm is not None:
        notes.append(f"heard by the bridge with {got.rssi_dbm} dBm")
    return replace(result, notes=tuple(notes), state=replace(result.state, pieces=None, ended=ended))


def _from_segments(given: _Given, meter: LoraMeter, message: bytes, offset: int | None) -> PayloadResult:
    try:
        heard = timed_telegrams(message, given.received_at)
    except ProtocolError as problem:
        result = replace(given.result((given.opaque("not decoded"),)), profile=meter.id)
        return _with_problem(result, problem)
    telegrams = [decode_carried(message[part.start : part.end], given.keys, part.at) for part in heard]
    first = _from_telegram(given, meter, telegrams[0], None if offset is None else offset + heard[0].start)
    note = f"{len(telegrams)} telegrams of meters in one message; the readings are the first one's"
    return replace(first, telegrams=tuple(telegrams), notes=(*first.notes, *((note,) if len(telegrams) > 1 else ())))


def _from_telegram(given: _Given, meter: LoraMeter | None, telegram: Telegram, offset: int | None) -> PayloadResult:
    """The result of a carried message that lies at `offset` of the frame; None when other uplinks hold the rest."""
    if offset is None:
        layers: tuple[Layer, ...] = (given.opaque("the last part of a carried message"),)
        records = tuple(replace(r, start=given.start, data_start=given.start, end=given.end) for r in telegram.records)
        plain = given.plain
    else:
        layers = _layers_around(given, telegram, offset)
        records = shifted_records(telegram.records, offset)
        plain = given.plain[:offset] + telegram.plain + given.plain[offset + len(telegram.data) :]
    problem = None if meter is None else refused(meter, records)
    read = (
        named(records, _status(telegram), meter_rules(meter)) if meter is not None and _own(meter, telegram) else None
    )
    failed = problem is not None or telegram.outcome is Outcome.DAMAGED
    address = telegram.meter or given.state.address
    result = replace(
        given.result(layers, replace(given.state, address=address)),
        plain=plain,
        records=records,
        readings=() if failed else telegram.readings if read is None else read.readings,
        status=telegram.status if read is None else read.status,
        profile=telegram.profile if meter is None else meter.id,
        outcome=telegram.outcome,
        problem=telegram.problem,
        next=next((step.next for step in telegram.verdict if step.next), None),
        notes=(*telegram.notes, *(() if meter is None else meter.notes)),
        address=telegram.meter,
        security=telegram.security,
        verdict=telegram.verdict,
        telegrams=(telegram,),
    )
    return result if problem is None else _with_problem(result, problem)


def _own(meter: LoraMeter, telegram: Telegram) -> bool:
    """Whether the meter's rules name the records: where they are its own, or the address told no profile."""
    return meter.rules is not None or telegram.profile is None


def _status(telegram: Telegram) -> Status | None:
    """The telegram's status without the names that another meter's profile gave to bits of its records."""
    status = telegram.status
    if status is None or telegram.profile is None:
        return status
    return None if status.raw is None else Status(status.raw, status_flags(status.raw))


def _layers_around(given: _Given, telegram: Telegram, offset: int) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    if offset > given.start:
        layers.append(Opaque("bridge", given.start, offset, "what the bridge says of the telegram"))
    layers += [Shifted(layer, offset, len(telegram.data)) for layer in telegram.layers]
    behind = offset + len(telegram.data)
    if behind < given.end:
        layers.append(Opaque("bridge", behind, given.end, "further telegrams"))
    return tuple(layers)


def _unknown(given: _Given) -> PayloadResult:
    """Read a payload that says itself what it is, else suggest meters."""
    # Suggestions need all meter files, which decoding of known meters does not.
    from protocols.lorawan.suggest import suggest

    payload = given.payload
    suggestions = tuple(
        Suggestion(meter, evidence) for meter, evidence in suggest(given.plain, given.start, given.end, given.fport)
    )
    telegram = _self_evident(given, payload)
    if telegram is not None:
        result = _from_telegram(given, None, telegram, given.start)
        return replace(result, suggestions=suggestions, notes=(*result.notes, "read without knowing the device"))
    found = ", ".join(item.meter for item in suggestions[:3])
    port = "" if given.fport is None else f" on FPort {given.fport}"
    return replace(
        given.result((given.opaque("payload of a device that is not known"),)),
        outcome=Outcome.UNSUPPORTED,
        problem=f"{counted(len(payload), 'byte')}{port} of a device whose payloads are not known",
        next=f"{NEXT_UNKNOWN}; it may be {found}" if found else NEXT_UNKNOWN,
        suggestions=suggestions,
    )


def _self_evident(given: _Given, payload: bytes) -> Telegram | None:
    if looks_like_telegram(payload) or looks_like_wired(payload):
        telegram = decode_carried(payload, given.keys, given.received_at)
    elif looks_like_headed(payload):
        telegram = decode_headed(payload, given.state.address, given.keys, given.received_at)
    else:
        return None
    proven = telegram.ok and bool(telegram.records or telegram.security)
    return telegram if proven or telegram.outcome in (Outcome.NO_KEY, Outcome.WRONG_KEY) else None


__all__ = [
    "NO_STATE",
    "PayloadLayer",
    "PayloadResult",
    "PayloadState",
    "Suggestion",
    "clock_is_far",
    "decode_payload",
    "meter_rules",
    "no_keys",
]
