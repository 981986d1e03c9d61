"""The iM871A's serial frames: constants from outside, three feeds, and streams that are not frames at all."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.im871a import (
    MESSAGES,
    Config,
    DeviceInfo,
    OtherMessage,
    parse_message,
    radio,
    rssi_dbm,
    rssi_raw,
)
from protocols.receivers.im871a import management as mgmt
from protocols.receivers.im871a.envelope import (
    LAST_CODE,
    MAX_FRAME,
    BadBytes,
    Envelope,
    EnvelopeStream,
    Rejected,
    StreamEvent,
)
from protocols.receivers.im871a.message import Message
from protocols.receivers.im871a.messages import title_of

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")

# Exchanged with a real client or recorded from real sticks (reference sheet, 2.3, 2.4, 2.6, 17.1).
CONSTANTS: dict[str, tuple[str, Message]] = {
    "ping": ("A58101002489", mgmt.PingRequest()),
    "ping response": ("A58102004CA3", mgmt.PingResponse()),
    "device information": ("A5810F003413", mgmt.DeviceInfoRequest()),
    "device information response": (
        "A58110083300141730201000460E",
        mgmt.DeviceInfoResponse(DeviceInfo(0x33, 0, 0x14, 0x17, 0x00102030)),
    ),
    "get configuration": ("A581050044EE", mgmt.GetConfigRequest()),
    "get configuration response": (
        "A5810616FF000346A2251715100001310BFF07003200000000005086",
        mgmt.GetConfigResponse(
            Config(0, 3, 0x46, 0x25A2, 0x00101517, 1, 0x31, 0x0B, 7, 0, 0x32, 0, 0, 0, 0, 0),
        ),
    ),
    "set configuration ok": ("A5810401013BA6", mgmt.SetConfigResponse(1)),
    "set configuration, no status": ("A58104009CF7", mgmt.SetConfigResponse(None)),
    "send message confirmed": ("A5820201012F55", radio.SendMessageResponse(1)),
    "send data confirmed": ("A5820501012AD9", radio.SendDataResponse(1)),
    "receive indication": (
        "A5C2031844AE4C4455223368077A55000000041389E20100023B00009BD8A1",
        radio.ReceiveIndication(TELEGRAM[1:], 0x9B),
    ),
    "receive indication with clock": (
        "A5E2031E44AE4C8730702068077A1F001005EF666A497CBAD4564A80CA41D7F4144100000000A553E8",
        radio.ReceiveIndication(
            bytes.fromhex("44AE4C8730702068077A1F001005EF666A497CBAD4564A80CA41D7F41441"), 0xA5, timestamp_s=0
        ),
    ),
}
LISTENING_FCS = {
    0: "61DB",
    3: "ADC6",
    4: "71F6",
    6: "F9E0",
    7: "BDEB",
    8: "4181",
    9: "058A",
    0x0A: "C997",
}

EXAMPLES: dict[type[Message], Message] = {
    mgmt.SetConfigRequest: mgmt.SetConfigRequest(Config.listening(7), store=True),
    mgmt.GetConfigResponse: mgmt.GetConfigResponse(Config(manufacturer_code=0x2C2D, device_id=0x12345678)),
    mgmt.FactoryResetRequest: mgmt.FactoryResetRequest(1),
    mgmt.DeviceInfoResponse: mgmt.DeviceInfoResponse(DeviceInfo(0x36, 1, 0x13, 9, 0xDEADBEEF)),
    mgmt.SystemStatusResponse: mgmt.SystemStatusResponse(bytes(range(24))),
    mgmt.FirmwareInfoResponse: mgmt.FirmwareInfoResponse(b"V1.4"),
    mgmt.SetRtcRequest: mgmt.SetRtcRequest(1_790_000_000),
    mgmt.GetRtcResponse: mgmt.GetRtcResponse(0xFFFFFFFF),
    mgmt.SetAesEncryptionKeyRequest: mgmt.SetAesEncryptionKeyRequest(bytes(range(16)), store=True),
    mgmt.EnableAesEncryptionRequest: mgmt.EnableAesEncryptionRequest(enable=True, store=False),
    mgmt.SetAesDecryptionKeyRequest: mgmt.SetAesDecryptionKeyRequest(3, TELEGRAM[2:10], bytes(range(16))),
    mgmt.AesDecryptionErrorIndication: mgmt.AesDecryptionErrorIndication(0x44, TELEGRAM[2:10]),
    radio.SendMessageRequest: radio.SendMessageRequest(TELEGRAM[1:]),
    radio.SendDataRequest: radio.SendDataRequest(TELEGRAM[10:]),
    radio.ReceiveIndication: radio.ReceiveIndication(TELEGRAM[1:], 0x9B, 77),
}
"""A message with every field filled; the other classes are complete without arguments."""


def example(kind: type[Message]) -> Message:
    return EXAMPLES.get(kind) or kind()


def test_x25_check_value_and_residue() -> None:
    assert crc16_x25(b"123456789") == 0x906E
    frame = bytes.fromhex("A58101002489")
    assert crc16_x25(frame[1:]) == 0x0F47


@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_frames_are_built_and_read(name: str) -> None:
    text, message = CONSTANTS[name]
    assert message.to_bytes().hex().upper() == text
    assert parse_message(Envelope.from_bytes(bytes.fromhex(text))) == message
    assert type(message).from_bytes(bytes.fromhex(text)) == message


@pytest.mark.parametrize("link_mode", LISTENING_FCS)
def test_listening_request_per_link_mode(link_mode: int) -> None:
    request = mgmt.SetConfigRequest(Config.listening(link_mode)).to_bytes()
    assert request.hex().upper() == f"A5810308000300{link_mode:02X}38000100{LISTENING_FCS[link_mode]}"


def test_request_of_another_client_without_fcs() -> None:
    envelope = Envelope.from_bytes(bytes.fromhex("A5010306000203300100"))
    assert envelope.fcs is False
    assert parse_message(envelope) == mgmt.SetConfigRequest(Config(link_mode=3, attach_rssi=1, attach_timestamp=0))


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("fcs", [True, False], ids=["fcs", "no-fcs"])
def test_every_message_round_trips(kind: type[Message], fcs: bool) -> None:
    message = example(kind)
    data = message.to_bytes(fcs=fcs)
    assert parse_message(Envelope.from_bytes(data)) == message
    assert Envelope.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=lambda kind: kind.__name__)
def test_every_message_refuses_a_payload_that_is_too_long(kind: type[Message]) -> None:
    handed_on = (
        mgmt.SystemStatusResponse,
        mgmt.FirmwareInfoResponse,
        radio.SendMessageRequest,
        radio.SendDataRequest,
        radio.ReceiveIndication,
    )
    payload = example(kind).payload() + b"\x00"
    if kind in handed_on:
        assert kind.from_payload(payload).payload() == payload
    else:
        with pytest.raises(ProtocolError):
            kind.from_payload(payload)


def test_every_code_in_use_has_a_name() -> None:
    titles = {title_of(endpoint, code) for endpoint, last in LAST_CODE.items() for code in range(1, last + 1)}
    assert len(titles) == sum(LAST_CODE.values())
    assert title_of(3, 7) == "radio link test message 3.07"
    assert isinstance(parse_message(Envelope(3, 7, b"\x01")), OtherMessage)


def test_keys_are_never_shown() -> None:
    key = bytes.fromhex("C0FFEE00112233445566778899AABBCC")
    for message in (mgmt.SetAesEncryptionKeyRequest(key), mgmt.SetAesDecryptionKeyRequest(0, bytes(8), key)):
        assert "c0ffee" not in repr(message).lower()
        assert "\\xff\\xee" not in repr(message).lower()


def test_config_with_values_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="link_mode 256 does not fit"):
        Config(link_mode=256).to_bytes()
    with pytest.raises(Truncated):
        Config.from_bytes(bytes.fromhex("0203"))
    with pytest.raises(BadField, match="2 bytes after"):
        Config.from_bytes(bytes.fromhex("00000102"))


def test_merged_config_keeps_what_the_change_leaves_out() -> None:
    before = Config(link_mode=3, power_level=7)
    assert before.merged(Config(link_mode=0x0A)) == Config(link_mode=0x0A, power_level=7)


@pytest.mark.parametrize(("raw", "dbm"), [(0x32, -97), (0x9B, -45), (0xA5, -40), (0xE6, 0), (45, -100)])
def test_rssi_of_the_reference(raw: int, dbm: int) -> None:
    assert rssi_dbm(raw) == dbm


@given(st.integers(min_value=-100, max_value=-8))
def test_rssi_of_a_simulated_stick_comes_back_exactly(dbm: int) -> None:
    assert rssi_dbm(rssi_raw(dbm)) == dbm


GOOD = b"".join(bytes.fromhex(text) for text, _ in CONSTANTS.values())
GOOD_MESSAGES = [message for _, message in CONSTANTS.values()]


def byte_by_byte(stream: EnvelopeStream, data: bytes) -> list[StreamEvent]:
    return [event for i in range(len(data)) for event in stream.feed(data[i : i + 1])]


def messages(events: list[StreamEvent]) -> list[Message | OtherMessage]:
    return [parse_message(event) for event in events if isinstance(event, Envelope)]


def test_feed_whole_and_byte_by_byte() -> None:
    whole = EnvelopeStream(require_fcs=True).feed(GOOD)
    assert messages(whole) == GOOD_MESSAGES
    assert byte_by_byte(EnvelopeStream(require_fcs=True), GOOD) == whole


@pytest.mark.parametrize("name", CONSTANTS)
def test_nothing_comes_before_the_last_byte(name: str) -> None:
    data = bytes.fromhex(CONSTANTS[name][0])
    stream = EnvelopeStream(require_fcs=True)
    assert byte_by_byte(stream, data[:-1]) == []
    assert len(stream.feed(data[-1:])) == 1
    assert stream.pending == 0


@pytest.mark.parametrize("noise", ["00", "A5", "A5A5A5", "A581", "A5FF03", "00A5C2", "FFFFFFFF0D0A", "A58103"])
def test_noise_before_and_between_frames(noise: str) -> None:
    junk = bytes.fromhex(noise)
    frame = bytes.fromhex(CONSTANTS["receive indication"][0])
    stream = EnvelopeStream(require_fcs=True)
    events = stream.feed(junk + frame + junk + frame + b"\x00")
    # A piece of noise may look like the head of a frame; what follows it is then only held back, never lost.
    while stream.pending:
        events += stream.resync()
    assert messages(events) == [CONSTANTS["receive indication"][1]] * 2


def test_bad_check_sequence_is_reported_once_and_the_next_frame_arrives() -> None:
    frame = bytearray.fromhex(CONSTANTS["receive indication"][0])
    frame[10] ^= 0x01
    good = bytes.fromhex(CONSTANTS["ping response"][0])
    for events in (
        EnvelopeStream(require_fcs=True).feed(bytes(frame) + good),
        byte_by_byte(EnvelopeStream(require_fcs=True), bytes(frame) + good),
    ):
        assert events[0] == Rejected(BadBytes.FCS, bytes(frame))
        assert messages(events[1:]) == [mgmt.PingResponse()]
        assert len(events) == 2


def test_frame_swallowed_by_a_false_start_is_found() -> None:
    swallowed = bytes.fromhex(CONSTANTS["device information response"][0])
    false_start = bytes.fromhex("A5810305")
    events = EnvelopeStream(require_fcs=True).feed(false_start + swallowed)
    assert isinstance(events[0], Rejected)
    assert messages(events) == [CONSTANTS["device information response"][1]]


def test_host_takes_no_frame_without_fcs_but_a_device_does() -> None:
    request = bytes.fromhex("A5010F00")
    assert EnvelopeStream(require_fcs=True).feed(request) == []
    assert messages(EnvelopeStream(require_fcs=False).feed(request)) == [mgmt.DeviceInfoRequest()]


def test_from_bytes_says_what_is_wrong() -> None:
    frame = bytes.fromhex(CONSTANTS["ping"][0])
    with pytest.raises(Truncated):
        Envelope.from_bytes(frame[:-1])
    with pytest.raises(BadField):
        Envelope.from_bytes(frame + b"\x00")
    with pytest.raises(BadChecksum):
        Envelope.from_bytes(frame[:-1] + b"\x00")
    with pytest.raises(ValueError, match="not an HCI frame"):
        Envelope(1, 1, bytes(256)).to_bytes()


def test_buffer_stays_bounded_under_noise() -> None:
    noise = random.Random(871).randbytes(100_000)
    for require_fcs in (True, False):
        stream = EnvelopeStream(require_fcs=require_fcs)
        for start in range(0, len(noise), 997):
            stream.feed(noise[start : start + 997])
            assert stream.pending <= MAX_FRAME
        while stream.pending:
            stream.resync()
        assert messages(stream.feed(bytes.fromhex(CONSTANTS["ping"][0]))) == [mgmt.PingRequest()]


@given(st.binary(max_size=600), st.lists(st.integers(min_value=1, max_value=50), max_size=40))
def test_events_depend_on_the_bytes_alone(data: bytes, cuts: list[int]) -> None:
    whole = EnvelopeStream(require_fcs=True).feed(data)
    stream, position, pieces = EnvelopeStream(require_fcs=True), 0, []
    for cut in [*cuts, len(data)]:
        pieces += stream.feed(data[position : position + cut])
        position += cut
    assert pieces == whole


@given(
    st.builds(
        Envelope,
        endpoint=st.just(2),
        code=st.integers(1, 5),
        payload=st.binary(max_size=255),
        timestamp_s=st.none() | st.integers(0, 2**32 - 1),
        rssi_raw=st.none() | st.integers(0, 255),
        fcs=st.booleans(),
    )
)
def test_envelope_round_trip(envelope: Envelope) -> None:
    data = envelope.to_bytes()
    assert Envelope.from_bytes(data) == envelope
    assert EnvelopeStream(require_fcs=False).feed(data) == [envelope]
    with_fcs = replace(envelope, fcs=True).to_bytes()
    assert len(with_fcs) == len(data) + (0 if envelope.fcs else 2)
