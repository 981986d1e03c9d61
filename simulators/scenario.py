"""A scenario: which meters are on the air, how they are heard, and what the portal says of their keys.

A TOML file with `[scenario]`, `[air]` and one `[[meter]]` a meter. The same file gives the same bytes at the same
times, always. A key that is not written in the file follows from the seed and the meter's name; all are made up.
"""

from __future__ import annotations

import hashlib
import random
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Final

from protocols.model import Address, Key
from protocols.wmbus.link import FrameFormat
from simulators.consumption import Consumption
from simulators.errors import ScenarioError
from simulators.meters.model import KINDS, KeyState, Meter, SimulatedMeter, meter_class
from simulators.table import Table

DEFAULT_NAME: Final = "demo"
KEY_SIZE: Final = 16
STRONGEST_DBM: Final = -8
WEAKEST_DBM: Final = -100
"""An iM871A's RSSI code reaches from here to there."""

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

    @classmethod
    def load(cls, path: Path | None = None) -> Scenario:
        """Read a scenario file, or the demonstration when there is no path; raises `ScenarioError`."""
        if path is None:
            text = resources.files("simulators").joinpath("data", "default.toml").read_text("utf-8")
            return cls.parse(text, DEFAULT_NAME)
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
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
        root.finish()
        _check_unique(source, meters)
        return cls(title, source, seed, since, faults, meters)


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
    address = _address(table)
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
    _check_identity(table, model, address)
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


def _address(table: Table) -> Address:
    manufacturer, number = table.text("manufacturer"), table.text("number")
    version, medium = table.integer("version", low=0, high=0xFF), table.integer("medium", low=0, high=0xFF)
    if not (len(number) == 8 and number.isascii() and number.isdigit()):
        raise table.error("number", f"{number!r} is not an identification number", "write eight digits in quotes")
    try:
        return Address.of(manufacturer, number, version, medium)
    except ValueError as error:
        raise table.error("manufacturer", str(error), "write three letters in quotes") from error


def _adapter(table: Table, model: type[Meter]) -> Address | None:
    if not model.NEEDS_ADAPTER:
        return None
    adapter = table.table("adapter")
    address = _address(adapter)
    adapter.finish()
    return address


def _key(table: Table, model: type[Meter], purpose: str) -> tuple[Key | None, KeyState]:
    state = KeyState(table.choice("key", tuple(KeyState), KeyState.FILED if model.NEEDS_KEY else KeyState.NONE))
    if (state is KeyState.NONE) == model.NEEDS_KEY:
        verb = "encrypts: its key cannot be" if model.NEEDS_KEY else "does not encrypt: its key can only be"
        hint = "write filed, missing or wrong" if model.NEEDS_KEY else "leave the key out"
        raise table.error("key", f"this kind {verb} 'none'", hint)
    written = table.text("aes_key", "")
    if not model.NEEDS_KEY:
        return None, state
    if not written:
        return Key(hashlib.sha256(purpose.encode()).digest()[:KEY_SIZE], "scenario"), state
    try:
        value = bytes.fromhex(written)
    except ValueError:
        value = b""
    if len(value) != KEY_SIZE:
        raise table.error("aes_key", "not an AES-128 key", "write 32 hex digits in quotes, or leave it out")
    return Key(value, "scenario"), state


def _check_identity(table: Table, model: type[Meter], address: Address) -> None:
    if model.MANUFACTURERS and address.manufacturer not in model.MANUFACTURERS:
        known = ", ".join(model.MANUFACTURERS)
        raise table.error("manufacturer", f"{address.manufacturer} does not make this kind", f"write one of: {known}")
    if address.medium_code not in model.MEDIA:
        known = ", ".join(f"0x{code:02X}" for code in sorted(model.MEDIA))
        what = f"{address.medium_code:#04x} is not what this kind measures"
        raise table.error("medium", what, f"write one of: {known}")


def _check_unique(source: str, meters: tuple[SimulatedMeter, ...]) -> None:
    if not meters:
        raise ScenarioError(f"{source}: no meters", "add at least one [[meter]]")
    names: set[str] = set()
    numbers: dict[tuple[str, str], str] = {}
    for meter in meters:
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
