"""Dragino CPL01 pulse counter and SW3L flow sensor: the port decides, most significant byte first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from protocols.lorawan.payloads.draft import Draft, Field, binary_decoder
from protocols.lorawan.payloads.numbers import U8, U16BE, U24BE, U32BE, UNIX_BE, Number, hexadecimal, unsigned_be

READING_PORT, LOG_PORT, SETTINGS_PORT, DEVICE_PORT = 2, 3, 4, 5
ROW_SIZE = 11
TOTAL_MODE = 0
MICROLITRE = Decimal("0.000001")
PULSES_PER_LITRE: Mapping[int, int] = {0: 450, 1: 360, 2: 60}
"""By the flag of the first byte."""


def _version(data: bytes) -> str:
    return ".".join(f"{data[0]:02x}{data[1]:02x}".lstrip("0") or "0")


DEVICE = (
    Field(0, Number(1, hexadecimal), "model_version", "model_version"),
    Field(1, Number(2, _version), "firmware_version", "firmware_version"),
    Field(5, U16BE, "battery_voltage", "voltage", "V", Decimal("0.001")),
)


@binary_decoder
def decode_cpl01(draft: Draft) -> None:
    """Pulses and how long the contact was open."""
    _by_port(draft, _pulse_row)


@binary_decoder
def decode_sw3l(draft: Draft) -> None:
    """Pulses of the flow sensor as volume."""
    _by_port(draft, _flow_row)


def _by_port(draft: Draft, row: Callable[[Draft, int, str, int], None]) -> None:
    port = draft.known_port()
    if port == READING_PORT:
        draft.require(ROW_SIZE, "reading")
        row(draft, 0, "", 0)
        draft.take(ROW_SIZE)
        draft.nothing_behind("the reading")
    elif port == LOG_PORT:
        if not draft.size or draft.size % ROW_SIZE:
            raise draft.bad(f"{draft.size} bytes are not rows of {ROW_SIZE} bytes")
        for number in range(1, draft.size // ROW_SIZE + 1):
            row(draft, (number - 1) * ROW_SIZE, f"stored_{number}_", number)
    elif port == SETTINGS_PORT:
        draft.contents(f"settings {draft.bytes(0, draft.size).hex().upper()}", 0, draft.size)
    elif port == DEVICE_PORT:
        draft.fields(DEVICE)
    else:
        raise draft.unsupported(f"messages on port {port} of this device are not decoded")


def _clock(prefix: str) -> str:
    return f"{prefix}datetime" if prefix else "meter_datetime"


def _pulse_row(draft: Draft, offset: int, prefix: str, storage: int) -> None:
    state = draft.byte(offset)
    if not prefix:
        draft.flag("alarm", when=bool(state & 0x02))
        draft.text("contact_state", "open" if state & 0x01 else "closed", offset)
    base = draft.start + offset
    for row in (
        Field(1, U24BE, f"{prefix}pulse_count", "pulse_count", storage=storage),
        Field(4, U24BE, f"{prefix}open_duration", "duration", "s", storage=storage),
        Field(7, UNIX_BE, _clock(prefix), "datetime", storage=storage),
    ):
        draft.field(row, base)


def _flow_row(draft: Draft, offset: int, prefix: str, storage: int) -> None:
    state = draft.byte(offset)
    flag = state >> 2
    if not prefix:
        draft.flag("alarm", when=bool(state & 0x02))
    base = draft.start + offset
    pulses = unsigned_be(draft.bytes(offset + 1, 4))
    draft.field(Field(1, U32BE, f"{prefix}pulse_count", "pulse_count", storage=storage), base)
    per_litre = PULSES_PER_LITRE.get(flag)
    if per_litre is None:
        draft.note(f"calculation flag {flag} is not known: pulses are not turned into a volume")
    else:
        # A 450th of a litre is no decimal resolution.
        volume = (Decimal(pulses) / per_litre / 1000).quantize(MICROLITRE, ROUND_HALF_UP)
        # Only in mode 0 the pulses are known to be all that ever came.
        total = not prefix and draft.byte(offset + 5) == TOTAL_MODE
        name = "total_volume" if total else f"{prefix}volume"
        draft.add(name, "volume", volume, "m3", base + 1, base + 5, storage=storage)
    draft.field(Field(5, U8, f"{prefix}counting_mode", "code", storage=storage), base)
    draft.field(Field(7, UNIX_BE, _clock(prefix), "datetime", storage=storage), base)
