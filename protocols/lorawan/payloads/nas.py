"""NAS (Nordic Automation Systems) UM3023, CM3010 and CM3060 pulse modules, least significant byte first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import F32LE, I8, U8, U32LE, U64LE
from protocols.mbus.records import parse_records

COUNTER_PORT, STATUS_PORT, USAGE_PORT = 16, 24, 25
COUNTER_SIZE = 8
NO_COUNT = frozenset({0xFFFFFFFFFFFFFFFF})
THOUSANDTH = Decimal("0.001")
CHANNELS: Mapping[int, tuple[str, str, str, Decimal | None]] = {
    1: ("pulse_count", "pulse_count", "", None),
    2: ("total_volume", "volume", "m3", THOUSANDTH),
    3: ("total_energy", "energy", "kWh", THOUSANDTH),
    4: ("total_volume", "volume", "m3", THOUSANDTH),
    5: ("total_energy", "energy", "kWh", THOUSANDTH),
}
"""What a digital channel counts, by the high nibble of its state."""

OTHER = ("pulse_count", "pulse_count", "", None)
ANALOGUE_BIT, SSI_BIT, MBUS_BIT, USER_BIT = 2, 4, 5, 6
"""Of the mask; what the user adds stands behind all else."""

BATTERY = Field(0, U8, "battery_code", "code")
TEMPERATURE = Field(0, I8, "device_temperature", "temperature", "C")
RSSI = Field(0, U8, "rf_level", "rf_level", "dBm", Decimal(-1))


@binary_decoder
def decode_um3023(draft: Draft) -> None:
    """Digital and analogue channels by mask, then the records of a meter at the M-Bus port."""
    _on_ports(draft, USAGE_PORT, STATUS_PORT)
    mask = draft.next_byte()
    if draft.fport == STATUS_PORT:
        draft.next_fields((BATTERY,))
        draft.next_fields((TEMPERATURE,))
        draft.next_fields((RSSI,))
    _digital(draft, mask)
    for number in (1, 2):
        if mask >> ANALOGUE_BIT + number - 1 & 1:
            draft.take(1)
            draft.next_field(Field(0, F32LE, f"analogue_input_{number}", "count"))
    if mask >> SSI_BIT & 1:
        raise draft.unsupported("the SSI channel is not decoded", draft.position - draft.start)
    if mask >> MBUS_BIT & 1:
        draft.take(1)
        first = draft.take(draft.left)
        draft.records(parse_records(draft.plain, first, draft.end))
    if not mask >> USER_BIT & 1:
        draft.nothing_behind("what the mask announces")


def _on_ports(draft: Draft, *ports: int) -> None:
    # Nothing in a payload says what it is: those of other ports read as counters too.
    if draft.known_port() not in ports:
        raise draft.unsupported(f"messages on port {draft.fport} of this module are not decoded")


def _digital(draft: Draft, mask: int) -> None:
    for number in (1, 2):
        if mask >> number - 1 & 1:
            state = draft.next_byte()
            name, quantity, unit, scale = CHANNELS.get(state >> 4, OTHER)
            draft.next_field(Field(0, U32LE, f"{name}_input_{number}", quantity, unit, scale))


@binary_decoder
def decode_cm3010(draft: Draft) -> None:
    """Litres on port 16, status on port 24."""
    if draft.fport is not None or draft.size != COUNTER_SIZE:
        _on_ports(draft, COUNTER_PORT, STATUS_PORT)
    if draft.fport == STATUS_PORT:
        draft.fields(
            (
                Field(0, U32LE, "register_1", "count"),
                Field(4, U8, "battery_code", "code"),
                Field(5, I8, "device_temperature", "temperature", "C"),
                Field(6, I8, "rf_level", "rf_level", "dBm"),
            )
        )
        return
    if draft.size > COUNTER_SIZE:
        raise draft.bad(f"{draft.size} bytes are not a counter of {COUNTER_SIZE} bytes")
    draft.fields((Field(0, U64LE, "total_volume", "volume", "m3", THOUSANDTH, empty=NO_COUNT),))


@binary_decoder
def decode_cm3060(draft: Draft) -> None:
    """Two channels by mask; on port 24 with the state of the module."""
    _on_ports(draft, USAGE_PORT, STATUS_PORT)
    mask = draft.next_byte()
    if draft.fport == STATUS_PORT:
        draft.next_fields((BATTERY,))
        draft.next_fields((TEMPERATURE,))
        draft.take(1)
        draft.next_fields((RSSI,))
    _digital(draft, mask)
    draft.nothing_behind("what the mask announces")
