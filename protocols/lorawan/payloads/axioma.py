"""Axioma Qalcosonic: W1 water meters (ports 100, 101, 103) and E1, E3, E4 heat meters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import ALL_ONES_32, I16LE, U24LE, U32LE, UNIX_LE, unix_le, unsigned_le
from protocols.model import Quality

LITRES = Decimal("0.001")
HOUR_S = 3600
PADDING = 0x2F2F
LONGEST_LOG = timedelta(days=400)
"""A log that begins further back than this does not belong to the clock beside it."""

CLOCK = Field(0, UNIX_LE, "meter_datetime", "datetime")

STATUS_BITS = {2: "battery_low", 3: "permanent_error"}
TEMPORARY = 0x10
CONDITIONS: Mapping[int, str] = {0: "dry", 1: "leak", 3: "reverse_flow", 4: "freezing", 5: "burst", 6: "tamper"}
"""Bits 7-5 of the status byte while its temporary error bit is set."""

LOG_FIELDS = (CLOCK, Field(5, U32LE, "total_volume", "volume", "m3", LITRES, empty=ALL_ONES_32))
LOG_CLOCK, LOG_FIRST = 9, 17
LOG_VOLUME = Field(13, U32LE, "history_base_volume", "volume", "m3", LITRES, empty=ALL_ONES_32)

PACKED_SIZE, PACKED_MARK = 51, 0x01
PACKED_CLOCK = Field(1, UNIX_LE, "meter_datetime", "datetime")
PACKED_STATUS = 5
PACKED_VOLUME = Field(6, U32LE, "history_base_volume", "volume", "m3", LITRES, empty=ALL_ONES_32)
PACKED_FIRST, PACKED_COUNT, PACKED_BITS = 10, 23, 14

PROFILE_VIFE = b"\x1e"
"""Ends the header of the increments; their length, control and spacing follow as the last three bytes."""

TEMPLATE_WORDS: Mapping[bytes, str] = {
    bytes.fromhex("04FF8913"): "clock",
    bytes.fromhex("31FD17"): "status",
    bytes.fromhex("0413"): "volume in L",
    bytes.fromhex("04933D"): "volume in oz",
    bytes.fromhex("44FF8913"): "log clock",
    bytes.fromhex("4413"): "log volume in L",
    bytes.fromhex("4493BD"): "log volume in oz",
    bytes.fromhex("4D931E"): "increments in L",
    bytes.fromhex("4D93BD1E"): "increments in oz",
}
"""Headers of the template on port 101 and what they announce."""


@binary_decoder
def decode_w1(draft: Draft) -> None:
    """Water: hourly log, short or packed log on port 100, template on 101, alarm on 103."""
    if draft.fport == 101:
        _template(draft)
    elif draft.fport == 103:
        draft.fields((CLOCK,))
        _status(draft, 4)
    elif draft.size == PACKED_SIZE and draft.byte(0) == PACKED_MARK:
        _packed(draft)
    else:
        _log(draft)


def _log(draft: Draft) -> None:
    draft.fields((CLOCK,))
    _status(draft, 4)
    draft.fields(LOG_FIELDS[1:])
    if not any(draft.bytes(LOG_CLOCK, draft.size - LOG_CLOCK)):
        return
    draft.require(LOG_FIRST, "log")
    clock = unix_le(draft.bytes(0, 4))
    at = draft.start + LOG_CLOCK
    log_clock = unix_le((unsigned_le(draft.bytes(LOG_CLOCK, 4)) // HOUR_S * HOUR_S).to_bytes(4, "little"))
    draft.add("history_base_datetime", "datetime", log_clock, "", at, at + 4)
    draft.fields((LOG_VOLUME,))
    deltas = [unsigned_le(draft.bytes(offset, 2)) for offset in range(LOG_FIRST, draft.size, 2)]
    while deltas and deltas[-1] == PADDING:
        deltas.pop()
    at = draft.start + LOG_FIRST
    for number, delta in zip(range(len(deltas), 0, -1), deltas, strict=True):
        gone = delta == PADDING
        value, quality = (None, Quality.NOT_AVAILABLE) if gone else (delta * LITRES, Quality.GOOD)
        draft.add(f"hour_{number}_volume", "volume", value, "m3", at, at + 2, quality, number)
        at += 2
    if clock and log_clock and not timedelta(0) <= clock - log_clock <= LONGEST_LOG:
        draft.suspect(f"clock {clock:%Y-%m-%d} and log clock {log_clock:%Y-%m-%d} do not belong together", LOG_CLOCK)


def _packed(draft: Draft) -> None:
    draft.fields((PACKED_CLOCK,))
    _status(draft, PACKED_STATUS)
    draft.fields((PACKED_VOLUME,))
    bits = unsigned_le(draft.bytes(PACKED_FIRST, PACKED_SIZE - PACKED_FIRST))
    multiplier = bits >> PACKED_COUNT * PACKED_BITS
    if multiplier:
        raise draft.unsupported(f"multiplier code {multiplier} of the increments is not known", PACKED_FIRST)
    total = unsigned_le(draft.bytes(PACKED_VOLUME.offset, 4))
    first = draft.start + PACKED_FIRST
    for place in range(PACKED_COUNT):
        low = place * PACKED_BITS
        delta = bits >> low & (1 << PACKED_BITS) - 1
        total += delta
        number = PACKED_COUNT - place
        span = first + low // 8, first + (low + PACKED_BITS + 7) // 8
        draft.add(f"hour_{number}_volume", "volume", delta * LITRES, "m3", *span, storage=number)
    if unsigned_le(draft.bytes(PACKED_VOLUME.offset, 4)) not in ALL_ONES_32:
        draft.add("total_volume", "volume", total * LITRES, "m3", first, draft.end)


def _template(draft: Draft) -> None:
    content = draft.bytes(0, draft.size)
    end = draft.size - 3 if content[-4:-3] == PROFILE_VIFE else 0
    headers = content[: end or draft.size]
    words = tuple(_announced(headers))
    if not words or (PROFILE_VIFE in headers and not end):
        raise draft.unsupported("template of the log frame in a form that is not known here")
    draft.contents(", ".join(words), 0, len(headers))
    if end:
        length, control, spacing = content[end:]
        unit = ("s", "min", "h", "d")[control >> 4 & 3]
        draft.add("interval_duration", "duration", spacing, unit, draft.start + end + 1, draft.end)
        draft.note(f"{length} bytes of increments, {control & 0x0F} bytes each")


def _announced(headers: bytes) -> Iterator[str]:
    """What the headers announce; bytes that are no known header are stepped over."""
    position = 0
    while position < len(headers):
        header = next((h for h in TEMPLATE_WORDS if headers.startswith(h, position)), b"")
        if header:
            yield TEMPLATE_WORDS[header]
        position += len(header) or 1


def _status(draft: Draft, offset: int) -> None:
    status = draft.byte(offset)
    at = draft.start + offset
    draft.add("info_code", "info_code", status, "", at, at + 1)
    for bit, name in STATUS_BITS.items():
        draft.flag(name, when=bool(status >> bit & 1))
    if status & TEMPORARY:
        draft.flag(CONDITIONS.get(status >> 5, f"code_{status >> 5}"))


def _group(number: int, *, cooling: bool) -> tuple[Field, ...]:
    """The four-byte counts of one moment; number 0 is the present one."""
    heat = Field(0, U32LE, "total_energy", "energy", "kWh", empty=ALL_ONES_32)
    cool = Field(0, U32LE, "total_energy_cooling", "energy", "kWh", empty=ALL_ONES_32)
    volume = Field(0, U32LE, "total_volume", "volume", "m3", LITRES, empty=ALL_ONES_32)
    rows = (heat, cool, volume) if cooling else (heat, volume)
    if not number:
        return rows
    return tuple(replace(row, name=row.name.replace("total_", f"history_{number}_"), storage=number) for row in rows)


def _history(groups: int, *, cooling: bool) -> tuple[Field, ...]:
    rows = [row for number in range(groups) for row in _group(number, cooling=cooling)]
    return sequence(*rows, Field(0, U32LE, "interval_duration", "duration", "s"), at=5)


def _present(*, cooling: bool) -> tuple[Field, ...]:
    return sequence(
        *_group(0, cooling=cooling),
        Field(0, U24LE, "power", "power", "kW", Decimal("0.1")),
        Field(0, U24LE, "volume_flow", "volume_flow", "m3/h", Decimal("0.001")),
        Field(0, I16LE, "flow_temperature", "flow_temperature", "C", Decimal("0.01")),
        Field(0, I16LE, "return_temperature", "return_temperature", "C", Decimal("0.01")),
        Field(0, U32LE, "operating_time", "operating_time", "s"),
        Field(0, U32LE, "interval_duration", "duration", "s"),
        at=5,
    )


HEAT_LAYOUTS: Mapping[int, tuple[Field, ...]] = {
    41: _history(4, cooling=False),
    45: _history(3, cooling=True),
    35: _present(cooling=True),
    31: _present(cooling=False),
}
"""Rows behind clock and status, by the length of the payload."""


@binary_decoder
def decode_e3(draft: Draft) -> None:
    """Heat and cooling: the layout is told by the length."""
    rows = HEAT_LAYOUTS.get(draft.size)
    if rows is None:
        raise draft.unsupported(f"no layout of {draft.size} bytes is known of this meter")
    draft.fields((CLOCK,))
    _status(draft, 4)
    draft.fields(rows)
    if any(row.name == "power" for row in rows):
        draft.note("the scale of the power is not certain: compare it with the meter's display")
