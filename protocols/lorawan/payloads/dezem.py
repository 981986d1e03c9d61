"""deZem HARVY2: fields chosen by masks, least significant byte first; reals of 16 bits."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import F16LE, I32LE, U8, U16LE, U32LE, exact
from protocols.plural import counted

INPUTS = range(1, 5)
HEADER_SIZE = 10
MILLIVOLT = Decimal("0.001")
SUPPLY_STEP, SUPPLY_ZERO = Decimal("0.0075"), Decimal("1.8")
TEMPERATURE = Field(0, U8, "device_temperature", "temperature", "C", Decimal("0.4"), Decimal(-22))
AC, DC, FREQUENCY, SCALED, VOLTAGE = 0x01, 0x02, 0x04, 0x08, 0x10
CT_PLUS = 0x01
CT_PLUS_PHASES = 3


@binary_decoder
def decode_harvy2(draft: Draft) -> None:
    """Measurements on port 10, energy counters on 30, ampere-hour counters on 31."""
    if draft.fport is None:
        raise draft.unsupported("without the port nothing says which message this is")
    reader = {10: _measurements, 30: _energies, 31: _charges}.get(draft.fport)
    if reader is None:
        raise draft.unsupported(f"messages on port {draft.fport} of this device are not decoded")
    reader(draft)


def _measurements(draft: Draft) -> None:
    what = draft.byte(0)
    masks = {number: draft.byte(1 + number) for number in INPUTS}
    draft.take(HEADER_SIZE)
    if what & 0x02:
        at = draft.take(1)
        # A step of 7.5 mV: the maker rounds to millivolts.
        supply = (draft.plain[at] * SUPPLY_STEP + SUPPLY_ZERO).quantize(MILLIVOLT, ROUND_HALF_UP)
        draft.add("supply_voltage", "voltage", supply, "V", at, at + 1)
    if what & 0x04:
        draft.next_field(TEMPERATURE)
    for number, mask in masks.items():
        _input(draft, number, mask)
    if draft.byte(1) & CT_PLUS:
        for phase in range(1, CT_PLUS_PHASES + 1):
            draft.next_field(Field(0, F16LE, f"power_factor_input_{phase}", "power_factor"))
    if draft.left:
        draft.suspect(f"{counted(draft.left, 'byte')} more than the masks announce", draft.position - draft.start)


def _input(draft: Draft, number: int, mask: int) -> None:
    first = draft.position
    sensor: dict[str, Decimal] = {}
    for bit, kind in ((AC, "ac"), (DC, "dc")):
        if mask & bit:
            raw = F16LE.read(draft.plain[draft.position : draft.position + 2]) if draft.left >= 2 else None
            draft.next_field(Field(0, F16LE, f"sensor_current_{kind}_input_{number}", "current", "A"))
            if isinstance(raw, Decimal):
                sensor[kind] = raw
    if mask & FREQUENCY:
        draft.next_field(Field(0, U16LE, f"frequency_input_{number}", "frequency", "Hz", Decimal("0.01")))
    if not mask & SCALED:
        return
    factor = F16LE.read(draft.plain[draft.position : draft.position + 2]) if draft.left >= 2 else None
    draft.next_field(Field(0, F16LE, f"factor_input_{number}", "factor"))
    if not isinstance(factor, Decimal):
        return
    for kind, raw in sensor.items():
        # The voltage divider's factor is in kilo-ohms.
        scaled = raw * factor * (1000 if mask & VOLTAGE else 1)
        quantity, unit = ("voltage", "V") if mask & VOLTAGE else ("current", "A")
        value = exact(scaled.quantize(MILLIVOLT, ROUND_HALF_UP))
        draft.add(f"{quantity}_{kind}_input_{number}", quantity, value, unit, first, draft.position)


def _energies(draft: Draft) -> None:
    draft.take(3)
    draft.next_field(Field(0, U32LE, "operating_time", "operating_time", "s"))
    _counters(draft, "total_energy", "energy", "kWh", with_factor=True)


def _charges(draft: Draft) -> None:
    draft.take(4)
    draft.next_field(Field(0, U32LE, "operating_time", "operating_time", "s"))
    _counters(draft, "total_charge", "charge", "Ah", with_factor=False)


def _counters(draft: Draft, name: str, quantity: str, unit: str, *, with_factor: bool) -> None:
    number = 1
    while draft.left:
        draft.next_field(Field(0, I32LE, f"{name}_input_{number}", quantity, unit, Decimal("0.01")))
        if with_factor:
            draft.next_field(Field(0, F16LE, f"power_factor_input_{number}", "power_factor"))
        number += 1
