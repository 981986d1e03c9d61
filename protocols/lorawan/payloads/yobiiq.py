"""Yobiiq electricity devices: EM2101, EM4301 (index, type, value) and iQ-DSMR (channel, type, value); MSB first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder, sequence
from protocols.lorawan.payloads.numbers import (
    ABOVE_100,
    I8,
    I16BE,
    I32BE,
    U8,
    U16BE,
    U32BE,
    UNIX_BE,
    Number,
    ascii_text,
    hexadecimal,
)
from protocols.lorawan.payloads.tagged import Entry
from protocols.lorawan.payloads.tariff_energies import TARIFF_ENERGIES
from protocols.text import text_from_bytes

TENTH, HUNDREDTH, THOUSANDTH = Decimal("0.1"), Decimal("0.01"), Decimal("0.001")
PHASES = ("_l1", "_l2", "_l3")
DATA_PORTS = range(1, 11)
STATE_PORT, INFO_PORT, EVENT_PORT = 11, 50, 60
MODBUS_ERROR = (0x0B, 0x0A)
"""Index and type of the byte that says how the last readout of the meter went."""


def _phases(
    first: int,
    number: Number,
    name: str,
    unit: str,
    scale: Decimal,
    places: tuple[str, ...] = PHASES,
    quantity: str = "",
) -> Iterator[tuple[int, Entry]]:
    for step, place in enumerate(places):
        yield first + step, (Field(0, number, name + place, quantity or name, unit, scale),)


METER: Mapping[int, Entry] = dict(
    (
        (0x01, (Field(0, UNIX_BE, "meter_datetime", "datetime"),)),
        (0x03, (Field(0, UNIX_BE, "reading_datetime", "datetime"),)),
        *(
            (0x04 + place, (Field(0, U32BE, name, quantity, unit, THOUSANDTH),))
            for place, (name, quantity, unit) in enumerate(TARIFF_ENERGIES)
        ),
        *_phases(0x0C, I32BE, "voltage", "V", TENTH),
        *_phases(0x0F, I32BE, "current", "A", THOUSANDTH, (*PHASES, "_n")),
        *_phases(0x13, I32BE, "power", "kW", THOUSANDTH, (*PHASES, "")),
        *_phases(0x17, I32BE, "reactive_power", "kvar", THOUSANDTH),
        *_phases(0x1A, I32BE, "apparent_power", "kVA", THOUSANDTH),
        *_phases(0x1D, I8, "power_factor", "", HUNDREDTH),
        *_phases(0x20, I16BE, "phase_angle", "deg", HUNDREDTH),
        (0x23, (Field(0, I16BE, "frequency", "frequency", "Hz", HUNDREDTH),)),
        (0x24, (Field(0, I32BE, "power", "power", "kW", THOUSANDTH),)),
        (0x25, (Field(0, I32BE, "reactive_power", "reactive_power", "kvar", THOUSANDTH),)),
        (0x26, (Field(0, I32BE, "apparent_power", "apparent_power", "kVA", THOUSANDTH),)),
        *_phases(0x27, I32BE, "maximum_current", "A", THOUSANDTH, quantity="current"),
        (0x2A, (Field(0, I32BE, "average_power", "power", "kW", THOUSANDTH),)),
        (0xF0, (Field(0, U16BE, "fabrication_year", "fabrication_year"),)),
        (0xF1, (Field(0, U16BE, "firmware_version", "firmware_version"),)),
        (0xF2, (Field(0, U16BE, "hardware_version", "hardware_version"),)),
    )
)


def _slave(code: int, name: str) -> tuple[int, Entry]:
    return code, sequence(
        Field(0, UNIX_BE, f"reading_datetime_{name}", "datetime"), Field(0, U32BE, f"register_{name}", "count")
    )


DSMR: Mapping[int, Entry] = dict(
    (
        (0xFE, (Field(0, UNIX_BE, "device_datetime", "datetime"),)),
        (0x02, (Field(0, UNIX_BE, "meter_datetime", "datetime"),)),
        (0x06, (Field(0, U32BE, "total_energy_import_tariff_1", "energy", "kWh", THOUSANDTH),)),
        (0x08, (Field(0, U32BE, "total_energy_import_tariff_2", "energy", "kWh", THOUSANDTH),)),
        (0x0A, (Field(0, U32BE, "total_energy_export_tariff_1", "energy", "kWh", THOUSANDTH),)),
        (0x0C, (Field(0, U32BE, "total_energy_export_tariff_2", "energy", "kWh", THOUSANDTH),)),
        (0x0E, (Field(0, U16BE, "active_tariff", "tariff"),)),
        (0x10, (Field(0, I32BE, "power_import", "power", "kW", THOUSANDTH),)),
        (0x12, (Field(0, I32BE, "power_export", "power", "kW", THOUSANDTH),)),
        *_phases(0x22, I32BE, "voltage", "V", TENTH),
        (0x26, (Field(0, I32BE, "current_l1", "current", "A"),)),
        (0x28, (Field(0, I32BE, "current_l2", "current", "A"),)),
        (0x2A, (Field(0, I32BE, "current_l3", "current", "A"),)),
        *(_slave(0x40 + 0x10 * number, str(number)) for number in range(1, 5)),
        (0x71, (Field(0, I16BE, "device_temperature", "temperature", "C", HUNDREDTH),)),
        (0x72, (Field(0, U8, "device_relative_humidity", "relative_humidity", "%", empty=ABOVE_100),)),
        (0x81, (Field(0, I16BE, "external_temperature", "external_temperature", "C", HUNDREDTH),)),
        (0x82, (Field(0, U8, "relative_humidity", "relative_humidity", "%", empty=ABOVE_100),)),
        (0xD1, (Field(0, U32BE, "pulse_count_input_1", "pulse_count"),)),
        (0xD2, (Field(0, U32BE, "pulse_count_input_2", "pulse_count"),)),
    )
)


def _version(data: bytes) -> str:
    return f"{data[0]:x}.{data[1]:x}"


VERSION = Number(2, _version)
HEX1 = Number(1, hexadecimal)
METER_INFO: Mapping[int, Entry] = {
    0x09: (Field(0, VERSION, "hardware_version", "hardware_version"),),
    0x0A: (Field(0, VERSION, "firmware_version", "firmware_version"),),
    0x16: (Field(0, U32BE, "fabrication_number", "fabrication_number"),),
    0x0F: (Field(0, HEX1, "device_class", "code"),),
    0x0B: (Field(0, HEX1, "power_event", "code"),),
    0x00: (Field(0, HEX1, "relay_state", "code"),),
    0x1E: (Field(0, U16BE, "current_transformer_primary", "configuration"),),
    0x1F: (Field(0, U8, "current_transformer_secondary", "configuration"),),
    0x20: (Field(0, U32BE, "voltage_transformer_primary", "configuration"),),
    0x21: (Field(0, U16BE, "voltage_transformer_secondary", "configuration"),),
}
DSMR_INFO: Mapping[int, Entry] = {
    0x05: (Field(0, VERSION, "hardware_version", "hardware_version"),),
    0x04: (Field(0, VERSION, "firmware_version", "firmware_version"),),
    0x03: (Field(0, U32BE, "fabrication_number", "fabrication_number"),),
    0x02: (Field(0, ascii_text(8), "product_number", "product_number"),),
    0x01: (Field(0, ascii_text(6), "manufacturer_name", "manufacturer"),),
    0x11: (Field(0, HEX1, "device_class", "code"),),
    0x07: (Field(0, U8, "battery_level", "battery_level", "%", empty=ABOVE_100),),
    0x08: (Field(0, U8, "battery_voltage", "voltage", "V", HUNDREDTH),),
    0x06: (Field(0, HEX1, "power_event", "code"),),
}
MODEL = 0x28
"""Behind this entry stands the name of the model, up to the end."""


@binary_decoder
def decode_em(draft: Draft) -> None:
    """EM2101 and EM4301: measurements on ports 1 to 10, the device's own data on 50."""
    _by_port(draft, _measurements, METER_INFO)


