"""The page on LoRaWAN meters: its example is a meter file, and every name that payloads give is in one of the lists."""

from __future__ import annotations

import random
import re
from pathlib import Path

from protocols.lorawan.meters import shipped_meters
from protocols.lorawan.meters.model import DECODED, Encoding
from protocols.lorawan.meters.schema import parse_meter
from protocols.lorawan.payload import decode_payload
from protocols.model import Reading
from tools.profiles import read_profiles
from tools.readings import modifier_names, pattern_of, quantity_rows, reading_rows

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "add-a-lora-meter.md").read_text(encoding="utf-8")
ROWS = reading_rows(read_profiles())
QUANTITIES = quantity_rows()
BY_UNIT = "as its unit says"
MUTATIONS = 40


def listed() -> dict[str, str]:
    """Names of the page by quantity."""
    rows = re.findall(r"^\| (`[a-z].*?`) \| ([a-z_ ]+) \|$", PAGE.split("## Names")[1], re.MULTILINE)
    return {name: quantity for names, quantity in rows for name in re.findall(r"`([a-z0-9_{}.]+)`", names)}


def pattern(name: str) -> str:
    name = re.sub(r"^(item|attribute)_[0-9a-f_]+$", r"\1_...", name)
    name = re.sub(r"(?<=_sf)\d+$", "{n}", name)
    name = re.sub(r"(?<=^total_energy_register_)[0-9a-f]+$", "{n}", name)
    return pattern_of(name)


def is_generic(name: str) -> bool:
    parts = "|".join(sorted((re.escape(word) for word in modifier_names()), key=len, reverse=True))
    rest = re.compile(rf"(?:_(?:{parts}|manufacturer(?:_[0-9a-f]+)?|record_error_[a-z_]+|reserved_(?:fc_)?[0-9a-f]+))*")
    return name == "reserved" or any(name.startswith(q) and rest.fullmatch(name[len(q) :]) for q in QUANTITIES)


def readings() -> list[Reading]:
    dice = random.Random(13757)
    found: list[Reading] = []
    for meter in shipped_meters().meters.values():
        for test in meter.tests:
            payloads = [bytearray(test.payload) for _ in range(MUTATIONS)]
            for payload in payloads[1:]:
                payload[dice.randrange(len(payload))] = dice.randrange(256)
            for payload in payloads:
                found += decode_payload(bytes(payload), 0, len(payload), test.fport, meter).readings
    return found


def test_the_example_is_a_meter_file() -> None:
    example = PAGE.split("```toml\n")[1].split("```")[0]
    meter = parse_meter(example, "exa-heat-1.toml")
    for test in meter.tests:
        result = decode_payload(test.payload, 0, len(test.payload), test.fport, meter)
        found = {reading.name: f"{reading.value} {reading.unit}" for reading in result.readings}
        assert {"outcome": str(result.outcome), **found} == dict(test.expect)


def test_all_encodings_are_explained() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.split("## A meter of records")[0], re.MULTILINE))
    assert rows - {"encoding"} == {str(encoding) for encoding in Encoding}
    named = PAGE.split("name a `decoder`")[0].rsplit("\n\n", 1)[1]
    assert set(re.findall(r"`([a-z_]+)`", named)) == {str(encoding) for encoding in DECODED}


def test_every_name_is_listed_with_its_quantity() -> None:
    names = listed()
    assert len(names) > 80
    unlisted, other = set(), set()
    for reading in readings():
        name = pattern(reading.name)
        if name in names:
            if names[name] not in (reading.quantity, BY_UNIT):
                other.add((name, reading.quantity))
        elif name in ROWS:
            if reading.quantity not in ROWS[name].quantities:
                other.add((name, reading.quantity))
        elif not is_generic(reading.name):
            unlisted.add(name)
    assert sorted(unlisted) == []
    assert sorted(other) == []
