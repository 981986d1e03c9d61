"""Alpha-Omega KLAX: header and sub-payloads told by their first byte, most significant byte first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, binary_decoder
from protocols.lorawan.payloads.numbers import F32BE, I32BE, Number, hexadecimal, server_id, unsigned_be
from protocols.model import Quality

DATA_PORT = 3
HEADER_SIZE = 4
FULL_PERCENT = 100
Reader = Callable[[Draft, int, int], int]
"""Reads a sub-payload, given the version and the number of its first register; returns how many it has."""

REGISTERS = 4
"""Values of each of the two registers in a history."""

UNITS: tuple[tuple[str, str, Decimal | None], ...] = (
    ("count", "", None),
    ("energy", "kWh", Decimal("0.001")),
    ("power", "kW", Decimal("0.001")),
    ("voltage", "V", None),
    ("current", "A", None),
    ("frequency", "Hz", None),
    ("reactive_energy", "kvarh", Decimal("0.001")),
    ("reactive_power", "kvar", Decimal("0.001")),
    ("apparent_energy", "kVAh", Decimal("0.001")),
    ("apparent_power", "kVA", Decimal("0.001")),
)
"""Quantity, unit and scale by unit code: none, Wh, W, V, A, Hz, varh, var, VAh, VA."""


@binary_decoder
def decode_klax(draft: Draft) -> None:
    """Read the application data of port 3."""
    if draft.known_port() != DATA_PORT:
        raise draft.unsupported(f"messages on port {draft.fport} hold no readings that are known here")
    version = draft.byte(0) >> 2
    state = draft.byte(1)
    at = draft.start + 1
    level = (state & 0x0F) * 10 if version == 0 else (state & 0x07) * 20
    if level > FULL_PERCENT:
        draft.add("battery_level", "battery_level", None, "%", at, at + 1, Quality.NOT_AVAILABLE)
    else:
        draft.add("battery_level", "battery_level", level, "%", at, at + 1)
    draft.flag("connection_test", when=bool(state & 0x80))
    draft.take(HEADER_SIZE)
    register = 1
    while draft.left:
        kind = draft.next_byte()
        reader = _SUB_PAYLOADS.get(kind)
        if reader is None:
            raise draft.unsupported(f"sub-payload {kind:02X} is not decoded", draft.position - draft.start - 1)
        register += reader(draft, version, register)


def _history(draft: Draft, version: int, first: int) -> int:
    """Two registers in version 0, one in later ones; returns how many."""
    if version == 0:
        mask, units = draft.next_byte(), draft.next_byte()
        for place in (0, 1):
            bits = mask >> 4 * place & 0x0F
            unit = units >> 4 * place & 0x0F
            _values(draft, first + place, REGISTERS, I32BE, unit, [bool(bits & 0x09 == 0x09)] * REGISTERS)
        return 2
    mask, valid = draft.next_byte(), draft.next_byte()
    flags = [bool(mask & 1) and bool(valid >> place & 1) for place in range(REGISTERS)]
    _values(draft, first, REGISTERS, F32BE, mask >> 4, flags)
    return 1


def _values(draft: Draft, register: int, count: int, number: Number, unit: int, valid: list[bool]) -> None:
    """The newest value is the register, older ones are its history."""
    for place in range(count):
        name = f"history_{place}_register_{register}" if place else f"register_{register}"
        _value(draft, name, number, unit, place, valid=valid[place])


def _value(draft: Draft, name: str, number: Number, unit: int, storage: int, *, valid: bool) -> None:
    at = draft.take(number.size)
    end = at + number.size
    quantity, code, scale = UNITS[unit] if unit < len(UNITS) else UNITS[0]
    raw = number.read(draft.plain[at:end])
    if not valid or not isinstance(raw, (int, Decimal)):
        draft.add(name, quantity, None, code, at, end, Quality.NOT_AVAILABLE, storage)
        return
    draft.add(name, quantity, raw if scale is None else raw * scale, code, at, end, storage=storage)


def _now(draft: Draft, version: int, first: int) -> int:
    """Four registers; returns how many."""
    state = draft.next_byte()
    units = unsigned_be(draft.plain[draft.take(2) : draft.position])
    number = I32BE if version == 0 else F32BE
    for place in range(REGISTERS):
        present = state >> 4 + place & 1 and state >> place & 1
        unit = units >> 4 * place & 0x0F
        _value(draft, f"register_{first + place}", number, unit, 0, valid=bool(present))
    return REGISTERS


def _named(name: str, size: int, read: Callable[[bytes], str]) -> Reader:
    def reader(draft: Draft, version: int, first: int) -> int:
        at = draft.take(size)
        draft.add(name, "identification", read(draft.plain[at : at + size]), "", at, at + size)
        return 0

    return reader


_SUB_PAYLOADS: Mapping[int, Reader] = {
    0x01: _history,
    0x02: _now,
    0x03: _named("meter_identification", 10, server_id),
    0x08: _named("identification", 4, hexadecimal),
}
