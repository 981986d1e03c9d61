"""Profile files with mistakes: one clear sentence with the file, the key and what to write."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.model import Address
from protocols.profiles.errors import ProfileError
from protocols.profiles.registry import ProfileRegistry
from protocols.profiles.schema import parse_profile
from protocols.profiles.table_reader import KEYS

GOOD = """
schema = 1
name = "exa_water"
title = "An example"
[[match]]
manufacturer = "EXA"
version = [1, 2]
medium = 7
[[reading]]
name = "total_volume"
quantity = "volume"
[[reading]]
name = "history_{n}_volume"
quantity = "volume"
storage = "2..4"
n_first = 1
[[status]]
quantity = "error_flags"
mask = 0x000F
values = { 1 = "dry" }
"""


def test_a_good_file() -> None:
    profile = parse_profile(GOOD, "exa_water.toml")
    assert [rule.name for rule in profile.readings] == ["total_volume", "history_{n}_volume"]
    assert list(profile.readings[1].selector.storages) == [2, 3, 4]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = 2", "write schema = 1"),
        ('name = "total_volume"', 'nmae = "total_volume"', "did you mean 'name'"),
        ('quantity = "volume"\n[[', "[[", "either 'header' or 'quantity'"),
        ('manufacturer = "EXA"', 'manufacturer = "EXAM"', "three letters"),
        ('storage = "2..4"', 'storage = "4..2"', "is not a range"),
        ('storage = "2..4"', 'storage = "2,2..4"', "is not a range"),
        ('storage = "2..4"', "storage = 2", "go together"),
        ('name = "total_volume"', 'name = "total_volume"\ninvalid = "FG"', "must be hex digits"),
        ('name = "total_volume"', 'name = "total_volume"\nscale = "1"\ncoding = "text"', "'scale' for text"),
        ("version = [1, 2]", 'version = "one"', "a number or a list of numbers"),
        ("mask = 0x000F\n", "", "'values' needs a 'mask'"),
        ("mask = 0x000F", "mask = 0x000F\nbits = {}", "and no 'bits'"),
        ('title = "An example"', "title = 5", "must be text"),
        ("[[match]]", "[match]", "[[match]]"),
        ("schema = 1", "schema = ", "not valid TOML"),
        ('name = "total_volume"', 'name = "total_volume"\nscale = "a"', "exact number as text"),
        ('quantity = "volume"\n[[', 'header = "04XX"\n[[', "hex digits of DIF to VIFE"),
        ('quantity = "volume"\n[[', 'quantity = "volum"\n[[', "did you mean 'volume'?"),
        ('quantity = "volume"\n[[', 'quantity = "zzz"\n[[', "decode HEX --explain"),
        ('quantity = "volume"\n[[', 'quantity = "volume"\noccurrence = 0\n[[', "counts from 1"),
        ('quantity = "volume"\n[[', 'header = "0413"\nstorage = 1\n[[', "the header says it all"),
        ('manufacturer = "EXA"', "manufacturer = 5", "three letters"),
        ('manufacturer = "EXA"', "", "three letters"),
        ("medium = 7", "medium = 0x107", "more than 255"),
        ('name = "total_volume"', 'name = "total_volume"\nscale = "NaN"', "exact number as text"),
        (
            "[[status]]",
            '[[payload]]\ndecoder = "diehl_prio"\nwhere = "tail"\n[[status]]',
            "did you mean 'diehl_prios'?",
        ),
        (
            "[[status]]",
            '[[payload]]\ndecoder = "diehl_prios"\nwhere = []\n[[status]]',
            "'where' in [[payload]] must be text",
        ),
        ("[[status]]", '[[payload]]\ndecoder = "os.system"\nwhere = "tail"\n[[status]]', "unknown decoder 'os.system'"),
        ("[[status]]", '[[test]]\nsource = "x"\ntelegram = "zz"\n[[status]]', "'telegram' in [[test]] must be hex"),
        ('name = "total_volume"', 'name = "total_volume"\nscale = "1E+999999"', "exact number as text"),
        ('name = "total_volume"', 'name = ""', "is empty, too long"),
        ('name = "total_volume"', 'name = "a\\u001b[2J"', "unprintable"),
        ('values = { 1 = "dry" }', 'values = { -1 = "dry" }', "counts from 0"),
        ('mask = 0x000F\nvalues = { 1 = "dry" }', 'bits = { 99999999 = "dry" }', "beyond bit 1023"),
        ('values = { 1 = "dry" }', 'values = { one = "dry" }', "has a key that is not a number"),
        ("version = [1, 2]", f"version = {'9' * 5000}", "not valid TOML"),
        ("[[status]]", '[[test]]\nsource = "x"\n[[status]]', "'telegram' in [[test]] must be hex"),
        ("[[status]]", '[[test]]\nsource = "x"\ntelegram = "00"\nprior = [1]\n[[status]]', "'prior' in [[test]] must"),
        (
            "[[status]]",
            '[[test]]\nsource = "x"\ntelegram = "00"\nkey = "0102"\n[[status]]',
            "has 4 hex digits; an AES key",
        ),
        (
            'quantity = "volume"\n[[',
            'quantity = "volume"\nmodifiers = ["backward"]\n[[',
            "did you mean 'backward_flow'?",
        ),
        (
            'quantity = "volume"\n[[',
            'quantity = "volume"\nmodifiers = ["zzz"]\n[[',
            "unknown modifier 'zzz' in [[reading]]",
        ),
    ],
    ids=lambda value: None,
)
def test_a_mistake_is_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as error:
        parse_profile(GOOD.replace(old, new, 1), "exa_water.toml")
    assert str(error.value).startswith("exa_water.toml: ")
    assert words in str(error.value)
    assert "\n" not in error.value.problem or "TOML" in error.value.problem


def test_a_range_in_steps_and_data_that_mean_no_value() -> None:
    profile = parse_profile(GOOD.replace('"2..4"', '"2,4..8"\ninvalid = "fefe"'), "exa_water.toml")
    assert list(profile.readings[1].selector.storages) == [2, 4, 6, 8]
    assert profile.readings[1].invalid == {b"\xfe\xfe"}


def test_two_profiles_for_one_meter_are_an_error() -> None:
    one = parse_profile(GOOD, "one.toml")
    two = parse_profile(GOOD.replace("exa_water", "exa_other"), "two.toml")
    with pytest.raises(ProfileError, match=r"two\.toml: claims EXA version 01 medium 07, which one\.toml claims"):
        ProfileRegistry([("one.toml", one), ("two.toml", two)])


def test_two_profiles_of_one_name_are_an_error() -> None:
    one = parse_profile(GOOD, "one.toml")
    with pytest.raises(ProfileError, match=r"two\.toml: is named 'exa_water', as one\.toml is"):
        ProfileRegistry([("one.toml", one), ("two.toml", one)])


def test_the_closest_match_wins() -> None:
    exact = parse_profile(GOOD, "exact.toml")
    loose = parse_profile(
        GOOD.replace("exa_water", "exa_any").replace("version = [1, 2]\n", "").replace("medium = 7", ""), "loose.toml"
    )
    registry = ProfileRegistry([("exact.toml", exact), ("loose.toml", loose)])
    assert registry.find(Address.of("EXA", "00000001", 1, 7)) is exact
    assert registry.find(Address.of("EXA", "00000001", 9, 7)) is loose
    assert registry.find(Address.of("OTH", "00000001", 1, 7)) is None


def test_a_header_may_be_written_with_blanks() -> None:
    profile = parse_profile(GOOD.replace('quantity = "volume"\n[[', 'header = "04 13"\n[[', 1), "exa_water.toml")
    assert profile.readings[0].selector.header == "0413"


VALUES = st.one_of(
    st.integers(-5, 2**70),
    st.text(max_size=8),
    st.sampled_from(
        ["2..17", "2,4..9", "0413", "volume", "{n}", "1E-9", "bcd", "text", "maximum", "diehl_prios", "tail"]
    ),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.one_of(st.integers(0, 300), st.text(max_size=4)), max_size=3),
    st.dictionaries(st.sampled_from(["0", "1", "7", "x", "-1"]), st.text(max_size=5), max_size=3),
)
CLEAR = bytes.fromhex("19440117785634120107" + "7A00000000" + "041339300000" + "02FD170F00")
"""A telegram in the clear of a meter that GOOD is for."""


@given(
    table=st.sampled_from(["file", "match", "reading", "status", "code", "payload", "test"]),
    key=st.sampled_from(sorted({key for keys in KEYS.values() for key in keys})),
    value=VALUES,
)
@settings(max_examples=1000)
def test_any_value_is_read_or_refused_in_one_line(table: str, key: str, value: object) -> None:
    whole = GOOD + MORE
    head = f"[[{table}]]\n"
    line = f"{key} = {toml_value(value)}\n"
    text = line + whole if table == "file" else whole.replace(head, head + line, 1)
    text = re.sub(rf"(?m)^({re.escape(line)})((?:(?!\[\[).*\n)*?){key} = .*\n", r"\1\2", text, count=1)
    try:
        profile = parse_profile(text, "exa_water.toml")
    except ProfileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most texts are refused, some are not
        return
    telegram = decode(CLEAR, profiles=ProfileRegistry([("exa_water.toml", profile)]))
    assert telegram.data == CLEAR
    assert all(reading.name for reading in telegram.readings)


def test_the_telegram_for_any_value_is_one_of_that_meter() -> None:
    telegram = decode(
        CLEAR, profiles=ProfileRegistry([("exa_water.toml", parse_profile(GOOD + MORE, "exa_water.toml"))])
    )
    assert (telegram.profile, telegram.problem) == ("exa_water", None)
    assert [reading.name for reading in telegram.readings] == ["total_volume", "word", "error_flags"]


MORE = """
[[code]]
name = "word"
quantity = "error_flags"
mask = 0xF0
values = { 1 = "a" }
[[payload]]
decoder = "diehl_prios"
where = "tail"
[[test]]
source = "x"
telegram = "00"
"""


def toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
