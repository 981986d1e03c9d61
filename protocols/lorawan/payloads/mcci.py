"""MCCI Model 4811 power meter gateway: fields chosen by a mask, most significant byte first."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import F32BE, I16BE, I32BE, U8, Number, real_be

FORMAT = 0x19
HUNDRED_WH = Decimal("0.1")
PLACES = Decimal("0.000001")


def _power(data: bytes) -> Decimal | None:
    """A real in watts, in kW; what is below a milliwatt is nothing."""
    watts = real_be(data)
    if watts is None or abs(watts) >= LARGEST_W:
        return None
    return (watts / 1000).quantize(PLACES, ROUND_HALF_EVEN)


LARGEST_W = Decimal(10**12)
POWER = Number(4, _power)
FIELDS: tuple[tuple[Field, ...], ...] = (
    (Field(0, I16BE, "battery_voltage", "voltage", "V", Decimal(1) / 4096),),
    (Field(0, U8, "start_count", "count"),),
    (Field(0, I16BE, "modbus_error_code", "code"),),
    (
        Field(0, I32BE, "total_energy_import", "energy", "kWh", HUNDRED_WH),
        Field(0, I32BE, "total_energy_export", "energy", "kWh", HUNDRED_WH),
    ),
    (Field(0, POWER, "power", "power", "kW"),),
    (
        Field(0, I32BE, "total_energy_import_branch", "energy", "kWh", HUNDRED_WH),
        Field(0, I32BE, "total_energy_export_branch", "energy", "kWh", HUNDRED_WH),
    ),
    (Field(0, POWER, "power_branch", "power", "kW"),),
    tuple(Field(0, F32BE, f"register_{number}", "count") for number in range(1, 8)),
)
"""What each bit of the mask announces, from bit 0 on."""


@binary_decoder
def decode_4811(draft: Draft) -> None:
    """Read the report of format 19."""
    if draft.byte(0) != FORMAT:
        raise draft.unsupported(f"report format {draft.byte(0):02X} is not decoded")
    mask = draft.byte(1)
    draft.take(2)
    for bit, rows in enumerate(FIELDS):
        if mask >> bit & 1:
            for row in rows:
                draft.next_field(row)
    draft.nothing_behind("what the mask announces")
    draft.flag("communication_error", when=draft.word("modbus_error_code") != 0)
