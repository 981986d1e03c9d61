"""Elvaco CMi41xx modules in heat meters: a message type, then DIF/VIF records or, in some types, JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal

from protocols.lorawan.payloads.draft import Draft, binary_decoder
from protocols.lorawan.payloads.numbers import digits_le
from protocols.mbus.records import parse_records
from protocols.model import Quality
from protocols.text import safe_text


def _types(first: int, *words: str) -> dict[int, str]:
    return {first + place: word for place, word in enumerate(words)}


_COMMON = ("standard", "compact", "JSON", "daily", "extended")
TYPES: Mapping[int, str] = {
    **_types(0x00, *_COMMON),
    **_types(0x05, *_COMMON, "heat and cooling", "billing", "plausibility", "monitoring"),
    **_types(0x0F, *_COMMON, "heat and cooling"),
    **_types(0x15, *_COMMON, "heat and cooling", "heat intelligence", "pulse", "pulse 2"),
    **_types(0x1E, *_COMMON, "heat and cooling"),
    **_types(0x24, *_COMMON, "heat and cooling"),
    **_types(0x2C, "Engelmann", "Engelmann 2"),
    **_types(0x3B, "extended+", "extended+ 2", "extended+", "extended+ 2", "extended+", "extended+ 2"),
    **_types(0x41, "compact tariff"),
    **_types(0x46, "maximum flow", "daily tariff", "daily tariff 2", "monthly", "daily"),
    **_types(0x4D, "pulse extended", "pulse extended 2", "DR0", "DR0"),
}
"""By the first byte. Which module it is follows from the range of the type."""

JSON_TYPES = frozenset({0x02, 0x07, 0x11, 0x17, 0x20, 0x26})
MODULES: tuple[tuple[range, str], ...] = (
    (range(0x05), "CMi4110"),
    (range(0x05, 0x0E), "CMi4111"),
    (range(0x0F, 0x15), "CMi4130"),
    (range(0x15, 0x1E), "CMi4140"),
    (range(0x1E, 0x24), "CMi4160"),
    (range(0x24, 0x2E), "CMi4170"),
    (range(0x3B, 0x3D), "CMi4140"),
    (range(0x3D, 0x3F), "CMi4160"),
    (range(0x3F, 0x4B), "CMi4110"),
    (range(0x4D, 0x50), "CMi4140"),
    (range(0x50, 0x51), "CMi4170"),
)

ENERGY_UNITS: Mapping[str, tuple[str, Decimal]] = {
    "kWh": ("kWh", Decimal(1)),
    "MWh": ("kWh", Decimal(1000)),
    "Wh": ("kWh", Decimal("0.001")),
    "MJ": ("MJ", Decimal(1)),
    "GJ": ("MJ", Decimal(1000)),
}
WHOLE_ADDRESS = 8
"""Bytes of a VIF 79 that says the meter's number, manufacturer, version and medium in one."""

NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)


@binary_decoder
def decode_cmi(draft: Draft) -> None:
    """Read one message."""
    kind = draft.next_byte()
    if kind not in TYPES:
        raise draft.unsupported(f"message type {kind:02X} is not known of these modules")
    module = next((name for types, name in MODULES if kind in types), None)
    if module is not None:
        draft.note(f"message type {kind:02X} is one of {module}")
    if kind in JSON_TYPES:
        _json(draft)
    elif not draft.left:
        raise draft.bad("no records after the message type")
    else:
        _records(draft)
    draft.contents(TYPES[kind])


def _records(draft: Draft) -> None:
    parsed = parse_records(draft.plain, draft.take(draft.left), draft.end)
    draft.records(parsed)
    for record in parsed.records:
        if record.quantity == "identification" and len(record.data) == WHOLE_ADDRESS:
            first = record.data_start
            number = digits_le(record.data[:4])
            quality = Quality.GOOD if number else Quality.INVALID
            draft.add("fabrication_number", "fabrication_number", number, "", first, first + 4, quality)


def _json(draft: Draft) -> None:
    first = draft.take(draft.left)
    try:
        fields = json.loads(draft.plain[first : draft.end])
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise draft.bad("the text after the message type is not a JSON object", 1)
    number = fields.get("ID")
    if isinstance(number, (str, int)):
        draft.add("fabrication_number", "fabrication_number", safe_text(str(number)), "", first, draft.end)
    if "E" not in fields:
        return
    energy, unit = str(fields["E"]), str(fields.get("U", "kWh"))
    if not NUMBER.fullmatch(energy) or unit not in ENERGY_UNITS:
        raise draft.unsupported(f"an energy of {safe_text(energy[:20])!r} {safe_text(unit[:20])!r} is not decoded", 1)
    code, scale = ENERGY_UNITS[unit]
    draft.add("total_energy", "energy", Decimal(energy) * scale, code, first, draft.end)