@binary_decoder
def decode_dsmr(draft: Draft) -> None:
    """iQ-DSMR: what the meter says at its P1 port, on ports 1 to 10; the device's own data on 50."""
    _by_port(draft, _telegram, DSMR_INFO)


def _by_port(draft: Draft, measurements: Callable[[Draft], None], info: Mapping[int, Entry]) -> None:
    port = draft.known_port()
    if port in DATA_PORTS:
        measurements(draft)
    elif port == INFO_PORT:
        _device(draft, info)
    elif port in (STATE_PORT, EVENT_PORT):
        what = "change of state" if port == STATE_PORT else "event"
        draft.contents(f"{what} {draft.bytes(0, draft.size).hex().upper()}", 0, draft.size)
    else:
        raise draft.unsupported(f"messages on port {port} of this device are not decoded")


def _measurements(draft: Draft) -> None:
    while draft.left:
        at = draft.position - draft.start
        index, code = draft.next_byte(), draft.next_byte()
        if (index, code) == MODBUS_ERROR:
            draft.flag("communication_error", when=draft.next_byte() != 0)
            continue
        _entry(draft, METER, code, at)


def _telegram(draft: Draft) -> None:
    while draft.left:
        at = draft.position - draft.start
        draft.take(1)
        _entry(draft, DSMR, draft.next_byte(), at)


def _device(draft: Draft, info: Mapping[int, Entry]) -> None:
    if draft.size == 1:
        draft.contents("command accepted" if draft.byte(0) == 0 else "command refused", 0)
        return
    while draft.left:
        at = draft.position - draft.start
        if draft.next_byte() != 0xFF:
            raise draft.bad("an entry of the device's own data begins with FF", at)
        code = draft.next_byte()
        if code == MODEL:
            first = draft.take(draft.left)
            name = text_from_bytes(draft.plain[first : draft.end])
            draft.add("model_version", "model_version", name, "", first, draft.end)
            continue
        _entry(draft, info, code, at)


def _entry(draft: Draft, entries: Mapping[int, Entry], code: int, at: int) -> None:
    if code not in entries:
        raise draft.unsupported(f"entry {code:02X} is not known of this device", at)
    draft.next_fields(entries[code])
