"""Telegrams to measure with: seeded, each with its own access or session number and its own values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keystore.model import KeyRecord
from keystore.vault import Vault
from protocols.captures.hex_lines import format_line
from protocols.model import RawFrame
from simulators.meters.model import SimulatedMeter, build_meter
from simulators.scenario import Scenario

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
INTERVAL_S = 16.0

KINDS: tuple[tuple[int, str, str, int, int], ...] = (
    (15, "heat_cost_allocator", "AAA", 0x55, 0x08),
    (9, "integra_water", "AMT", 0xF1, 0x07),
    (9, "integra_water", "IMT", 0x01, 0x07),
    (9, "oms_heat", "EFE", 0x00, 0x04),
    (5, "kamstrup_water", "KAM", 0x1B, 0x16),
    (3, "kamstrup_heat", "KAM", 0x30, 0x04),
)
"""How many of 50 meters, kind, maker, version, medium: 30 % clear, 54 % security mode 5, 16 % ELL with AES-CTR."""

PASSPHRASE = "measure, measure"  # noqa: S105 - of a store with made-up keys

_METER = """
[[meter]]
name = "{kind} {number}"
kind = "{kind}"
manufacturer = "{maker}"
number = "{number:08}"
version = {version}
medium = {medium}
interval_s = {interval_s}
start_value = "{start}"
per_day = "{per_day}"
"""


def scenario(meters: int, seed: int) -> Scenario:
    """Return a scenario with the mix of `KINDS`."""
    mix = [kind for share, *kind in KINDS for _ in range(share)]
    text = f'[scenario]\ntitle = "benchmark"\nseed = {seed}\n'
    for index in range(meters):
        # 7 has no factor in common with 50: neighbours are of different kinds.
        kind, maker, version, medium = mix[7 * index % len(mix)]
        text += _METER.format(
            kind=kind,
            maker=maker,
            number=60_000_000 + 7 * index,
            version=version,
            medium=medium,
            interval_s=INTERVAL_S,
            start=100 + index,
            per_day=200 if kind == "heat_cost_allocator" else 5,
        )
    return Scenario.parse(text, "benchmark")


def frames(meters: tuple[SimulatedMeter, ...], telegrams: int) -> Iterator[RawFrame]:
    """Yield so many telegrams, the meters in turn, at the pace of the scenario."""
    senders = [build_meter(meter) for meter in meters]
    step = timedelta(seconds=INTERVAL_S / len(senders))
    for number in range(telegrams):
        at = START + number * step
        sender = senders[number % len(senders)]
        yield RawFrame(sender.telegram(at), at, "benchmark", sender.meter.mode, sender.meter.rssi_dbm)


def write_capture(path: Path, meters: tuple[SimulatedMeter, ...], telegrams: int) -> None:
    """Write a capture as `fieldtool listen --record` does."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for frame in frames(meters, telegrams):
            file.write(f"{format_line(frame)}\n")


def write_store(path: Path, passphrase_file: Path, meters: tuple[SimulatedMeter, ...]) -> None:
    """Make a keystore with the made-up keys, of the usual cost to unlock, and the file with its passphrase."""
    passphrase_file.write_text(f"{PASSPHRASE}\n", encoding="ascii")
    with Vault.create(path, PASSPHRASE) as vault:
        vault.put(
            KeyRecord(number=meter.address.number, manufacturer=meter.address.manufacturer, value=meter.key.value)
            for meter in meters
            if meter.key is not None
        )
