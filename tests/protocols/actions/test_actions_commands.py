"""Commands: one form each, back and forth; what is no command is refused in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.actions.commands import Command, build_command, parse_command
from protocols.actions.parameters import Argument, ParameterKind
from protocols.actions.table import FORMS
from protocols.crypto import unwrap_key, wrap_key
from protocols.errors import BadField, ProtocolError, Unsupported
from protocols.mbus.records import parse_records

EXAMPLES: dict[str, tuple[dict[str, Argument], str]] = {
    "customer-number": ({"number": "A 12-3"}, "51 0DFD11 06 332D32312041"),
    "clock": ({"time": datetime(2000, 1, 16, 0, 26, 34, tzinfo=UTC)}, "51 066D A21AE0100102"),
    "primary-address": ({"address": 5}, "51 017A 05"),
    "start-radio": ({}, "51 01FF01 01"),
    "confirm-installation": ({}, "51 01FF04 01"),
    "pulse-value": ({"litres": 10}, "51 029328 0A00"),
    "due-date": ({"date": date(2021, 12, 31)}, "51 42EC7E BF2C"),
    "radio-interval": ({"seconds": 16}, "51 04FD3C 10000000"),
    "radio-profile": ({"profile": "fixed-network"}, "51 01FF02 02"),
    "lorawan-join": ({}, "51 01FF03 01"),
    "reset-alarms": ({}, "51 00FD9707"),
    "reset-peaks": ({}, "51 10BB07"),
    "event-log": ({}, "51 08FF10"),
    "change-key": ({"wrapped_key": bytes(range(24))}, f"51 0DFD19 F2 {bytes(range(24)).hex()}"),
    "test-mode": ({"minutes": 5}, "50 95"),
}
"""Type I and G bytes, and the bus address, are the worked examples of EN 13757-3 and EN 13757-2."""

TIMES = st.datetimes(datetime(2001, 1, 1), datetime(2079, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
STRATEGIES: dict[ParameterKind, st.SearchStrategy[Argument]] = {
    ParameterKind.TEXT: st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    ParameterKind.DATE: st.dates(date(2001, 1, 1), date(2079, 12, 1)),
    ParameterKind.TIME: TIMES,
    ParameterKind.WRAPPED_KEY: st.binary(min_size=24, max_size=24),
}


@st.composite
def commands(draw: st.DrawFn) -> Command:
    form = FORMS[draw(st.sampled_from(sorted(FORMS)))]
    arguments: dict[str, Argument] = {}
    for one in form.parameters:
        if one.kind is ParameterKind.NUMBER:
            arguments[one.name] = draw(st.integers(one.low, one.high))
        elif one.kind is ParameterKind.CHOICE:
            arguments[one.name] = draw(st.sampled_from([word for _, word in one.choices]))
        else:
            arguments[one.name] = draw(STRATEGIES[one.kind])
    return build_command(form.name, **arguments)


def test_every_action_has_an_example() -> None:
    assert EXAMPLES.keys() == FORMS.keys()


@pytest.mark.parametrize("action", EXAMPLES)
def test_the_bytes_of_an_action(action: str) -> None:
    arguments, expected = EXAMPLES[action]
    command = build_command(action, **arguments)
    assert command.application == bytes.fromhex(expected)
    assert parse_command(command.application) == command


@given(commands())
def test_back_and_forth(command: Command) -> None:
    assert parse_command(command.application) == command


@given(commands())
def test_the_read_back_is_what_the_record_holds(command: Command) -> None:
    wanted = command.read_back
    if wanted is None or command.ci == 0x50:
        return
    if command.form.header == wanted.header:
        record = parse_records(command.data, 0, len(command.data)).records[0]
        assert record.header == wanted.header
        assert wanted.fits(record.value)


@given(st.binary(max_size=40))
def test_anything_else_is_a_protocol_error(data: bytes) -> None:
    for candidate in (data, b"\x51" + data, b"\x50" + data):
        try:
            command = parse_command(candidate)
        except ProtocolError:
            continue
        assert command.application == candidate


@given(commands(), st.data())
def test_a_mutated_command_is_refused_or_another_one(command: Command, data: st.DataObject) -> None:
    raw = bytearray(command.application)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse_command(bytes(raw))
    except ProtocolError:
        return
    assert parsed.application == bytes(raw)
    assert parsed != command


@given(commands(), st.binary(min_size=1, max_size=300))
def test_nothing_may_follow_a_command(command: Command, more: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_command(command.application + more)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("", ProtocolError),
        ("5A 017A05", Unsupported),
        ("50 A1", Unsupported),
        ("50", BadField),
        ("51 017A00", BadField),
        ("51 017AFB", BadField),
        ("51 027A0500", Unsupported),
        ("51 017A05 017A06", BadField),
        ("51 017A05 2F", BadField),
        ("51 017A05 0F00", BadField),
        ("51 7F", BadField),
        ("51 0DFD19 18" + 24 * "00", BadField),
        ("51 0DFD19 10" + 16 * "00", BadField),
        ("51 01FF02 04", BadField),
        ("51 066D A21AE0100103", BadField),
        ("51 066D FFFFFFFFFFFF", BadField),
    ],
)
def test_refused(data: str, error: type[ProtocolError]) -> None:
    with pytest.raises(error):
        parse_command(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("action", "parameters", "words"),
    [
        ("read-out", {}, "no command"),
        ("primary-address", {}, "1 to 250"),
        ("primary-address", {"address": 251}, "'251' is not a primary address: 1 to 250"),
        ("primary-address", {"address": "7"}, "primary address"),
        ("primary-address", {"adress": 7}, "has no parameter 'adress'"),
        ("primary-address", {"address": True}, "primary address"),
        ("customer-number", {"number": "x" * 21}, "1 to 20"),
        ("customer-number", {"number": "\x1b[2J"}, "printable"),
        ("customer-number", {"number": " 12"}, "printable"),
        ("clock", {"time": datetime(2026, 1, 1)}, "zone"),  # noqa: DTZ001
        ("clock", {"time": datetime(1999, 1, 1, tzinfo=UTC)}, "zone"),
        ("clock", {"time": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-9)))}, "zone"),
        ("due-date", {"date": datetime(2026, 1, 1, tzinfo=UTC)}, "YYYY-MM-DD"),
        ("radio-profile", {"profile": "fast"}, "drive-by, fixed-network, walk-by"),
        ("change-key", {"wrapped_key": bytes(16)}, "24 bytes"),
        ("test-mode", {"minutes": 16}, "0 to 15 min"),
    ],
)
def test_a_bad_parameter_is_said_in_words(action: str, parameters: dict[str, Argument], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_command(action, **parameters)


def test_parameters_are_read_from_text() -> None:
    read = {name: form.parameters[0].read for name, form in FORMS.items() if form.parameters}
    assert read["primary-address"]("7") == 7
    assert read["customer-number"](" A 12 ") == "A 12"
    assert read["due-date"]("2026-12-31") == date(2026, 12, 31)
    assert read["clock"]("2026-12-31T12:00:00") == datetime(2026, 12, 31, 12, tzinfo=UTC)
    assert read["clock"]("2026-12-31T12:00:00+01:00") == datetime(2026, 12, 31, 11, tzinfo=UTC)
    assert read["radio-profile"]("Drive-By") == "drive-by"
    for name, text in (("primary-address", "-1"), ("due-date", "31.12.2026"), ("clock", "now"), ("change-key", "00")):
        with pytest.raises(ValueError, match=r"."):
            read[name](text)


def test_what_is_shown_holds_no_key() -> None:
    command = build_command("change-key", wrapped_key=bytes(range(24)))
    assert command.shown == "a new key"
    assert bytes(range(24)).hex() not in repr(command)
    assert "\\x01\\x02" not in repr(command)
    assert build_command("pulse-value", litres=10).shown == "10 l"


def test_a_read_back_in_time() -> None:
    command = build_command("clock", time=datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert command.read_back is not None
    assert command.read_back.fits(datetime(2026, 1, 1, 12, 1, 59))  # noqa: DTZ001
    assert not command.read_back.fits(datetime(2026, 1, 1, 12, 2, 1))  # noqa: DTZ001
    pulse = build_command("pulse-value", litres=10).read_back
    assert pulse is not None
    assert pulse.fits(Decimal("0.010"))
    assert not pulse.fits(Decimal("0.1"))
    assert not pulse.fits(None)


def test_a_key_is_wrapped_as_rfc_3394_has_it() -> None:
    # RFC 3394, 4.1
    under = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
    key = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    wrapped = bytes.fromhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")
    assert wrap_key(key, under) == wrapped
    assert unwrap_key(wrapped, under) == key
    with pytest.raises(ValueError, match="another key"):
        unwrap_key(wrapped, key)
    with pytest.raises(ValueError, match="16 bytes"):
        wrap_key(key + key, under)
