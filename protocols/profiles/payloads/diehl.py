"""Diehl PRIOS and SAP PRIOS: IZAR radio modules of water meters."""

from __future__ import annotations

from decimal import Decimal

from protocols.errors import Truncated
from protocols.mbus.datetypes import date_g
from protocols.profiles.payloads.layout import counted
from protocols.profiles.payloads.model import Item, Payload, flag_names
from protocols.wmbus.security.diehl import DiehlKind, diehl_frame

BODY = 15
"""Offset in the frame of the descrambled body; 11 to 13 are flags in the clear, 14 is not used."""

_CI = 10
_LAST_2000_YEAR = 70
"""Years of fabrication up to this one are 20xx, the others 19xx."""

_TOTAL = slice(BODY + 1, BODY + 5)
_DUE = slice(BODY + 5, BODY + 9)
_DUE_DATE = slice(BODY + 9, BODY + 11)
_LITRES = Decimal("0.001")

_FLAGS_LEAK: tuple[tuple[int, str], ...] = ((0x80, "leak"), (0x40, "leak_before"), (0x20, "meter_blocked"))
_FLAGS_TAMPER: tuple[tuple[int, str], ...] = (
    (0x80, "reverse_flow"),
    (0x40, "underflow"),
    (0x20, "overflow"),
    (0x10, "submerged"),
    (0x08, "sensor_tamper"),
    (0x04, "sensor_tamper_before"),
    (0x02, "mechanical_tamper"),
    (0x01, "mechanical_tamper_before"),
)


def decode_prios(plain: bytes, start: int, end: int) -> Payload:
    """Total, due-date value and date, transmit period, battery life, alarms; SAP meters' type, year and number."""
    if end < _TOTAL.stop:
        return Payload(problem=Truncated("PRIOS frame ends before its total", layer="records", offset=end))
    interval, battery, alarms = plain[11], plain[12], plain[13]
    items = [
        *_printed_number(plain),
        Item("transmission_period", "transmission_period", Decimal(1 << ((interval & 0x0F) + 2)), "s", 11, 12),
        Item("battery_lifetime_remaining", "battery_lifetime_remaining", Decimal(battery & 0x1F) / 2, "year", 12, 13),
        _volume("total_volume", plain, _TOTAL),
    ]
    if end >= _DUE.stop:
        items.append(_volume("due_date_volume", plain, _DUE, storage=1))
    if end >= _DUE_DATE.stop:
        due, quality = date_g(plain[_DUE_DATE])
        items.append(Item("due_date", "date", due, "", _DUE_DATE.start, _DUE_DATE.stop, quality, storage=1))
    general = ("alarm",) if interval & 0x80 else ()
    flags = (*general, *flag_names(battery, _FLAGS_LEAK), *flag_names(alarms, _FLAGS_TAMPER))
    return Payload(tuple(items), flags)


def _printed_number(plain: bytes) -> tuple[Item, ...]:
    """What the number on the front of a SAP meter says; it stands packed in the address field."""
    frame = diehl_frame(plain, plain[_CI], None)
    if frame is None or frame.kind is not DiehlKind.SAP_PRIOS:
        return ()
    model, number = frame.printed_number[:5], frame.printed_number[5:]
    year = int(model[1:3])
    return (
        Item("fabrication_number", "fabrication_number", number, "", 4, 7),
        Item("fabrication_year", "fabrication_year", year + (1900 if year > _LAST_2000_YEAR else 2000), "", 4, 8),
        Item("model_version", "model_version", model, "", 7, 10),
    )


def _volume(name: str, plain: bytes, place: slice, storage: int = 0) -> Item:
    volume, quality = counted(plain[place], _LITRES)
    return Item(name, "volume", volume, "m3", place.start, place.stop, quality, storage=storage)
