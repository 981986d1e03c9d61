"""The channels that a LoRa stick can be asked for: those of a region's start, and those a network adds to them."""

from __future__ import annotations

import pytest

from protocols.receivers.events import Send
from protocols.receivers.lora_channel import MODES, Channel
from protocols.receivers.lora_e5 import HostSession as LoraE5Session
from protocols.receivers.registry import receiver
from protocols.receivers.wimod.payloads import RadioConfig

ADDED = ("867.1/sf9", "867.9/sf12")
"""Channels that networks of region EU868 usually add (the CFList of a join accept)."""


@pytest.mark.parametrize(
    ("mode", "channel"),
    [
        ("868.1/sf7", Channel(868_100_000, 7)),
        ("867.1/sf9", Channel(867_100_000, 9)),
        (" 867.900/SF12/DOWN ", Channel(867_900_000, 12, inverted=True)),
        ("865.0625/sf10", Channel(865_062_500, 10)),
        ("868.129999/sf7", Channel(868_129_999, 7)),
        ("903/sf8", Channel(903_000_000, 8)),
    ],
)
def test_any_frequency_can_be_asked_for(mode: str, channel: Channel) -> None:
    assert Channel.of(mode) == channel


@pytest.mark.parametrize(
    "mode",
    [
        "",
        "868.1",
        "sf7",
        "868.1/sf6",
        "868.1/sf13",
        "868.1/7",
        "868.1/sf7/up",
        "868.1/sf7/down/down",
        "86.81/sf7",
        "8681/sf7",
        "868100000/sf7",
        "868,1/sf7",
        "868.1234567/sf7",
        "-868.1/sf7",
        "868./sf7",
        "8e2/sf7",
        "nan/sf7",
        "٨٦٨.1/sf7",
        "868.1/sf\uff17",
    ],
)
def test_what_is_no_channel_is_refused_with_an_example(mode: str) -> None:
    with pytest.raises(ValueError, match=r"FREQUENCY/sfN.*868\.1/sf7"):
        Channel.of(mode)


@pytest.mark.parametrize("mode", ADDED)
@pytest.mark.parametrize("kind", ["rn2483", "lora-e5", "rak3172", "wimod"])
def test_sticks_listen_to_channels_that_a_network_adds(kind: str, mode: str) -> None:
    assert receiver(kind).host_session(mode).start()


def test_a_lora_e5_is_given_every_digit_of_a_frequency() -> None:
    session = LoraE5Session("865.0625/sf9")
    session.start()
    for line in ("+AT: OK", "+MODE: TEST"):
        session.receive(line.encode() + b"\r\n")
    assert session.receive(b"+TEST: STOP\r\n") == [Send(b"AT+TEST=RFCFG,865.0625,SF9,125,8,8,14,ON,OFF,ON\r\n")]


@pytest.mark.parametrize("frequency_hz", range(863_000_000, 870_000_000, 250_007))
def test_a_wimod_that_took_any_frequency_is_taken_to_hear_it(frequency_hz: int) -> None:
    channel = Channel(frequency_hz, 7)
    config = RadioConfig.from_payload(RadioConfig.sniffing(channel).payload())
    assert config.hears(channel)


def test_the_channels_that_are_listed_can_be_asked_for() -> None:
    assert len({Channel.of(mode) for mode in MODES}) == len(MODES)
