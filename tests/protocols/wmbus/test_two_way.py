"""Frames of a radio access: their bytes, what the general decoder makes of them, and damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.errors import DecryptFailed, ProtocolError, Unsupported
from protocols.model import Address, Key
from protocols.wmbus.two_way import (
    ACK,
    CARRIER,
    CI_APPLICATION_ERROR,
    CNF_IR,
    FCB,
    MAX_CARRIED,
    REQ_UD2,
    RSP_UD,
    SND_NKE,
    SND_UD,
    carried,
    carry,
    gateway_frame,
    meter_frame,
    parse_two_way,
)

METER = Address.of("SIM", "10002345", 1, 7)
GATEWAY = Address.of("QDS", "00101517", 1, 0x31)
KEY = bytes(range(16))
VOLUME = bytes.fromhex("0C1378563412")


def test_a_request_is_a_header_alone() -> None:
    # L, C, the gateway's M and A, CI 80, the meter's ID, M, version and type, ACC, STS, CF.
    expected = "167B934417151000013180452300102D4D01072A000000"
    assert gateway_frame(REQ_UD2 | FCB, GATEWAY, METER, 0x2A).hex().upper() == expected


def test_a_command_in_clear_has_its_data_behind_the_header() -> None:
    frame = gateway_frame(SND_UD, GATEWAY, METER, 1, b"\x01\x7a\x05")
    assert frame[10] == 0x5B
    assert frame.endswith(bytes.fromhex("01000000017A05"))


def test_an_acknowledgement_says_what_it_answers() -> None:
    frame = meter_frame(ACK, METER, 0x2A, cc=0xC0, link_acc=7)
    assert frame.hex().upper() == "11002D4D4523001001078CC0078A2A000000"


@pytest.mark.parametrize("key", [None, KEY], ids=["clear", "mode 5"])
def test_the_general_decoder_reads_both_directions(key: bytes | None) -> None:
    keys = [] if key is None else [Key(key)]
    up = decode(meter_frame(RSP_UD, METER, 9, cc=0xC0, link_acc=3, application=VOLUME, key=key), lambda _: keys)
    down = decode(gateway_frame(SND_UD, GATEWAY, METER, 9, VOLUME, key), lambda _: keys)
    for telegram in (up, down):
        assert telegram.outcome.value == "ok"
        assert telegram.meter == METER
        assert [record.header for record in telegram.records] == [VOLUME[:2]]
    assert down.link_address == GATEWAY


def test_a_carried_fragment_is_one_record_to_the_general_decoder() -> None:
    frame = meter_frame(RSP_UD, METER, 9, cc=0xC0, link_acc=3, application=carry(b"\xa1\x01\x00\x01abc"), key=KEY)
    telegram = decode(frame, lambda _: [Key(KEY)])
    assert telegram.outcome.value == "ok"
    assert [record.header for record in telegram.records] == [CARRIER]


def test_the_first_key_that_fits_opens_it() -> None:
    frame = gateway_frame(SND_UD, GATEWAY, METER, 9, VOLUME, KEY)
    assert parse_two_way(frame, (bytes(16), KEY)).key == 1
    with pytest.raises(DecryptFailed):
        parse_two_way(frame, (bytes(16),))
    with pytest.raises(DecryptFailed):
        parse_two_way(frame)


def test_other_security_modes_are_named() -> None:
    frame = bytearray(meter_frame(RSP_UD, METER, 9, cc=0xC0, link_acc=3, application=VOLUME))
    frame[17] = 0x07
    with pytest.raises(Unsupported, match="security mode 7"):
        parse_two_way(bytes(frame))


def test_an_application_error_keeps_its_ci() -> None:
    frame = meter_frame(RSP_UD, METER, 9, cc=0xC0, link_acc=3, application=b"\x10", key=KEY, ci=CI_APPLICATION_ERROR)
    message = parse_two_way(frame, (KEY,))
    assert (message.ci, message.application[:1]) == (CI_APPLICATION_ERROR, b"\x10")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="15 encrypted blocks"):
        gateway_frame(SND_UD, GATEWAY, METER, 0, bytes(239), KEY)
    with pytest.raises(ValueError, match="192 bytes do not fit"):
        carry(bytes(MAX_CARRIED + 1))


@given(
    control=st.sampled_from([SND_NKE, SND_UD, SND_UD | FCB, REQ_UD2, CNF_IR]),
    acc=st.integers(0, 255),
    application=st.binary(max_size=200),
    key=st.none() | st.binary(min_size=16, max_size=16),
)
def test_gateway_frames_come_back(control: int, acc: int, application: bytes, key: bytes | None) -> None:
    message = parse_two_way(gateway_frame(control, GATEWAY, METER, acc, application, key), [key] if key else [])
    assert (message.control, message.sender, message.meter, message.acc) == (control, GATEWAY, METER, acc)
    assert message.application[: len(application)] == application
    assert set(message.application[len(application) :]) <= {0x2F}
    assert (message.key is None) == (key is None or not application)


@given(content=st.binary(max_size=MAX_CARRIED), filler=st.integers(0, 15))
def test_what_is_carried_comes_back(content: bytes, filler: int) -> None:
    assert carried(carry(content) + b"\x2f" * filler) == content
    assert carried(carry(content)[:-1]) is None


@given(data=st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    frame = bytearray(
        data.draw(
            st.sampled_from(
                [
                    gateway_frame(SND_UD, GATEWAY, METER, 3, carry(b"fragment"), KEY),
                    meter_frame(RSP_UD, METER, 3, cc=0xC0, link_acc=1, application=VOLUME, key=KEY),
                    meter_frame(ACK, METER, 3, cc=0xC0, link_acc=1),
                ]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    for one in (bytes(frame), cut, bytes((max(len(cut) - 1, 0),)) + cut[1:]):
        try:
            message = parse_two_way(one, (KEY,))
        except ProtocolError:
            continue
        carried(message.application)
