"""PHYPayloads and what they hold: both ways, refused ones, MAC commands, addresses, spans."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.decode import decode
from protocols.lorawan.encode import Acceptance, Message, data_frame, join_accept, join_request, proprietary
from protocols.lorawan.facts import MicState
from protocols.lorawan.fctrl import fctrl_of, flags
from protocols.lorawan.identifiers import DevAddr, NetId, holds, on_air, printed, reversed_text
from protocols.lorawan.keys import GivenKeys, SessionKeys
from protocols.lorawan.mac_commands import DOWNLINK, UPLINK, build_mac_commands, parse_mac_commands
from protocols.lorawan.phy import DATA, DATA_HEADER, FHDR, UPLINKS, MType
from protocols.model import Key, Link, Outcome, RawFrame
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    SESSION_1_0,
    SESSION_1_1,
    assert_tiled,
    detail,
    hear,
    uplink,
)

# The example frame of the lora-packet library's README (MIT), with its session keys.
LORA_PACKET = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
LORA_PACKET_KEYS = SessionKeys.of_1_0(
    "49be7df1",
    Key(bytes.fromhex("44024241ed4ce9a68c6a8bc055233fd3")),
    Key(bytes.fromhex("ec925802ae430ca77fd3dd73cb2cc588")),
)


def test_published_example_both_ways() -> None:
    facts = hear(LORA_PACKET, GivenKeys(sessions=(LORA_PACKET_KEYS,))).telegram.lorawan
    assert facts is not None
    assert (facts.mtype, facts.dev_addr, facts.fcnt, facts.fport) == ("UnconfirmedDataUp", "49be7df1", 2, 1)
    assert (facts.mic_ok, facts.plaintext) == (True, b"test")
    assert data_frame(Message(MType.UNCONFIRMED_DATA_UP, 2, 1, b"test"), LORA_PACKET_KEYS) == LORA_PACKET


@st.composite
def messages(draw: st.DrawFn) -> Message:
    mtype = draw(st.sampled_from(sorted(DATA)))
    fport = draw(st.none() | st.integers(0, 255))
    fopts = b""
    if fport != 0:
        kinds = UPLINK if mtype in UPLINKS else DOWNLINK
        cids = draw(st.lists(st.sampled_from(sorted(kinds)), max_size=2))
        parts = [(kinds[cid].name, draw(st.binary(min_size=kinds[cid].size, max_size=kinds[cid].size))) for cid in cids]
        fopts = build_mac_commands(parts, uplink=mtype in UPLINKS)
    names = flags(draw(st.integers(0, 15)) << 4, uplink=mtype in UPLINKS)
    return Message(
        mtype=mtype,
        fcnt=draw(st.integers(0, 3 * 65536 - 1)),
        fport=fport,
        payload=b"" if fport is None else draw(st.binary(max_size=220)),
        fopts=fopts,
        flags=names,
        data_rate=draw(st.integers(0, 15)),
        channel=draw(st.integers(0, 15)),
    )


@given(messages(), st.sampled_from([SESSION_1_0, SESSION_1_1]))
def test_built_frames_come_back(message: Message, keys: SessionKeys) -> None:
    telegram = hear(data_frame(message, keys), GivenKeys(sessions=(keys,))).telegram
    facts = telegram.lorawan
    assert facts is not None
    assert facts.mtype == message.mtype.text
    assert (facts.fcnt, facts.fport, facts.flags) == (message.fcnt, message.fport, message.flags)
    assert facts.mic in (MicState.VERIFIED, MicState.HALF_VERIFIED)
    assert facts.plaintext == (None if message.fport is None else message.payload)
    if message.fopts:
        found = [(command.name, command.payload) for command in facts.mac_commands]
        assert build_mac_commands(found, uplink=message.mtype in UPLINKS) == message.fopts
    assert_tiled(telegram)


@given(messages(), st.integers(0, 7), st.data())
def test_any_changed_bit_breaks_the_mic(message: Message, bit: int, data: st.DataObject) -> None:
    frame = bytearray(data_frame(message, SESSION_1_0))
    at = data.draw(st.integers(5, len(frame) - 1))
    frame[at] ^= 1 << bit
    facts = hear(bytes(frame), GivenKeys(sessions=(SESSION_1_0,))).telegram.lorawan
    assert facts is None or facts.mic_ok is not True


@pytest.mark.parametrize(
    ("hex_text", "outcome", "said"),
    [
        ("", Outcome.DAMAGED, "no bytes"),
        ("40", Outcome.DAMAGED, "too few"),
        ("4011223344000000aabbcc", Outcome.DAMAGED, "too few for a data message"),
        ("4011223344050000aabbccdd", Outcome.DAMAGED, "FOptsLen 5 points past"),
        ("401122334401000002005caabbccdd", Outcome.DAMAGED, "on FPort 0 at once"),
        ("4111223344000000aabbccdd", Outcome.UNSUPPORTED, "major version 1"),
        ("00" * 22, Outcome.DAMAGED, "join request"),
        ("00" * 24, Outcome.DAMAGED, "join request"),
        ("20" + "00" * 17, Outcome.DAMAGED, "join accept"),
        ("c003" + "00" * 17, Outcome.UNSUPPORTED, "rejoin request of type 3"),
        ("c001" + "00" * 17, Outcome.DAMAGED, "rejoin request of type 1"),
        ("40" + "00" * 300, Outcome.DAMAGED, "more than a LoRa packet"),
    ],
)
def test_refused(hex_text: str, outcome: Outcome, said: str) -> None:
    telegram = hear(bytes.fromhex(hex_text)).telegram
    assert telegram.outcome is outcome
    assert said in (telegram.problem or "")
    assert_tiled(telegram)


def test_proprietary_is_shown_as_bytes() -> None:
    telegram = hear(proprietary(b"abc")).telegram
    assert telegram.outcome is Outcome.UNSUPPORTED
    assert telegram.lorawan is not None
    assert telegram.lorawan.mtype == "Proprietary"
    assert_tiled(telegram)


def test_decode_dispatches_on_the_link() -> None:
    as_lorawan = decode(RawFrame(uplink(1), link=Link.LORAWAN))
    assert as_lorawan.lorawan is not None
    assert as_lorawan.outcome is Outcome.NO_KEY
    assert decode(RawFrame(uplink(1))).lorawan is None


@pytest.mark.parametrize("uplink_side", [True, False], ids=["up", "down"])
def test_every_mac_command_reads_what_was_built(uplink_side: bool) -> None:
    for cid, kind in (UPLINK if uplink_side else DOWNLINK).items():
        payload = bytes(range(1, kind.size + 1))
        data = build_mac_commands([(kind.name, payload)], uplink=uplink_side)
        found = parse_mac_commands(data, uplink=uplink_side)
        assert [(each.cid, each.name, each.payload) for each in found.commands] == [(cid, kind.name, payload)]
        assert [name for name, _ in found.commands[0].fields] == [field.name for field in kind.fields]
        assert sum(field.bits for field in kind.fields) <= 8 * kind.size


@pytest.mark.parametrize(
    ("data", "uplink_side", "fields"),
    [
        ("0352040071", False, {"data_rate": "5", "tx_power": "2", "channel_mask": "0x0004", "transmissions": "1"}),
        ("06ff3f", True, {"battery": "not known", "margin": "-1 dB"}),
        ("060007", True, {"battery": "external power", "margin": "7 dB"}),
        ("07037e868450", False, {"channel": "3", "frequency": "868.5182 MHz", "max_data_rate": "5"}),
        ("0d0000000080", False, {"gps_time": "0 s", "fraction": "128/256 s"}),
        ("0800", False, {"delay": "1 s"}),
    ],
)
def test_fields_of_mac_commands(data: str, uplink_side: bool, fields: dict[str, str]) -> None:
    (command,) = parse_mac_commands(bytes.fromhex(data), uplink=uplink_side).commands
    assert dict(command.fields).items() >= fields.items()


@pytest.mark.parametrize(
    ("data", "problem"), [("027f01", "not known"), ("0280", "proprietary"), ("0203", "ends before")]
)
def test_commands_before_an_unknown_one_are_kept(data: str, problem: str) -> None:
    found = parse_mac_commands(bytes.fromhex(data), uplink=True)
    assert [command.name for command in found.commands] == ["LinkCheckReq"]
    assert problem in (found.problem or "")
    assert found.end == 1


@pytest.mark.parametrize(
    ("net_id", "prefix"),
    [("000013", "26000000/7"), ("000000", "00000000/7"), ("600008", "e0100000/15")],
)
def test_address_ranges_of_networks(net_id: str, prefix: str) -> None:
    assert NetId.of(net_id).dev_addr_prefix == prefix
    assert holds(net_id, prefix[:8])
    assert not holds(net_id, "ffffffff")


@given(st.integers(0, 0xFFFFFFFF))
def test_every_address_is_taken_apart(number: int) -> None:
    found = DevAddr.of(f"{number:08x}")
    assert (found is None) == (number >> 24 == 0xFF)
    if found is not None:
        assert found.network


def test_identifiers_turn_round() -> None:
    assert printed(on_air(DEV_EUI, 8)) == DEV_EUI
    assert reversed_text(DEV_ADDR) == "4a2f0126"
    with pytest.raises(ValueError, match="bytes where 8"):
        on_air(DEV_ADDR, 8)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Message(MType.UNCONFIRMED_DATA_UP, 1, payload=b"x"), "needs an FPort"),
        (Message(MType.UNCONFIRMED_DATA_UP, 1, 0, b"\x02", b"\x02"), "FPort 0"),
        (Message(MType.UNCONFIRMED_DATA_UP, 1 << 32), "32 bits"),
        (Message(MType.UNCONFIRMED_DATA_UP, 1, 1, bytes(250)), "more than"),
        (Message(MType.UNCONFIRMED_DATA_UP, 1, fopts=b"\x02" * 16), "at most 15"),
        (Message(MType.UNCONFIRMED_DATA_UP, 1, flags=("f_pending",)), "no such FCtrl bit"),
    ],
)
def test_what_does_not_fit_is_not_built(message: Message, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        data_frame(message, SESSION_1_0)


def test_joins_that_do_not_fit_are_not_built() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        join_request(APP_KEY, JOIN_EUI, DEV_EUI, 70_000)
    with pytest.raises(ValueError, match="JSIntKey"):
        join_accept(APP_KEY, Acceptance("000001", "000013", DEV_ADDR, opt_neg=True))


def test_fctrl_by_name() -> None:
    assert flags(0xF5, uplink=True) == ("adr", "adr_ack_req", "ack", "class_b")
    assert flags(0xF5, uplink=False) == ("adr", "ack", "f_pending")
    assert fctrl_of(("ack", "adr"), 5, uplink=True) == 0xA5


@given(st.binary(min_size=8, max_size=8))
def test_header_in_one_step_is_what_the_schema_says(data: bytes) -> None:
    mhdr, wire, fctrl, fcnt = DATA_HEADER.unpack(data)
    fields = FHDR.parse(data[1:])
    assert (mhdr, wire, fctrl, fcnt) == (data[0], fields.dev_addr, fields.fctrl, fields.fcnt)


W1_LOG = bytes.fromhex("bfc7e7600028950100c0e8e660f79301001e0004000f000b00200005001d0054002d000f000a000a00000003000300")
"""Axioma's published example of an uplink of a Qalcosonic W1."""
W1_SESSION = replace(SESSION_1_0, profile="axioma-w1")


