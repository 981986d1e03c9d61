"""WiMOD messages, with the bytes that the reference sheet of the interface gives, and a session step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocols.errors import Truncated
from protocols.model import Link
from protocols.receivers.checksums import crc16_x25
from protocols.receivers.damage_run import DAMAGED_LIMIT
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, Send
from protocols.receivers.lora_channel import MODES, Channel
from protocols.receivers.open_request import Patience
from protocols.receivers.slip import MAX_PAYLOAD, MAX_RAW, WAKE_UP, Message, SlipStream
from protocols.receivers.wimod import HostSession
from protocols.receivers.wimod.codes import Device, RadioMode, Status, response
from protocols.receivers.wimod.payloads import DeviceInfo, FirmwareInfo, RadioConfig, RawPacket

PHY = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")
RECEIVED = bytes.fromhex("C003080140F17DBE4900020001954378762B11FF0DC7FF090000000083CCC0")
CHANNEL = Channel(868_100_000, 7)
DEVICE = DeviceInfo(0x98, uid=0x00880B01)
FIRMWARE = FirmwareInfo(14, 1, 28, "WiMOD_LR_Base")


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Message(1, 0x01), "C001011607C0"),
        (Message(1, 0x02, b"\0"), "C0010200A0AFC0"),
        (Message(1, 0x03), "C001030424C0"),
        (Message(1, 0x05), "C001053241C0"),
        (Message(1, 0x13), "C001138534C0"),
        (Message(1, 0x19, b"\2"), "C00119028BFDC0"),
        (Message(1, 0x1A, b"\0"), "C0011A00F1F4C0"),
        (Message(3, 0x08, RawPacket(PHY, -57, 9).payload()), RECEIVED.hex()),
    ],
    ids=lambda value: value.name if isinstance(value, Message) else "",
)
def test_the_bytes_that_are_known(message: Message, wire: str) -> None:
    assert message.to_bytes() == bytes.fromhex(wire)
    assert SlipStream().feed(bytes.fromhex(wire)) == [message]


def test_the_crc_over_message_and_crc_leaves_the_same_remainder() -> None:
    body = Message(1, 1).to_bytes()[1:-1]
    assert crc16_x25(body) ^ 0xFFFF == 0xF0B8


def test_every_byte_is_escaped_and_comes_back() -> None:
    message = Message(0xC0, 0xDB, bytes(range(256)) + b"\xdb\xdc\xdb\xdd\xc0")
    wire = message.to_bytes()
    assert wire.count(0xC0) == 2
    assert SlipStream().feed(WAKE_UP + wire) == [message]
    with pytest.raises(ValueError, match="the most"):
        Message(1, 1, bytes(MAX_PAYLOAD + 1)).to_bytes()


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("C001011607", ""),
        ("C0C0C0", ""),
        ("C001011608C0", "CRC"),
        ("C00101C0", "outside"),
        ("C001DB0116C0", "outside"),
        ("C0010116DBC0", "outside"),
        ("FF" * (MAX_RAW + 1) + "C0", "without the end"),
    ],
)
def test_what_is_no_message(wire: str, reason: str) -> None:
    events = SlipStream().feed(bytes.fromhex(wire))
    assert [isinstance(event, Damaged) and reason in event.reason for event in events] == [True] * bool(reason)


def test_a_frequency_is_counted_in_steps_of_61_hz() -> None:
    # 868.1 MHz * 2^19 / 32 MHz = 14 222 950.4
    config = RadioConfig.sniffing(CHANNEL)
    assert config.payload()[8:11] == bytes.fromhex("6606D9")
    assert abs(config.frequency_hz - 868_100_000) < 61
    assert len(config.payload()) + 1 == 26
    assert RadioConfig.from_payload(config.payload()) == config


@pytest.mark.parametrize("mode", [mode for mode in MODES if not mode.endswith("down")])
def test_every_channel_survives_the_way_there_and_back(mode: str) -> None:
    channel = Channel.of(mode)
    config = RadioConfig.from_payload(RadioConfig.sniffing(channel).payload())
    assert config.hears(channel)
    assert abs(config.frequency_hz - channel.frequency_hz) < 61
    assert not replace(config, spreading_factor=config.spreading_factor + 1).hears(channel)
    assert not replace(config, rx_control=0).hears(channel)


def test_packets_with_and_without_strength() -> None:
    packet = RawPacket(PHY, -130, -20, 77)
    assert RawPacket.from_payload(packet.payload()) == packet
    assert RawPacket.from_payload(b"\0" + PHY) == RawPacket(PHY)
    for payload in (b"", b"\0", b"\1" + bytes(7)):
        with pytest.raises(Truncated):
            RawPacket.from_payload(payload)


def answer(request: int, payload: bytes = b"", status: int = Status.OK) -> bytes:
    return Message(1, response(request), bytes((status,)) + payload).to_bytes()


def say(session: HostSession, *answers: bytes) -> list[HostEvent]:
    return [event for data in answers for event in session.receive(data)]


def identified() -> tuple[bytes, bytes, bytes]:
    return (
        answer(Device.PING),
        answer(Device.DEVICE_INFO, DEVICE.payload()),
        answer(Device.FIRMWARE_INFO, FIRMWARE.payload()),
    )


def ready() -> HostSession:
    session = HostSession("868.1/sf7")
    session.start()
    events = say(
        session,
        *identified(),
        answer(Device.SET_RADIO_CONFIG),
        answer(Device.GET_RADIO_CONFIG, RadioConfig.sniffing(CHANNEL).payload()),
    )
    assert isinstance(events[-1], Ready)
    return session


def test_a_session_asks_in_this_order() -> None:
    session = HostSession("868.1/sf7")
    assert session.start() == b"\xc0" * 30 + bytes.fromhex("C001011607C0")
    sent = [event.data for event in say(session, *identified()) if isinstance(event, Send)]
    assert sent[:2] == [bytes.fromhex("C001030424C0"), bytes.fromhex("C001053241C0")]
    (setting,) = SlipStream().feed(sent[2])
    assert isinstance(setting, Message)
    assert (setting.code, setting.payload[:2]) == (0x11, bytes((0, RadioMode.SNIFFER)))
    (event,) = say(session, answer(Device.SET_RADIO_CONFIG))
    assert event == Send(bytes.fromhex("C001138534C0"))
    (event,) = say(session, answer(Device.GET_RADIO_CONFIG, RadioConfig.sniffing(CHANNEL).payload()))
    assert isinstance(event, Ready)
    info = event.info
    assert (info.model, info.serial, info.firmware, info.mode) == (
        "iM880B",
        "00880B01",
        "1.14 WiMOD_LR_Base",
        "868.1/sf7",
    )


def test_a_module_that_is_no_sniffer_by_its_configuration_is_made_one() -> None:
    session = HostSession("868.1/sf7")
    session.start()
    standard = replace(RadioConfig.sniffing(CHANNEL), mode=RadioMode.STANDARD)
    events = say(
        session, *identified(), answer(Device.SET_RADIO_CONFIG), answer(Device.GET_RADIO_CONFIG, standard.payload())
    )
    assert events[-1] == Send(bytes.fromhex("C00119028BFDC0"))
    (event,) = say(session, bytes.fromhex("C0011A00F1F4C0"))
    assert isinstance(event, Ready)


def test_packets_are_frames_with_strength() -> None:
    (frame,) = say(ready(), RECEIVED)
    assert isinstance(frame, Frame)
    assert (frame.data, frame.rssi_dbm, frame.link) == (PHY, -57, Link.LORAWAN)
    assert frame.lora is not None
    assert (frame.lora.frequency_hz, frame.lora.spreading_factor, frame.lora.snr_db) == (868_100_000, 7, 9.0)


def test_what_came_before_the_channel_was_set_is_skipped() -> None:
    session = HostSession("868.1/sf7")
    session.start()
    assert say(session, RECEIVED, b"noise\xc0") == []
    assert len(say(session, answer(Device.PING))) == 1


def test_a_packet_heard_while_the_channel_is_read_back_is_not_lost() -> None:
    session = HostSession("868.1/sf7")
    session.start()
    say(session, *identified())
    _, frame = say(session, answer(Device.SET_RADIO_CONFIG), RECEIVED)
    assert isinstance(frame, Frame)
    assert frame.data == PHY


def test_a_module_that_was_reset_is_set_anew() -> None:
    session = ready()
    (again,) = say(session, Message(1, Device.POWER_UP).to_bytes())
    assert isinstance(again, Send)
    config = RadioConfig.sniffing(CHANNEL).payload()
    assert len(say(session, answer(Device.SET_RADIO_CONFIG), answer(Device.GET_RADIO_CONFIG, config))) == 1
    assert isinstance(say(session, RECEIVED)[0], Frame)


def test_damage_is_told_and_too_much_of_it_ends_the_session() -> None:
    session = ready()
    damages = [b"\xc0\1\2\3\4\5\xc0", Message(3, 4, b"\0abc").to_bytes(), Message(3, 8, b"\1").to_bytes()]
    events = say(session, *damages)
    assert [type(event) for event in events] == [Damaged] * 3
    assert "another WiMOD" in str(events[1])
    assert isinstance(say(session, RECEIVED)[0], Frame)
    events = say(session, *([b"\xc0\1\2\3\4\5\xc0"] * (DAMAGED_LIMIT + 5)))
    assert isinstance(events[-1], Failed)
    assert sum(isinstance(event, Damaged) for event in events) == DAMAGED_LIMIT


@pytest.mark.parametrize(("status", "words"), [(1, "it failed"), (2, "does not know"), (3, "none of these"), (9, "9")])
def test_a_refusal_says_what_and_that_lr_base_is_needed(status: int, words: str) -> None:
    session = HostSession("868.1/sf7")
    session.start()
    failed = say(session, *identified(), answer(Device.SET_RADIO_CONFIG, status=status))[-1]
    assert isinstance(failed, Failed)
    assert words in failed.reason
    assert failed.identified
    assert "WiMOD_LR_Base" in failed.reason
    assert "LR-Base" in failed.hint
    assert say(session, RECEIVED) == []


def test_a_module_that_keeps_another_channel_is_refused() -> None:
    session = HostSession("868.1/sf7")
    session.start()
    other = RadioConfig.sniffing(Channel(868_300_000, 9)).payload()
    failed = say(session, *identified(), answer(Device.SET_RADIO_CONFIG), answer(Device.GET_RADIO_CONFIG, other))[-1]
    assert isinstance(failed, Failed)
    assert "868.3 MHz, SF9" in failed.reason


def test_silence_is_waited_out_with_a_wake_up_each_time() -> None:
    session = HostSession("868.1/sf7")
    first = session.start()
    events = [event for step in range(40) for event in session.tick(step / 10)]
    # What takes lines of text has begun one with it.
    assert events[:-1] == [*[Send(first)] * (Patience().attempts - 1), Send(b"\r\n")]
    assert isinstance(events[-1], Failed)
    assert "an answer to ping" in events[-1].reason


@pytest.mark.parametrize("request_code", [Device.DEVICE_INFO, Device.FIRMWARE_INFO])
def test_an_answer_that_is_cut_is_asked_for_again(request_code: Device) -> None:
    session = HostSession("868.1/sf7")
    session.start()
    before = identified()[: [Device.PING, Device.DEVICE_INFO, Device.FIRMWARE_INFO].index(request_code)]
    say(session, *before)
    assert say(session, answer(request_code, b"\1")) == []
    session.tick(0.0)
    assert len(session.tick(1.0)) == 1


def test_an_unknown_module_and_a_hostile_name_are_shown_as_text() -> None:
    assert DeviceInfo(0x77).model == "WiMOD module type 0x77"
    assert "\x1b" not in FirmwareInfo.from_payload(b"\1\2\3\4\x1b[2J\xff").text
