"""`docs/readings.md` lists every name of a reading and every flag; what it lists is stable."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.model import Key, KeyLookup
from protocols.profiles import payloads
from protocols.profiles.check import NAME
from protocols.profiles.payloads import PAYLOADS, payload_decoder
from tools.profiles import READINGS, read_profiles
from tools.readings import BEGIN, flag_names, modifier_names, pattern_of, quantity_rows, reading_rows, replaced, written

PROFILES = read_profiles()
ROWS = reading_rows(PROFILES)
FLAGS = frozenset(flag_names(PROFILES))
QUANTITIES = quantity_rows()
PAGE = READINGS.read_text(encoding="utf-8")
HAND_WRITTEN, _, GENERATED = PAGE.partition(BEGIN)

# Words of the page that stand for a name of several parts, or are no name of a reading.
NOT_NAMES = frozenset({"open", "closed", "normal", "saving", "ppm"})
UNNAMED_FLAGS = re.compile(r"(?:bit|manufacturer_bit|code)_\d+")


def test_the_page_lists_what_the_profiles_say() -> None:
    assert replaced(PAGE, written(PROFILES)) == PAGE, "run `make profiles`"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("history_12_volume", "history_{n}_volume"),
        ("total_energy_import_tariff_2", "total_energy_import_tariff_{n}"),
        ("month_end_may_volume", "month_end_{month}_volume"),
        ("current_l2", "current_l{n}"),
        ("voltage_l3_l1", "voltage_l3_l1"),
        ("due_date_2_volume", "due_date_2_volume"),
        ("average_24h_room_temperature", "average_24h_room_temperature"),
        ("co2_mass", "co2_mass"),
    ],
)
def test_names_of_one_row(name: str, pattern: str) -> None:
    assert pattern_of(name) == pattern


def names_in_payload_decoders() -> set[str]:
    """Names that stand first in a call of a payload decoder, as those of its items do."""
    found: set[str] = set()
    for path in sorted(Path(payloads.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str) and "_" in name.value:
                    found.add(name.value)
    return {name for name in found if NAME.fullmatch(name)}


def test_every_name_in_a_payload_decoder_is_listed() -> None:
    names = names_in_payload_decoders()
    assert {"previous_period_hca_units", "dust_level", "total_volume_backward"} <= names
    assert sorted(name for name in names if pattern_of(name) not in ROWS) == []


@pytest.mark.parametrize("decoder", PAYLOADS)
@given(frame=st.binary(min_size=20, max_size=120), version=st.integers(0, 255))
def test_whatever_a_payload_decoder_finds_is_listed(decoder: str, frame: bytes, version: int) -> None:
    plain = frame[:8] + bytes((version,)) + frame[9:]
    payload = payload_decoder(decoder)(plain, 15, len(plain))
    assert [item.name for item in payload.items if pattern_of(item.name) not in ROWS] == []
    flags = {flag for flag in payload.flags if not UNNAMED_FLAGS.fullmatch(flag)}
    assert sorted(flags - FLAGS) == []


def is_generic(name: str) -> bool:
    """Whether a name is a quantity with words of VIFEs behind it."""
    parts = "|".join(sorted((re.escape(word) for word in modifier_names()), key=len, reverse=True))
    rest = re.compile(rf"(?:_(?:{parts}|manufacturer(?:_[0-9a-f]+)?|record_error_[a-z_]+|reserved_(?:fc_)?[0-9a-f]+))*")
    return any(name.startswith(q) and rest.fullmatch(name[len(q) :]) for q in QUANTITIES)


def keys_of(digits: str | None) -> KeyLookup:
    keys = (Key(bytes.fromhex(digits)),) if digits else ()
    return lambda _: keys


def test_every_reading_of_the_corpora_is_listed(conformance_dir: Path) -> None:
    unlisted: set[str] = set()
    for line in (conformance_dir / "dev.encrypted.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        telegram = decode(bytes.fromhex(case["hex"]), keys_of(case.get("key")))
        unlisted.update(r.name for r in telegram.readings if pattern_of(r.name) not in ROWS and not is_generic(r.name))
    assert sorted(unlisted) == []


def test_what_is_written_by_hand_names_only_what_there_is() -> None:
    rows = re.findall(r"^\| (`[a-z].*?) \| ", HAND_WRITTEN.split("## Units")[0], re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([a-z0-9_{}]+)`", row)}
    assert len(names) > 40
    unknown = {name for name in names if pattern_of(name) not in ROWS and name not in QUANTITIES}
    assert sorted(unknown - NOT_NAMES) == []


def test_flags_and_readings_follow_one_convention() -> None:
    month = {"month_end_{month}_volume"}
    assert [name for name in ROWS if not NAME.fullmatch(name.replace("l{n}", "l1")) and name not in month] == []
    assert [flag for flag in FLAGS if not NAME.fullmatch(flag)] == []