@pytest.mark.parametrize("mtype", [MType.UNCONFIRMED_DATA_DOWN, MType.CONFIRMED_DATA_DOWN])
def test_what_is_sent_to_a_meter_is_no_reading(mtype: MType) -> None:
    keys = GivenKeys(sessions=(W1_SESSION,))
    assert hear(data_frame(Message(MType.UNCONFIRMED_DATA_UP, 1, 100, W1_LOG), W1_SESSION), keys).telegram.readings
    telegram = hear(data_frame(Message(mtype, 1, 100, W1_LOG), W1_SESSION), keys).telegram
    assert (telegram.outcome, telegram.readings, telegram.records) == (Outcome.OK, (), ())
    assert telegram.lorawan is not None
    assert telegram.lorawan.plaintext == W1_LOG
    assert detail(telegram, "records") == "47 bytes to the device on FPort 100: no meter values in it"
    assert_tiled(telegram)


@pytest.mark.parametrize(
    ("fport", "outcome", "said"),
    [
        (202, Outcome.OK, "clock synchronisation, 47 bytes on FPort 202: no meter values in it"),
        (224, Outcome.OK, "LoRaWAN test protocol, 47 bytes on FPort 224: no meter values in it"),
        (226, Outcome.UNSUPPORTED, "a relay forwards 47 bytes of another device on FPort 226: they are not followed"),
        (230, Outcome.UNSUPPORTED, "47 bytes on FPort 230, which is reserved"),
    ],
)
def test_ports_with_a_meaning_of_their_own_are_not_read_by_the_meters_profile(
    fport: int, outcome: Outcome, said: str
) -> None:
    data = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 1, fport, W1_LOG), W1_SESSION)
    telegram = hear(data, GivenKeys(sessions=(W1_SESSION,))).telegram
    assert (telegram.outcome, telegram.readings) == (outcome, ())
    assert detail(telegram, "records") == said
    assert_tiled(telegram)
