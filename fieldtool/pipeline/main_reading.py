"""Which reading a person takes off a meter, and which of its flags are alarms."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.model import FindingKind, Function, Quality, Reading, Telegram
from protocols.plausibility import doubts_in

_QUANTITIES_OF_MEDIUM: dict[str, tuple[str, ...]] = {
    "electricity": ("energy",),
    "heat": ("energy",),
    "heat (inlet)": ("energy",),
    "heat/cooling": ("energy",),
    "cooling": ("energy",),
    "cooling (inlet)": ("energy",),
    "heat cost allocator": ("hca_units",),
    "pressure": ("pressure",),
    "room sensor": ("external_temperature", "flow_temperature", "relative_humidity"),
    "sensor": ("external_temperature", "flow_temperature", "relative_humidity"),
}
"""The quantity that a kind of meter is bought for, by its device type; everything else counts volume."""

_QUANTITIES = ("volume", "energy", "hca_units", "mass", "dimensionless", "power", "volume_flow", "external_temperature")
"""The order of preference where the device type says nothing."""

_DATES = frozenset({"date", "datetime"})
_FLAG_QUANTITIES = frozenset({"error_flags", "status_flags", "alarm_flags"})
_NO_ALARM = frozenset({"", "0", "ok", "none"})


def main_reading(telegram: Telegram) -> Reading | None:
    """Return the reading to show in one cell, or None: the profile's first, else the best fit for the device type."""
    usable = [r for r in telegram.readings if r.value is not None and r.quality is Quality.GOOD]
    if not usable:
        return None
    if telegram.profile is not None and usable[0].quantity not in _DATES:
        return usable[0]
    medium = telegram.medium or _device_medium(telegram)
    for quantity in (*_QUANTITIES_OF_MEDIUM.get(medium, ()), *_QUANTITIES):
        of_quantity = [r for r in usable if r.quantity == quantity]
        if of_quantity:
            return min(of_quantity, key=_distance_from_now)
    return usable[0]


def _device_medium(telegram: Telegram) -> str:
    return "" if telegram.lorawan is None else telegram.lorawan.medium or ""


def alarms(telegram: Telegram) -> tuple[str, ...]:
    """Return the names of all flags that a telegram raises: its status byte's, its error flags, what is not plausible.

    An error state is not said twice.
    """
    found = list(telegram.status.flags) if telegram.status is not None else []
    for reading in telegram.readings:
        if reading.quantity in _FLAG_QUANTITIES and reading.storage == 0 and reading.value is not None:
            found.extend(flag for flag in _flags(reading) if flag not in found)
    doubts = (doubt.kind for doubt in doubts_in(telegram.findings) if doubt.kind is not FindingKind.ERROR_STATE)
    found.extend(str(kind) for kind in doubts if kind not in found)
    return tuple(found)


def readings_in_short(telegram: Telegram, limit: int = 3) -> Sequence[Reading]:
    """Return the main reading and up to `limit - 1` other present values, for one line of text."""
    first = main_reading(telegram)
    if first is None:
        return ()
    others = [
        r
        for r in telegram.readings
        if r is not first and r.unit and r.value is not None and _distance_from_now(r) == (0, 0, 0, 0)
    ]
    return (first, *others[: limit - 1])


def _distance_from_now(reading: Reading) -> tuple[int, int, int, int]:
    """How far a reading is from "the total, now": function, storage, tariff and subunit in that order."""
    return (
        int(reading.function is not Function.INSTANTANEOUS),
        reading.storage,
        reading.tariff,
        reading.subunit,
    )


def _flags(reading: Reading) -> list[str]:
    if isinstance(reading.value, str):
        return [word for word in reading.value.split() if word.lower() not in _NO_ALARM]
    return [f"{reading.name} 0x{reading.value:X}"] if isinstance(reading.value, int) and reading.value else []
