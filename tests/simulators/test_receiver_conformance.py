"""What the codec of every receiver must keep, whatever its wire looks like: pieces, noise, damage, floods."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import pytest

from protocols.errors import ProtocolError
from protocols.receivers.events import Frame, HostEvent, Ready, Send
from protocols.receivers.gwmp import Kind, Packet, parse_datagram, parse_push
from protocols.receivers.registry import REGISTRY, receiver
from simulators.air import Air
from simulators.receivers.device import STANDS_AT, Device, device
from simulators.receivers.gwmp import PacketForwarder
from simulators.scenario import Faults, Scenario

STARTS: Final = datetime(2026, 11, 20, 8, tzinfo=UTC)
STEP_S: Final = 0.01
CHECKED = ("amb8465", "im871a", "iu891a", "wimod")
"""Kinds whose messages carry a checksum."""

FLOOD_BYTES: Final = 40_000
KEPT_BYTES: Final = 10_000


def quick_devices() -> Scenario:
    """The demonstration without faults, its LoRaWAN devices on the channel that sticks listen to by default."""
    scenario = Scenario.load()
    devices = tuple(replace(one, interval_s=2.0, spreading_factor=7) for one in scenario.devices)
    return replace(scenario, faults=Faults(), devices=devices)


@cache
def recorded(kind: str, seconds: float = 20.0) -> tuple[tuple[HostEvent, ...], tuple[bytes, ...]]:
    """What a session tells in some seconds with a simulated receiver, and the pieces that it was sent."""
    session, peer = receiver(kind).host_session(receiver(kind).DEFAULT_MODE), device(kind)
    air = Air(quick_devices(), STARTS)
    events: list[HostEvent] = []
    pieces: list[bytes] = []
    to_device = [session.start()]
    for step in range(int(seconds / STEP_S)):
        now_s = step * STEP_S
        for data in to_device:
            peer.receive(data, now_s)
        for transmission in air.advance(STARTS + timedelta(seconds=now_s)):
            peer.hear(transmission, now_s)
        arrived = peer.due(now_s)
        pieces += arrived
        fresh = [event for data in arrived for event in session.receive(data)]
        fresh += session.tick(now_s)
        to_device = [event.data for event in fresh if isinstance(event, Send)]
        events += fresh
    return tuple(events), tuple(pieces)


def told(kind: str, pieces: list[bytes]) -> list[HostEvent]:
    """What a new session tells of these pieces."""
    session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
    session.start()
    return [event for data in pieces for event in session.receive(data)]


def frames(events: list[HostEvent]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def test_all_sticks_and_the_gateway_are_here() -> None:
    assert set(REGISTRY) == {"amb8465", "im871a", "rc1180", "cul", "iu891a", "rn2483", "lora-e5", "rak3172", "wimod"}
    assert STANDS_AT["gwmp"] == "udp"


@pytest.mark.parametrize("kind", REGISTRY)
def test_whole_in_pieces_and_byte_by_byte_is_the_same(kind: str) -> None:
    events, pieces = recorded(kind)
    assert any(isinstance(event, Ready) for event in events)
    assert len(frames(list(events))) > 2
    whole = b"".join(pieces)
    rng = random.Random(kind)
    cuts = sorted(rng.sample(range(len(whole)), 200))
    in_pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = told(kind, list(pieces))
    assert [event for event in events if not isinstance(event, Send)] == [
        event for event in expected if not isinstance(event, Send)
    ]
    assert told(kind, [whole]) == told(kind, in_pieces) == told(kind, [bytes((byte,)) for byte in whole]) == expected


@pytest.mark.parametrize("kind", REGISTRY)
def test_noise_between_messages_takes_no_frame_away_and_adds_none(kind: str) -> None:
    events, pieces = recorded(kind)
    rng = random.Random(kind)
    noisy = [data for piece in pieces for data in (bytes(rng.choices((0x00, 0x0D, 0xFF, 0x0A), k=3)), piece)]
    assert frames(told(kind, noisy)) == frames(list(events))


@pytest.mark.parametrize("kind", CHECKED)
def test_a_bad_checksum_is_never_a_frame(kind: str) -> None:
    _, pieces = recorded(kind)
    session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
    session.start()
    handshake = next(place for place, piece in enumerate(pieces) if frames(session.receive(piece)))
    last = pieces[handshake]
    expected = frames(told(kind, list(pieces[: handshake + 1])))
    for bit in range(8 * len(last)):
        flipped = bytearray(last)
        flipped[bit // 8] ^= 1 << bit % 8
        # What is good again behind it shows that the damage was overcome.
        heard = frames(told(kind, [*pieces[:handshake], bytes(flipped), bytes(600), last, last]))
        assert all(frame in expected for frame in heard)
        assert heard


@pytest.mark.parametrize("kind", REGISTRY)
@pytest.mark.parametrize("filler", [b"A", b"\xa5\x82\x03\xff", b"\xdb", b"radio_rx  4", b"\xc0\x03\x08"], ids=repr)
def test_the_buffer_is_bounded(kind: str, filler: bytes) -> None:
    _, pieces = recorded(kind)
    session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
    session.start()
    for piece in pieces[:12]:
        session.receive(piece)
    flood = filler * (4096 // len(filler))
    for _ in range(FLOOD_BYTES // len(flood)):
        session.receive(flood)
    assert len(pickle.dumps(session)) < KEPT_BYTES


@pytest.mark.parametrize("kind", REGISTRY)
def test_damaged_bytes_never_raise(kind: str) -> None:
    _, pieces = recorded(kind)
    rng = random.Random(kind)
    for _ in range(60):
        session = receiver(kind).host_session(receiver(kind).DEFAULT_MODE)
        session.start()
        data = bytearray(b"".join(pieces[:40]))
        for place in rng.sample(range(len(data)), 1 + len(data) // 50):
            data[place] = rng.randrange(256)
        session.receive(bytes(data))
        for step in range(3):
            session.tick(step * 1.0)


@pytest.mark.parametrize("kind", REGISTRY)
def test_the_device_survives_noise_and_answers_afterwards(kind: str) -> None:
    peer: Device = device(kind)
    peer.receive(random.Random(kind).randbytes(5000) + b"\r\n\xc0", 0.0)
    assert all(isinstance(piece, bytes) for piece in peer.due(5.0))
    if kind == "im871a":
        # What looked like the head of a long message may have swallowed the next; the host asks three times.
        peer.receive(bytes(600), 5.0)
    peer.receive(receiver(kind).host_session(receiver(kind).DEFAULT_MODE).start(), 6.0)
    assert peer.due(8.0)


def test_a_gateway_hands_over_what_is_on_the_air_one_datagram_each() -> None:
    forwarder, air = PacketForwarder(), Air(quick_devices(), STARTS)
    on_air = [one for one in air.advance(STARTS + timedelta(seconds=60)) if one.lora is not None]
    for transmission in on_air:
        forwarder.hear(transmission, 0.0)
    datagrams = [parse_datagram(piece) for piece in forwarder.due(0.0)]
    assert datagrams[0].kind is Kind.PULL_DATA
    packets = [packet for datagram in datagrams[1:] for packet in parse_push(datagram.body)]
    assert [packet.data for packet in packets if isinstance(packet, Packet)] == [one.coded for one in on_air]
    whole = datagrams[1].to_bytes()
    for size in range(len(whole)):
        with pytest.raises(ProtocolError):
            parse_push(parse_datagram(whole[:size]).body)
