"""The same values as pymbusparser, a decoder written by others in another language; skipped where it is not installed.

It comes with the extra `dev`: pip install -e .[dev]
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import telegram_json
from protocols.decode import decode
from protocols.learned import LearnedDecoder, Sighting
from protocols.mbus.compact import full_frame_bytes
from protocols.mbus.records import parse_records
from protocols.mbus.wired import checksum
from protocols.model import Address, Key, Quality, RawFrame, Record
from simulators.meters.model import SimulatedMeter, build_meter
from simulators.scenario import Scenario

pymbusparser: Any = pytest.importorskip("pymbusparser", reason="pip install -e .[dev]")

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TELEGRAMS = 9
"""One full frame of a Kamstrup meter, and all compact ones up to the next."""

SCALES = {
    "kWh": ("W.h", 1000),
    "kW": ("W", 1000),
    "MJ": ("J", 1_000_000),
    "MJ/h": ("J.h-1", 1_000_000),
    "Mcal": ("cal", 1_000_000),
    "kvarh": ("W (reactive)h", 1000),
    "kvar": ("W (reactive)", 1000),
    "kVAh": ("W (apparent)h", 1000),
    "kVA": ("W (apparent)", 1000),
}
"""Units that differ in size: our unit, theirs, and how many of theirs are one of ours."""

UNITS = {
    "": None, "C": "Cel", "F": "[degF]", "m3/h": "m3.h-1", "m3/min": "m3.min-1", "m3/s": "m3.s-1", "kg/h": "kg.h-1",
    "currency": "$ (local)", "month": "mo", "year": "a", "ft3": "[ft_i]3", "deg": "°", "Bd": "Symbols⁻¹",
    "bit": "BitTime", "dBm": "dBmW",
}  # fmt: skip
"""Units that differ in spelling alone."""

EXCEPTIONS = {
    "6C 6D": "dates and times: compared in a test of their own",
    "6F": "reserved: refused there, a number here",
    "78 79 FD10 FD11": "numbers that identify: text here, numbers there",
    "FD09 FD0A": "device type and manufacturer: by name here",
    "FD12 FD13 FD14 FD15 FD16 FD19": "access codes, passwords, keys: not shown here",
    "FD2C FD2D FD2E FD2F": "durations since the last readout: reserved there",
    "FD30 FD31 FD32 FD33 FD3B FD3C FD3D": "tariff start and duration: one code off there",
    "FD34 FD35 FD36 FD37 FD38 FD39 FD3A": "tariff periods: one code off there",
    "FD70 FD72 FD73 FD76": "a date, raw bits, raw bytes: plain numbers there",
    "FD6F": "years of a battery's operating time: hours there",
    "FD78 FD79 FD7A FD7B FB78 FB79 FB7A FB7B": "an additive correction is taken for what is none there: 1 too high",
    "FB06 FB18 FB19 FB69": "another unit there: coefficient of performance, tonnes, none",
    "FB20 FB21 FB22 FB23 FB24 FB25 FB26": "feet and gallons: reserved or something else there",
    "FB68 FB6A FB6B FB6C FB6D FB6E": "rating factors of heat cost allocators: without their step of 2^-12 there",
}
"""VIFs of which the two say different things, and why."""

_EXCEPTED = {vif for vifs in EXCEPTIONS for vif in vifs.split()}
_VIFS = [vif for vif in (*(bytes((code,)) for code in range(0x7B)),
                         *(bytes((table, code)) for table in (0xFB, 0xFD) for code in range(0x7F)))
         if vif.hex().upper() not in _EXCEPTED]  # fmt: skip
_LENGTHS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8, 0x0A: 2, 0x0B: 3, 0x0C: 4, 0x0E: 6}
"""Bytes of data by DIF: binary integers, and digits."""


def made_up_data(dif: int, rng: random.Random) -> bytes:
    """A number that means nothing special, in neither sign nor digits."""
    size = _LENGTHS[dif]
    if dif > 8:
        return bytes(rng.randrange(10) << 4 | rng.randrange(10) for _ in range(size))
    return rng.randbytes(size - 1) + bytes((rng.randrange(1, 0x70),))


def check(ours: Record, theirs: dict[str, Any]) -> None:
    """Compare one record."""
    assert theirs["header_hex"].replace(" ", "") == ours.source
    assert theirs["data_hex"].replace(" ", "") == ours.data.hex().upper()
    assert theirs["function"].split()[0].lower().startswith(ours.function.value[:7])
    place = (theirs["storage_number"], theirs["tariff"], theirs["subunit"])
    assert place == (ours.storage, ours.tariff, ours.subunit)
    check_value(ours, theirs)


def check_value(ours: Record, theirs: dict[str, Any]) -> None:
    """Compare value and unit."""
    value = theirs["value"]
    if isinstance(ours.value, date):
        assert value["value"][:16] == ours.value.isoformat()[:16]
        return
    if isinstance(ours.value, str):
        assert str(value["value"]).lstrip("0") == ours.value.lstrip("0")
        return
    assert isinstance(ours.value, Decimal | int), f"{ours.source} {ours.value!r} {value}"
    unit, scale = SCALES.get(ours.unit, (UNITS.get(ours.unit, ours.unit), 1))
    if theirs.get("unit") is not None or ours.unit in SCALES:
        assert theirs["unit"] == unit, ours.source
    assert Decimal(value["value"]) == ours.value * scale, ours.source


@pytest.mark.parametrize("vif", _VIFS, ids=lambda vif: vif.hex().upper())
def test_generated_records(vif: bytes) -> None:
    rng = random.Random(vif)
    for dif in _LENGTHS:
        function, storage, tariff = rng.randrange(3), rng.randrange(64), rng.randrange(8)
        difes = bytes((0x80 | storage >> 1 & 0x0F | (tariff & 3) << 4, storage >> 5 | tariff >> 2 << 4))
        header = bytes((dif | function << 4 | (storage & 1) << 6 | 0x80,)) + difes + vif
        data = header + made_up_data(dif, rng)
        (ours,) = parse_records(data, 0, len(data)).records
        (theirs,) = pymbusparser.parse_records(data)
        if ours.quality is Quality.GOOD:
            check(ours, theirs)


def test_most_vifs_are_compared() -> None:
    assert len(_VIFS) > 300


@pytest.mark.parametrize("number", [1.5, -3.0, 100.125, 0.1, 16777216.0])
def test_real_numbers_in_units_of_their_own_size(number: float) -> None:
    """Theirs leave reals unscaled, so only VIFs that do not scale can be compared."""
    for vif in (0x16, 0x3E, 0x5B, 0x6B):
        data = bytes((0x05, vif)) + struct.pack("<f", number)
        (ours,) = parse_records(data, 0, len(data)).records
        (theirs,) = pymbusparser.parse_records(data)
        assert isinstance(ours.value, Decimal)
        assert float(ours.value) == pytest.approx(theirs["value"]["value"], rel=1e-6)


DATES = (
    *(bytes.fromhex(text) for text in ("026C213B", "026C5E3B", "026CFF2C", "026C1C02", "026CA111")),
    *(bytes.fromhex(text) for text in ("046D1628543B", "046D3B17BE2C", "046D0080010C", "046D00A0EA0C", "046D3217E114")),
    *(bytes.fromhex(text) for text in ("066D2A1628543B00", "066D3B3B17BE2C00", "066D000000010100")),
)
"""Types G, F and I: first and last day of a month, years 2000 to 2024, summer time, midnight, the last minute."""


@pytest.mark.parametrize("data", DATES, ids=lambda data: data.hex().upper())
def test_dates_and_times(data: bytes) -> None:
    (ours,) = parse_records(data, 0, len(data)).records
    (theirs,) = pymbusparser.parse_records(data)
    assert isinstance(ours.value, date)
    check(ours, theirs)


@pytest.mark.parametrize("seed", range(20))
def test_generated_dates_and_times(seed: int) -> None:
    rng = random.Random(seed)
    year, month, day = rng.randrange(81), rng.randrange(1, 13), rng.randrange(1, 29)
    day_and_month = bytes((day | (year & 7) << 5, month | (year >> 3) << 4))
    minute, hour, second = rng.randrange(60), rng.randrange(24), rng.randrange(60)
    for header, content in (
        ("026C", day_and_month),
        ("046D", bytes((minute, hour)) + day_and_month),
        ("066D", bytes((second, minute, hour)) + day_and_month + b"\0"),
    ):
        data = bytes.fromhex(header) + content
        (ours,) = parse_records(data, 0, len(data)).records
        (theirs,) = pymbusparser.parse_records(data)
        assert isinstance(ours.value, date)
        assert ours.value.isoformat()[:10] == f"{2000 + year}-{month:02}-{day:02}"
        check(ours, theirs)


@pytest.mark.parametrize("vif", ["78", "FD0A", "FD0C", "FD0E", "FD0F", "FD10", "FD11"])
@pytest.mark.parametrize("text", ["A", "12", "Q-5.5", "x" * 40])
def test_text(vif: str, text: str) -> None:
    """Variable length, last character first."""
    data = b"\x0d" + bytes.fromhex(vif) + bytes((len(text),)) + text.encode()[::-1]
    (ours,) = parse_records(data, 0, len(data)).records
    (theirs,) = pymbusparser.parse_records(data)
    assert ours.value == theirs["value"]["value"] == text


@pytest.mark.parametrize(("length", "digits"), [(0xC1, 1), (0xC4, 4), (0xC8, 8)])
def test_variable_numbers_in_digits(length: int, digits: int) -> None:
    data = bytes((0x0D, 0x13, length)) + made_up_data(0x0E, random.Random(length)).ljust(digits, b"\x12")[:digits]
    (ours,) = parse_records(data, 0, len(data)).records
    (theirs,) = pymbusparser.parse_records(data)
    check(ours, theirs)


@pytest.mark.parametrize("dif", [0x0A, 0x0B, 0x0C, 0x0E], ids="{:02X}".format)
def test_negative_digits(dif: int) -> None:
    """The highest digit F is a minus."""
    content = made_up_data(dif, random.Random(dif))
    data = bytes((dif, 0x13)) + content[:-1] + bytes((0xF0 | content[-1] & 0x0F,))
    (ours,) = parse_records(data, 0, len(data)).records
    (theirs,) = pymbusparser.parse_records(data)
    assert isinstance(ours.value, Decimal)
    assert ours.value < 0
    check(ours, theirs)


VIFE_EXCEPTIONS = {
    "01 02 03 04 05 06 07 0B 0C 0D 0E 0F 15 16 17 18 1C": "errors of the record: no value here, the number there",
    "13 1E 1F": "compact profiles: taken apart here, a number there",
    "14": "a deviation without unit here, the number with its unit there",
    "30 31 32": "per kWh, GJ, kW: per Wh, J, W there, so a thousandth of it and less",
    "39 3D 3F": "a date, a factor of 1000, a number without unit: left out there",
    "41 49": "how often a limit was exceeded: in units of the limit there",
    "42 43 46 47 4A 4B 4E 4F 6A 6B 6E 6F": "dates of limits and of values: dates here, numbers there",
    "50 51 52 53 54 55 56 57 58 59 5A 5B 5C 5D 5E 5F 60 61 62 63 64 65 66 67":
        "how long a limit was exceeded: a time here, the limit's unit times a time there",
    "7C 7F": "text, and what a maker appends: other bytes follow",
}  # fmt: skip
"""VIFEs of which the two say different things, and why."""

_VIFES = sorted(set(range(0x80)) - {int(vife, 16) for vifes in VIFE_EXCEPTIONS for vife in vifes.split()})


@pytest.mark.parametrize("vife", _VIFES, ids="{:02X}".format)
def test_vifes(vife: int) -> None:
    for vif in (0x13, 0x16, 0x3B, 0x5B):
        data = bytes((0x04, vif | 0x80, vife)) + made_up_data(4, random.Random(vife << 8 | vif))
        (ours,) = parse_records(data, 0, len(data)).records
        (theirs,) = pymbusparser.parse_records(data)
        assert isinstance(ours.value, Decimal | int)
        # The numbers alone: how units are put together, per pulse or per litre, differs in spelling.
        assert Decimal(theirs["value"]["value"]) == ours.value


def simulated() -> Iterator[Any]:
    for meter in Scenario.load().meters:
        if isinstance(meter, SimulatedMeter):
            yield pytest.param(meter, id=meter.name)


READ_BY_THEM = {"heat_cost_allocator", "integra_water", "oms_heat"}
"""Kinds whose frames theirs decrypts and reads; of the others it is handed the records in the clear. It has no
extended link layer, neither that of Kamstrup's encryption nor that of the radio adapter, and no mode 7."""


