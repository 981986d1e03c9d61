"""A telegram as one line for people: when, who, how strong, what became of it, what it reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fieldtool.pipeline.main_reading import alarms, readings_in_short
from protocols.model import Address, Outcome, Quality, Reading, RungState, Telegram, Value
from protocols.plausibility import doubts_in
from protocols.text import safe_text
from protocols.units import unit_symbol

OUTCOME_GLYPHS: dict[Outcome, str] = {
    Outcome.OK: "✓",
    Outcome.NO_KEY: "○",
    Outcome.WRONG_KEY: "✗",
    Outcome.NOT_PERMITTED: "⊘",
    Outcome.UNSUPPORTED: "◇",
    Outcome.DAMAGED: "≈",
}
RUNG_GLYPHS: dict[RungState, str] = {
    RungState.PASSED: "✓",
    RungState.FAILED: "✗",
    RungState.NOT_REACHED: "·",
}
ALARM_GLYPH = "▲"
_METER_WIDTH = 16
"""A DevEUI; the letters and number of a meter are shorter."""

_MEDIUM_WIDTH = 19
_OUTCOME_WIDTH = 15
_NO_ADDRESS = "no address"


def telegram_line(telegram: Telegram, utc_offset: timedelta = timedelta(0)) -> str:
    """Return one line, safe to print whatever the telegram holds; `utc_offset` is the time shown at the left."""
    frame = telegram.frame
    at = "" if frame.at is None else _clock(frame.at, utc_offset)
    rssi = "" if frame.rssi_dbm is None else f"{frame.rssi_dbm} dBm"
    cells = (
        f"{at:8}",
        f"{sender_text(telegram):{_METER_WIDTH}}",
        f"{_medium(telegram):{_MEDIUM_WIDTH}}",
        f"{rssi:>8}",
        f"{outcome_text(telegram.outcome):{_OUTCOME_WIDTH}}",
        _what(telegram),
    )
    return "  ".join(cells).rstrip()


def outcome_text(outcome: Outcome) -> str:
    """Return glyph and word of an outcome."""
    return f"{OUTCOME_GLYPHS[outcome]} {outcome.replace('_', ' ')}"


def meter_text(address: Address | None) -> str:
    """Return maker and number."""
    return _NO_ADDRESS if address is None else safe_text(f"{address.manufacturer} {address.number}")


def sender_text(telegram: Telegram) -> str:
    """Return maker and number; of a LoRaWAN device without them, DevEUI or DevAddr."""
    if telegram.meter is None and telegram.lorawan is not None:
        return telegram.lorawan.device or _NO_ADDRESS
    if telegram.meter is not None and telegram.printed_number is not None:
        return safe_text(f"{telegram.meter.manufacturer} {telegram.printed_number}")
    return meter_text(telegram.meter)


def reading_text(reading: Reading) -> str:
    """Return name, value and unit of a reading: `total_volume 12.345 m³`."""
    return f"{safe_text(reading.name)} {measured_text(reading)}"


def measured_text(reading: Reading) -> str:
    """Return value and unit, or in words why there is none."""
    if reading.value is None:
        return "-" if reading.quality is Quality.GOOD else reading.quality.replace("_", " ")
    unit = unit_symbol(reading.unit)
    text = value_text(reading.value)
    mark = "" if reading.quality is Quality.GOOD else f" ({reading.quality.replace('_', ' ')})"
    return f"{text} {safe_text(unit)}{mark}" if unit else f"{text}{mark}"


def value_text(value: Value) -> str:
    """Return a value exactly as decoded, without an exponent."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return moment_text(value)
    return safe_text(str(value))


def moment_text(moment: datetime) -> str:
    """Return a time as people read it: to the minute where it has no seconds; its zone as UTC or as an offset."""
    text = moment.isoformat(sep=" ", timespec="seconds" if moment.second else "minutes")
    return f"{text.removesuffix('+00:00')} UTC" if text.endswith("+00:00") else text


def _what(telegram: Telegram) -> str:
    raised = "  ".join(f"{ALARM_GLYPH} {safe_text(flag)}" for flag in alarms(telegram))
    if telegram.problem is not None:
        doubts = [f"{ALARM_GLYPH} {doubt.kind}" for doubt in doubts_in(telegram.findings)]
        return "  ".join((safe_text(telegram.problem), *doubts))
    readings = ", ".join(reading_text(reading) for reading in readings_in_short(telegram))
    if not readings and telegram.lorawan is not None:
        readings = telegram.lorawan.mtype
    return "  ".join(part for part in (readings or _without_readings(telegram), raised) if part)


def _without_readings(telegram: Telegram) -> str:
    """What a message says that has no readings: an error, an alarm, or what kind of message it is."""
    said = telegram.notes[0] if telegram.notes else ", ".join(filter(None, (telegram.message, "no readings")))
    return safe_text(said)


def _medium(telegram: Telegram) -> str:
    if telegram.meter is None:
        return "" if telegram.lorawan is None else safe_text(telegram.lorawan.medium or "LoRaWAN")
    return safe_text(telegram.medium or "")


def _clock(at: datetime, utc_offset: timedelta) -> str:
    return (at.astimezone(UTC) + utc_offset).strftime("%H:%M:%S")
