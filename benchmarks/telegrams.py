"""Telegrams to measure with: seeded, encrypted, each with its own access or session number and its own values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from protocols.model import Key, RawFrame
from simulators.meters.model import SimulatedMeter, build_meter
from simulators.scenario import Scenario

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

KINDS: tuple[tuple[str, str, int, int], ...] = (
    ("kamstrup_water", "KAM", 0x1B, 0x16),
    ("integra_water", "AMT", 0xF1, 0x07),
    ("oms_heat", "EFE", 0x00, 0x04),
    ("integra_water", "IMT", 0x01, 0x07),
)
"""Kind, maker, version and medium of every fourth meter: ELL with AES-CTR, and security mode 5."""

_METER = """
[[meter]]
name = "{kind} {number}"
kind = "{kind}"
manufacturer = "{maker}"
number = "{number:08}"
version = {version}
medium = {medium}
interval_s = 16.0
start_value = "{start}"
per_day = "0.5"
key = "filed"
"""


def scenario(meters: int, seed: int) -> Scenario:
    """Return a scenario of encrypted meters, a mix of `KINDS`."""
    text = f'[scenario]\ntitle = "benchmark"\nseed = {seed}\n'
    for index in range(meters):
        kind, maker, version, medium = KINDS[index % len(KINDS)]
        number = 60_000_000 + 7 * index
        text += _METER.format(kind=kind, maker=maker, number=number, version=version, medium=medium, start=100 + index)
    return Scenario.parse(text, "benchmark")


def frames(meters: tuple[SimulatedMeter, ...], telegrams: int) -> Iterator[RawFrame]:
    """Yield so many telegrams, the meters in turn, at the pace of the scenario."""
    senders = [build_meter(meter) for meter in meters]
    step = timedelta(seconds=16.0 / len(senders))
    for number in range(telegrams):
        at = START + number * step
        sender = senders[number % len(senders)]
        yield RawFrame(sender.telegram(at), at, "benchmark", sender.meter.mode, sender.meter.rssi_dbm)


def keys(meters: tuple[SimulatedMeter, ...]) -> dict[str, tuple[Key, ...]]:
    """Return the made-up keys by meter number."""
    return {meter.address.number: (meter.key,) for meter in meters if meter.key is not None}