@pytest.mark.parametrize("meter", list(simulated()))
def test_simulated_meters_by_three_decoders(meter: SimulatedMeter) -> None:
    def keys(address: Address) -> tuple[Key, ...]:
        return () if meter.key is None else (meter.key,)

    sender, learned, writer = build_meter(meter), LearnedDecoder(keys), SightingWriter()
    sightings = 0
    for number in range(TELEGRAMS):
        frame = RawFrame(sender.telegram(START + number * timedelta(seconds=16)))
        telegram = decode(frame, keys, formats=learned.formats)
        assert telegram.ok, telegram.problem
        seen = learned.sight(frame)
        sightings += isinstance(seen, Sighting)
        assert writer.line(seen) == telegram_json(telegram)
        if meter.kind in READ_BY_THEM:
            key = {} if meter.key is None else {"key": meter.key.value}
            theirs = pymbusparser.parse(frame.data, **key)["records"]
        else:
            theirs = pymbusparser.parse_records(full_frame_bytes(telegram.records))
        assert len(theirs) == len(telegram.records)
        for ours, other in zip(telegram.records, theirs, strict=True):
            check_value(ours, other)
    assert sightings > TELEGRAMS // 2 or meter.kind == "oms_gas"


@pytest.mark.parametrize("seed", range(20))
def test_generated_wired_telegrams(seed: int) -> None:
    rng = random.Random(seed)
    records = b""
    for _ in range(rng.randrange(1, 12)):
        dif = rng.choice(list(_LENGTHS))
        records += bytes((dif,)) + rng.choice(_VIFS) + made_up_data(dif, rng)
    body = bytes((0x08, rng.randrange(1, 251), 0x72)) + Address.of("EFE", "20480057", 0, 4).to_transport()
    body += bytes((rng.randrange(256), 0, 0, 0)) + records
    frame = bytes((0x68, len(body), len(body), 0x68)) + body + bytes((checksum(body), 0x16))
    telegram = decode(frame)
    theirs = pymbusparser.parse(frame)
    assert telegram.ok
    assert theirs["meter"]["identity"]["id"] == telegram.number
    assert len(theirs["records"]) == len(telegram.records)
    for ours, other in zip(telegram.records, theirs["records"], strict=True):
        if ours.quality is Quality.GOOD:
            check(ours, other)
