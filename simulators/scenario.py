"""A scenario: which meters are on the air, how they are heard, and what the portal says of their keys.

A TOML file with `[scenario]`, `[air]`, one `[[meter]]` a meter and one `[[device]]` a LoRaWAN device. The same file
gives the same bytes at the same times, always. A key that is not written in the file follows from the seed and the
meter's name; all are made up.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Final

from protocols.model import Address, FrameFormat, Key
from simulators.consumption import Consumption
from simulators.devices.model import SimulatedDevice
from simulators.devices.table import parse_device
from simulators.errors import ScenarioError
from simulators.identity import STRONGEST_DBM, WEAKEST_DBM, check_identity, read_address, read_key
from simulators.meters.model import KINDS, KeyState, Meter, SimulatedMeter, meter_class
from simulators.table import Table

DEFAULT_NAME: Final = "demo"

SCENARIO_LIMIT: Final = 16 << 20
"""Bytes of a scenario file: a hundred thousand meters; more is another file, or none that ends."""

FRAME_FORMATS: Final[dict[str, tuple[str, ...]]] = {"T1": ("A",), "C1": ("A", "B")}
"""Radio mode to its frame formats, the usual one first (EN 13757-4, Table 2)."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the air: shares of all telegrams, and how much the field strength varies."""

    loss: float = 0.0
    duplicates: float = 0.0
    bit_errors: float = 0.0
    rssi_jitter_db: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario; `source` is where it was read from."""

    title: str
    source: str
    seed: int
    since: datetime
    faults: Faults
    meters: tuple[SimulatedMeter, ...]
    devices: tuple[SimulatedDevice, ...] = ()

    @classmethod
    def load(cls, path: Path | None = None) -> Scenario:
        """Read a scenario file, or the demonstration when there is no path; raises `ScenarioError`."""
        if path is None:
            text = resources.files("simulators").joinpath("data", "default.toml").read_text("utf-8")
            return cls.parse(text, DEFAULT_NAME)
        try:
            with path.open("rb") as file:
                data = file.read(SCENARIO_LIMIT + 1)
            if len(data) > SCENARIO_LIMIT:
                raise ScenarioError(f"{path}: larger than {SCENARIO_LIMIT:,} bytes", "is it the right file?")
            return cls.parse(data.decode(), str(path))
        except OSError as error:
            raise ScenarioError(f"cannot read scenario {path}: {error.strerror}", "check the path") from error
        except UnicodeDecodeError as error:
            raise ScenarioError(f"{path}: not a text file in UTF-8", "save it as UTF-8") from error

    @classmethod
    def parse(cls, text: str, source: str) -> Scenario:
        """Read a scenario's text; raises `ScenarioError` that names `source` and the key."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"{source}: not TOML: {error}", "correct that line") from error
        root = Table(source, "", document)
        head = root.table("scenario")
        title = head.text("title", source)
        seed = head.integer("seed", 0, low=0)
        since = head.moment("since", datetime(2026, 1, 1, tzinfo=UTC))
        head.finish()
        faults = _faults(root.table("air"))
        meters = tuple(_meter(table, seed, since) for table in root.tables("meter"))
        devices = tuple(parse_device(table, seed, since) for table in root.tables("device"))
        root.finish()
        check_unique(source, meters, devices)
        return cls(title, source, seed, since, faults, meters, devices)


def _faults(table: Table) -> Faults:
    share = {name: table.number(name, 0.0, low=0.0, high=1.0) for name in ("loss", "duplicates", "bit_errors")}
    faults = Faults(**share, rssi_jitter_db=table.integer("rssi_jitter_db", 0, low=0, high=40))
    table.finish()
    return faults


def _meter(table: Table, seed: int, since: datetime) -> SimulatedMeter:
    name = table.text("name")
    table.rename(f"meter {name!r}")
    kind = table.choice("kind", tuple(KINDS))
    model = meter_class(kind)
    address = read_address(table)
    mode = table.choice("mode", model.MODES, model.MODES[0])
    frame_format = table.choice("frame_format", FRAME_FORMATS[mode], FRAME_FORMATS[mode][0])
    interval_s = table.number("interval_s", low=0.1, high=86_400.0)
    jitter = table.number("jitter", 0.03, low=0.0, high=0.5)
    rssi_dbm = table.integer("rssi_dbm", -70, low=WEAKEST_DBM, high=STRONGEST_DBM)
    start_value = table.decimal("start_value", Decimal(0))
    per_day = table.decimal("per_day", Decimal(1))
    status = table.integer("status", 0, low=0, high=0xFFFF if address.manufacturer == "KAM" else 0xFF)
    adapter = _adapter(table, model)
    key, key_state = _key(table, model, f"{seed}/{name}/key")
    check_identity(table, model.MANUFACTURERS, model.MEDIA, address)
    table.finish()
    return SimulatedMeter(
        name=name,
        kind=kind,
        address=address,
        key=key,
        key_state=key_state,
        mode=mode,
        frame_format=FrameFormat(frame_format),
        interval_s=interval_s,
        jitter=jitter,
        rssi_dbm=rssi_dbm,
        counter=Consumption.seeded(random.Random(f"{seed}/{name}/week"), since, start_value, per_day, model.CURVE),
        status=status,
        adapter=adapter,
        seed=f"{seed}/{name}",
    )


def _adapter(table: Table, model: type[Meter]) -> Address | None:
    if not model.NEEDS_ADAPTER:
        return None
    adapter = table.table("adapter")
    address = read_address(adapter)
    adapter.finish()
    return address


def _key(table: Table, model: type[Meter], purpose: str) -> tuple[Key | None, KeyState]:
    state = KeyState(table.choice("key", tuple(KeyState), KeyState.FILED if model.NEEDS_KEY else KeyState.NONE))
    if (state is KeyState.NONE) == model.NEEDS_KEY:
        verb = "encrypts: its key cannot be" if model.NEEDS_KEY else "does not encrypt: its key can only be"
        hint = "write filed, missing or wrong" if model.NEEDS_KEY else "leave the key out"
        raise table.error("key", f"this kind {verb} 'none'", hint)
    key = read_key(table, "aes_key", purpose)
    return (key if model.NEEDS_KEY else None), state


def check_unique(source: str, meters: tuple[SimulatedMeter, ...], devices: tuple[SimulatedDevice, ...]) -> None:
    """Refuse a scenario without meters, and names, numbers or DevEUIs that stand in it twice."""
    if not meters and not devices:
        raise ScenarioError(f"{source}: no meters", "add at least one [[meter]] or [[device]]")
    names: set[str] = set()
    numbers: dict[tuple[str, str], str] = {}
    dev_euis: set[str] = set()
    for device in devices:
        if device.dev_eui in dev_euis:
            raise ScenarioError(f"{source}: two devices have DevEUI {device.dev_eui}", "give each one of its own")
        dev_euis.add(device.dev_eui)
    everybody: tuple[SimulatedMeter | SimulatedDevice, ...] = (*meters, *devices)
    for meter in everybody:
        if meter.name in names:
            raise ScenarioError(f"{source}: two meters are named {meter.name!r}", "give each a name of its own")
        identity = (meter.address.manufacturer, meter.address.number)
        if identity in numbers:
            raise ScenarioError(
                f"{source}: {numbers[identity]!r} and {meter.name!r} have the same manufacturer and number",
                "give each meter a number of its own",
            )
        names.add(meter.name)
        numbers[identity] = meter.name
