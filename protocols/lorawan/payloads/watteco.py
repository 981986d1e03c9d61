"""Watteco (nke) attribute reports: endpoint, command, cluster, attribute, type, value; most significant byte first.

Batch reports are compressed with tables of the maker's own and are named, not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import (
    F32BE,
    I8,
    I16BE,
    I24BE,
    I32BE,
    U8,
    U16BE,
    U24BE,
    U32BE,
    Number,
    hexadecimal,
    raw_bytes,
)

STANDARD = 0x01
READ_ANSWER = 0x01
COMMANDS = frozenset({0x01, 0x0A, 0x8A})
THOUSANDTH, TENTH = Decimal("0.001"), Decimal("0.1")

TYPES: Mapping[int, Number] = {
    0x08: U8,
    0x0D: Number(6, hexadecimal),
    0x10: U8,
    0x20: U8,
    0x21: U16BE,
    0x22: U24BE,
    0x23: U32BE,
    0x28: I8,
    0x29: I16BE,
    0x2A: I24BE,
    0x2B: I32BE,
    0x39: F32BE,
}
BYTES_TYPES = frozenset({0x41, 0x42})
"""A length byte comes first."""

PHASES: Mapping[int, str] = {0: "_l1", 1: "_l2", 2: "_l3", 3: ""}
"""Endpoints of the clusters 800A and 800B."""

FIRMWARE = (0x0000, 0x0002)
NAMES: Mapping[tuple[int, int], tuple[str, str, str, Decimal | None]] = {
    (0x000F, 0x0402): ("pulse_count_input", "pulse_count", "", None),
    (0x000F, 0x0055): ("contact_state_input", "code", "", None),
    (0x0006, 0x0000): ("output_state", "code", "", None),
    (0x8004, 0x0000): ("confirmed_uplinks", "code", "", None),
}
"""Attributes of one number, numbered by endpoint where the name ends in `_input`."""

ENERGY = "energy"


def _energies(names: tuple[str, ...]) -> tuple[Field, ...]:
    rows = []
    for name in names:
        reactive = "reactive" in name
        power = "power" in name
        quantity = ("reactive_" if reactive else "") + ("power" if power else ENERGY)
        unit = {"energy": "kWh", "reactive_energy": "kvarh", "power": "kW", "reactive_power": "kvar"}[quantity]
        rows.append(Field(0, I32BE if power else U32BE, name, quantity, unit, THOUSANDTH))
    return sequence(*rows)


METERING = sequence(
    Field(0, I24BE, "total_energy", "energy", "kWh", THOUSANDTH),
    Field(0, I24BE, "total_reactive_energy", "reactive_energy", "kvarh", THOUSANDTH),
    Field(0, U16BE, "measurement_count", "count"),
    Field(0, I16BE, "power", "power", "kW", THOUSANDTH),
    Field(0, I16BE, "reactive_power", "reactive_power", "kvar", THOUSANDTH),
)
DIRECTIONS = _energies(
    (
        "total_energy_import",
        "total_energy_export",
        "total_reactive_energy_import",
        "total_reactive_energy_export",
        "power_import",
        "power_export",
        "reactive_power_import",
        "reactive_power_export",
    )
)
THREE_PHASES = ("_l1", "_l2", "_l3", "")


def _alternating(active: str, reactive: str) -> tuple[Field, ...]:
    return _energies(tuple(name + phase for phase in THREE_PHASES for name in (active, reactive)))


def _supply(phase: str) -> tuple[Field, ...]:
    return (
        Field(0, U16BE, f"voltage{phase}", "voltage", "V", TENTH),
        Field(0, U16BE, f"current{phase}", "current", "A", TENTH),
        Field(0, I16BE, f"phase_angle{phase}", "phase_angle", "deg"),
    )


BLOCKS: Mapping[tuple[int, int], tuple[Field, ...]] = {
    (0x0052, 0x0000): METERING,
    (0x800A, 0x0000): DIRECTIONS,
    (0x800B, 0x0000): sequence(*_supply("")),
    (0x8010, 0x0000): _alternating("total_energy", "total_reactive_energy"),
    (0x8010, 0x0001): _alternating("power", "reactive_power"),
    (0x800D, 0x0000): sequence(*(row for phase in THREE_PHASES[:3] for row in _supply(phase))),
}
"""Attributes of several numbers, behind their length byte."""

BY_ENDPOINT = frozenset({0x800A, 0x800B})
POWER_SUPPLY = (0x0050, 0x0006)
POWER_SOURCES = ("mains", "rechargeable_battery", "battery", "solar", "tic")
"""By bit of the source mask."""

TIC_CLUSTERS = range(0x0053, 0x0058)


@binary_decoder
def decode_report(draft: Draft) -> None:
    """Read one standard report."""
    control = draft.byte(0)
    if not control & STANDARD:
        raise draft.unsupported("compressed batch report: the maker's tables that it needs are not known here")
    draft.take(1)
    endpoint = (control >> 5 & 7) | (control & 6) << 2
    command = draft.next_byte()
    if command not in COMMANDS:
        raise draft.unsupported(f"command {command:02X} is not a report", 1)
    key = _take16(draft), _take16(draft)
    if command == READ_ANSWER:
        status = draft.next_byte()
        if status:
            draft.flag("command_error")
            draft.note(f"the device answers with status {status:02X}")
            return
    kind = draft.next_byte()
    if kind in BYTES_TYPES:
        _block(draft, key, endpoint)
    elif kind in TYPES:
        _single(draft, key, endpoint, TYPES[kind])
    else:
        raise draft.unsupported(f"data type {kind:02X} is not decoded", draft.position - draft.start - 1)
    if draft.left:
        draft.note(f"{draft.left} bytes after the value say why it was sent")


def _take16(draft: Draft) -> int:
    at = draft.take(2)
    return int.from_bytes(draft.plain[at : at + 2], "big")


def _single(draft: Draft, key: tuple[int, int], endpoint: int, number: Number) -> None:
    if key == FIRMWARE:
        at = draft.take(number.size)
        data = draft.plain[at : at + number.size]
        if len(data) == 6:
            version = f"{data[0]}.{data[1]}.{data[2]}.{int.from_bytes(data[3:], 'big')}"
            draft.add("firmware_version", "firmware_version", version, "", at, at + 6)
        return
    name, quantity, unit, scale = NAMES.get(key, (_generic(key), "manufacturer_specific", "", None))
    if name.endswith("_input"):
        name = f"{name}_{endpoint + 1}"
    draft.next_field(Field(0, number, name, quantity, unit, scale))


def _block(draft: Draft, key: tuple[int, int], endpoint: int) -> None:
    size = draft.next_byte()
    base = draft.take(size)
    if key == POWER_SUPPLY:
        _power_supply(draft, base, size)
        return
    rows = BLOCKS.get(key)
    if rows is None:
        name = "tic_fields" if key[0] in TIC_CLUSTERS else _generic(key)
        if size:
            draft.field(Field(0, raw_bytes(size), name, "manufacturer_specific"), base)
        if key[0] in TIC_CLUSTERS:
            draft.note("which fields of the TIC these are is told by the maker's tables")
        return
    if size < rows[-1].end:
        raise draft.bad(f"attribute {key[0]:04X}/{key[1]:04X} has {size} bytes, {rows[-1].end} are needed")
    if key[0] in BY_ENDPOINT and endpoint not in PHASES:
        raise draft.unsupported(f"endpoint {endpoint} stands for no phase")
    phase = PHASES[endpoint] if key[0] in BY_ENDPOINT else ""
    for row in rows:
        draft.field(row if not phase else _named(row, row.name + phase), base)


def _named(row: Field, name: str) -> Field:
    return Field(row.offset, row.number, name, row.quantity, row.unit, row.scale)


def _power_supply(draft: Draft, base: int, size: int) -> None:
    """Modes, mask of sources, millivolts of each source, the source in use."""
    if size < 2:
        raise draft.bad(f"power supply of {size} bytes")
    mask = draft.plain[base + 1]
    at = base + 2
    for bit, source in enumerate(POWER_SOURCES):
        if mask >> bit & 1:
            if at + 2 > base + size:
                raise draft.bad(f"power supply of {size} bytes: no room for the voltage of its sources")
            name = "battery_voltage" if source == "battery" else f"{source}_voltage"
            draft.field(Field(0, U16BE, name, "voltage", "V", THOUSANDTH), at)
            at += 2


def _generic(key: tuple[int, int]) -> str:
    return f"attribute_{key[0]:04x}_{key[1]:04x}"
