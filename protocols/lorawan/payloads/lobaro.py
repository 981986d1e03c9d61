"""Lobaro EDL21 and Modbus bridges, and the status message of all Lobaro bridges."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import I16BE, I16LE, U16BE, U16LE, signed_le, unix_time, unsigned_be
from protocols.model import Quality

STATUS_PORT = 1
PLAIN_PORT, EXPONENT_PORT = 2, 3
"""Of the EDL21 bridge: values as they are, and with a decimal exponent."""

LONGEST_NUMBER = 8
"""Bytes; what is longer is an identification."""

THOUSANDTH, TENTH = Decimal("0.001"), Decimal("0.1")
NO_TEMPERATURE = frozenset({-1, -0x8000, 0x7FFF})
OBIS_SIZE = 6
CLOCK_SIZE = 5

OBIS_NAMES: Mapping[bytes, str] = {
    bytes((1, 0, 1, 8, 0)): "total_energy_import",
    bytes((1, 0, 1, 8, 1)): "total_energy_import_tariff_1",
    bytes((1, 0, 1, 8, 2)): "total_energy_import_tariff_2",
    bytes((1, 0, 2, 8, 0)): "total_energy_export",
    bytes((1, 0, 2, 8, 1)): "total_energy_export_tariff_1",
    bytes((1, 0, 2, 8, 2)): "total_energy_export_tariff_2",
    bytes((1, 0, 16, 7, 0)): "power",
}
"""By the first five groups of the OBIS code (DIN EN 62056-61); 254 and 255 in the sixth are the present value."""

PRESENT = frozenset({254, 255})


@binary_decoder
def decode_edl21(draft: Draft) -> None:
    """Values by OBIS code on ports 2 and 3; the bridge does not send their units."""
    if draft.known_port() == STATUS_PORT:
        status(draft, big_endian=True)
        return
    if draft.fport not in (PLAIN_PORT, EXPONENT_PORT):
        raise draft.unsupported(f"messages on port {draft.fport} of this bridge are not decoded")
    with_exponent = draft.fport != PLAIN_PORT
    while draft.left:
        obis = draft.plain[draft.take(OBIS_SIZE) : draft.position]
        length = draft.next_byte()
        at = draft.take(length)
        exponent = signed_le(draft.plain[draft.take(1) : draft.position]) if with_exponent else 0
        _obis_value(draft, obis, draft.plain[at : at + length], exponent, at - OBIS_SIZE - 1)
    draft.note("the bridge sends no units; energies of OBIS 1.8 and 2.8 are usually in Wh")


def _obis_value(draft: Draft, obis: bytes, data: bytes, exponent: int, start: int) -> None:
    name = obis_name(obis)
    quantity = "obis_value" if name.startswith("obis") else "power" if name == "power" else "energy"
    if not data:
        draft.add(name, quantity, None, "", start, draft.position, Quality.NOT_AVAILABLE)
    elif len(data) > LONGEST_NUMBER:
        draft.add(name, quantity, data.hex().upper(), "", start, draft.position)
    else:
        value = Decimal(signed_le(data))
        value = value.scaleb(exponent) if exponent < 0 else value * 10**exponent
        draft.add(name, quantity, value, "", start, draft.position)


@binary_decoder
def decode_bridge_status(draft: Draft) -> None:
    """The status message of a wireless M-Bus bridge."""
    status(draft, big_endian=False)


def obis_name(obis: bytes) -> str:
    """The reading that an OBIS code stands for, or the code itself."""
    name = OBIS_NAMES.get(obis[:5])
    if name is not None and obis[5] in PRESENT:
        return name
    return "obis_" + "_".join(str(group) for group in obis)


def status(draft: Draft, *, big_endian: bool) -> None:
    """The bridge's own state: firmware, battery, temperature."""
    draft.text("firmware_version", ".".join(str(part) for part in draft.bytes(0, 3)), 0, 3, quantity="firmware_version")
    # EDL21 and Modbus bridges have a flag byte before the voltage.
    first = 4 if big_endian else 3
    voltage, temperature = (U16BE, I16BE) if big_endian else (U16LE, I16LE)
    draft.fields(
        (
            Field(first, voltage, "battery_voltage", "voltage", "V", THOUSANDTH),
            Field(first + 2, temperature, "device_temperature", "temperature", "C", TENTH, empty=NO_TEMPERATURE),
        )
    )
    if not big_endian and draft.size > first + 4:
        draft.flag("no_telegram_heard", when=bool(draft.byte(first + 4) & 1))


ERROR = 0x80
REGISTER_FUNCTIONS = frozenset({3, 4})
EXCEPTIONS: Mapping[int, str] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "target device failed to respond",
}
"""Modbus Application Protocol V1.1b3, section 7."""

READ_FUNCTIONS = range(1, 5)
"""Their answers say how many bytes of data they have."""

SCHEDULED_PORT, ASKED_PORT, CONTINUATION_PORT = 3, 4, 5
TRAILER = 3
"""Start register and count stand behind the Modbus answer."""


@binary_decoder
def decode_modbus(draft: Draft) -> None:
    """Answers of Modbus devices: registers by device and address."""
    if draft.known_port() == STATUS_PORT:
        status(draft, big_endian=True)
        return
    if draft.fport == CONTINUATION_PORT:
        raise draft.unsupported("continuation of an answer: it can be read only together with the uplink before it")
    if draft.fport not in (SCHEDULED_PORT, ASKED_PORT):
        raise draft.unsupported(f"messages on port {draft.fport} of this bridge are not decoded")
    at = draft.take(CLOCK_SIZE)
    moment = unix_time(unsigned_be(draft.plain[at : at + CLOCK_SIZE]))
    draft.add("reading_datetime", "datetime", moment, "", at, at + CLOCK_SIZE)
    while draft.left:
        length = draft.next_byte()
        _answer(draft, draft.take(length), length)


def _answer(draft: Draft, at: int, length: int) -> None:
    if length < 3 + TRAILER:
        raise draft.bad(f"an answer of {length} bytes is too short", at - draft.start)
    block = draft.plain[at : at + length]
    slave, function = block[0], block[1]
    start, count = unsigned_be(block[-TRAILER:-1]), block[-1]
    if function & ERROR:
        reason = EXCEPTIONS.get(block[2], f"code {block[2]}")
        draft.flag("communication_error")
        draft.note(f"Modbus device {slave} did not answer function {function & ~ERROR} from {start} on: {reason}")
        return
    data_at = at + 3
    data = block[3:-TRAILER]
    if function in READ_FUNCTIONS and block[2] != len(data):
        raise draft.bad(f"an answer announces {block[2]} bytes of data and has {len(data)}", data_at - 1 - draft.start)
    if function not in REGISTER_FUNCTIONS:
        name = f"device_{slave}_bits_{start}"
        draft.add(name, "manufacturer_specific", data.hex().upper(), "", data_at, data_at + len(data))
        return
    for place in range(count):
        first = data_at + 2 * place
        value = draft.plain[first : first + 2]
        if first + 2 > at + length - TRAILER:
            draft.add(f"device_{slave}_register_{start + place}", "count", None, "", at, at, Quality.NOT_AVAILABLE)
            continue
        draft.add(f"device_{slave}_register_{start + place}", "count", unsigned_be(value), "", first, first + 2)
