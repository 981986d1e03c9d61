"""Ei Electronics Ei6500-OMS: the head word, in which a smoke alarm describes itself (record 84 40 FF 2C)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from protocols.errors import Truncated
from protocols.model import Quality
from protocols.profiles.payloads.model import Item, Payload, bit_names

SIZE = 4

_DUST = 0x1F
_CLEANING_FROM = 28
_BATTERY_SHIFT = 8
_BATTERY_LOWEST = Decimal("2.25")
_BATTERY_STEP = Decimal("0.05")
_DISTANCE_SHIFT = 20

_CONDITIONS: Mapping[int, str] = {
    5: "sounder_error",
    6: "tamper_while_removed",
    7: "end_of_life",
    12: "battery_low",
    13: "alarm_sensor_error",
    14: "obstacle_detector_error",
    15: "end_of_life_within_12_months",
    17: "environment_changed",
    18: "head_communication_error",
    19: "obstacle_detection_disturbed",
    24: "obstacle_detected",
    25: "detector_covered",
}
_MEASURES = _DUST | 0xF << _BATTERY_SHIFT | 7 << _DISTANCE_SHIFT
_OBSTACLE_TEST_DONE = 1 << 16
"""The one bit that says something when it is not set."""

_DISTANCES = (None, "none", "45-60 cm", "38-53 cm", "33-48 cm", "28-40 cm", "20-33 cm", "0-25 cm")
"""How far away an obstacle is; None before the first test."""


def decode_head_word(plain: bytes, start: int, end: int) -> Payload:
    """Dust, battery voltage, distance of obstacles, faults."""
    if end - start < SIZE:
        return Payload(problem=Truncated("head word ends before its fourth byte", layer="records", offset=end))
    word = int.from_bytes(plain[start : start + SIZE], "little")
    dust = word & _DUST
    battery = _BATTERY_LOWEST + _BATTERY_STEP * (word >> _BATTERY_SHIFT & 0xF)
    distance = _DISTANCES[word >> _DISTANCE_SHIFT & 7]
    quality = Quality.NOT_AVAILABLE if distance is None else Quality.GOOD
    flags = bit_names(word & ~_MEASURES & ~_OBSTACLE_TEST_DONE, _CONDITIONS)
    cleaning = ("cleaning_recommended",) if dust >= _CLEANING_FROM else ()
    untested = () if word & _OBSTACLE_TEST_DONE else ("obstacle_test_not_completed",)
    return Payload(
        (
            Item("dust_level", "dust_level", dust, "", start, start + 1),
            Item("battery_voltage", "voltage", battery, "V", start + 1, start + 2),
            Item("obstacle_distance", "obstacle_distance", distance, "", start + 2, start + 3, quality),
        ),
        (*cleaning, *flags, *untested),
    )
