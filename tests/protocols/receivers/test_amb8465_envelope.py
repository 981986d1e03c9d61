"""The AMB8465's serial frames: constants from outside, three feeds, telegrams in noise, streams that are no frames."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import BadChecksum, BadField, ProtocolError, Truncated
from protocols.receivers.amb8465.envelope import (
    FROM_HOST,
    FROM_MODULE,
    MAX_FRAME,
    BadBytes,
    BareTelegram,
    Code,
    CommandFrame,
    EnvelopeStream,
    Rejected,
    StreamEvent,
)
from protocols.receivers.amb8465.settings import (
    ALL_MODES,
    LISTENING_MODES,
    Model,
    Parameters,
)
from protocols.receivers.cc1101 import rssi_dbm, rssi_raw
from protocols.receivers.modes import normal_mode

TELEGRAM = bytes.fromhex("1844AE4C4455223368077A55000000041389E20100023B0000")

# Exchanged with a real client or recorded from real sticks (reference sheet, 4.3, 4.4, 15, 17.3).
ALL_SETTINGS = (
    "FF8A7A00780080710200010000FFFFFA00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0C3200026400FFFFFFFFFF010004000000FFFFFF0144"
    "0000000000000000FFFF0B060100FFFFFFFFFF01030000FFFFFFFFFFFFFF0000" + "FF" * 38 + "69"
)
CONSTANTS: dict[str, tuple[str, CommandFrame]] = {
    "get all settings": ("FF0A02008077", CommandFrame(0x0A, b"\x00\x80")),
    "get setting 05": ("FF0A020501F3", CommandFrame(0x0A, b"\x05\x01")),
    "get setting 45": ("FF0A024501B3", CommandFrame(0x0A, b"\x45\x01")),
    "firmware": ("FF0C00F3", CommandFrame(0x0C)),
    "serial number": ("FF0B00F4", CommandFrame(0x0B)),
    "serial number, answer": ("FF8B0453005B0E76", CommandFrame(0x8B, bytes.fromhex("53005B0E"))),
    "mode T2": ("FF040108F2", CommandFrame(0x04, b"\x08")),
    "mode C and T": ("FF040109F3", CommandFrame(0x04, b"\x09")),
    "mode C": ("FF04010EF4", CommandFrame(0x04, b"\x0e")),
    "mode S2": ("FF040103F9", CommandFrame(0x04, b"\x03")),
    "mode, answer": ("FF8401007A", CommandFrame(0x84, b"\x00")),
    "command output on": ("FF0903050101F0", CommandFrame(0x09, b"\x05\x01\x01")),
    "RSSI on": ("FF0903450101B0", CommandFrame(0x09, b"\x45\x01\x01")),
    "settings, answer": ("FF89010077", CommandFrame(0x89, b"\x00")),
    "reset": ("FF0500FA", CommandFrame(0x05)),
    "reset, answer": ("FF8501007B", CommandFrame(0x85, b"\x00")),
    "transmit, answer": ("FF8001007E", CommandFrame(0x80, b"\x00")),
    "works settings": ("FF1100EE", CommandFrame(0x11)),
    "telegram": (f"FF0318{TELEGRAM[1:].hex()}46", CommandFrame(0x03, TELEGRAM[1:])),
    "telegram with RSSI": (f"FF0319{TELEGRAM[1:].hex()}E0A7", CommandFrame(0x03, TELEGRAM[1:] + b"\xe0")),
    "all settings, answer": (ALL_SETTINGS, CommandFrame(0x8A, bytes.fromhex(ALL_SETTINGS)[3:-1])),
}

FRAMED = CommandFrame(Code.RECEIVED, TELEGRAM[1:]).to_bytes()


def cut(data: bytes, cuts: list[int], *, bare: bool = False) -> list[StreamEvent]:
    """What a stream says of bytes in pieces, the last frame given up."""
    stream = EnvelopeStream(FROM_MODULE)
    stream.bare = bare
    edges = [0, *sorted(min(place, len(data)) for place in cuts), len(data)]
    events = [event for start, end in pairwise(edges) for event in stream.feed(data[start:end])]
    return [*events, *stream.resync()]


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_from_outside(name: str) -> None:
    raw, frame = CONSTANTS[name]
    assert frame.to_bytes() == bytes.fromhex(raw)
    assert CommandFrame.from_bytes(bytes.fromhex(raw)) == frame
    sizes = FROM_MODULE if frame.code & 0x80 or frame.code == Code.RECEIVED else FROM_HOST
    assert list(EnvelopeStream(sizes).feed(bytes.fromhex(raw))) == [frame]


def test_settings_of_a_real_stick() -> None:
    payload = CONSTANTS["all settings, answer"][1].payload
    found = Parameters.from_payload(payload)
    assert (found.model, found.command_output, found.has_rssi, found.sleeps) == (Model.AMB8465, True, True, False)
    assert found.to_payload() == payload
    assert Parameters.from_payload(bytes((0, 128)) + bytes(128)).model is Model.AMB3665
    with pytest.raises(Truncated):
        Parameters.from_payload(payload[:-1])
    for wrong in (b"\x05\x01\x01", b"\x00\x03\x00\x00\x00", payload + b"\x00"):
        with pytest.raises(BadField):
            Parameters.from_payload(wrong)


def test_modes_are_the_ones_of_the_sheet() -> None:
    known = LISTENING_MODES[Model.AMB8465]
    assert [known[mode] for mode in ("t1", "c1", "c1,t1", "s1", "r2")] == [0x08, 0x0E, 0x09, 0x03, 0x0B]
    assert list(LISTENING_MODES[Model.AMB3665].values()) == [2, 4, 6, 8, 10, 12] * 2
    assert normal_mode(" T1, c1", ALL_MODES) == "c1,t1"
    with pytest.raises(ValueError, match="known: c1, "):
        normal_mode("c1,s1", ALL_MODES)


def test_strength() -> None:
    assert rssi_dbm(0xE0) == -90
    assert all(rssi_dbm(rssi_raw(dbm)) == dbm for dbm in range(-138, -10))
    assert (rssi_dbm(rssi_raw(0)), rssi_dbm(rssi_raw(-200))) == (-11, -138)


def test_damage_is_told() -> None:
    with pytest.raises(BadChecksum):
        CommandFrame.from_bytes(FRAMED[:-1] + b"\x00")
    with pytest.raises(Truncated):
        CommandFrame.from_bytes(FRAMED[:-1])
    with pytest.raises(BadField):
        CommandFrame.from_bytes(b"\x00" + FRAMED[1:])
    with pytest.raises(ValueError, match="not a command frame"):
        CommandFrame(0x03, bytes(256)).to_bytes()
    damaged = FRAMED[:-1] + bytes((FRAMED[-1] ^ 1,))
    assert cut(damaged + FRAMED, []) == [
        Rejected(BadBytes.CHECKSUM, damaged),
        CommandFrame(Code.RECEIVED, TELEGRAM[1:]),
    ]


@pytest.mark.parametrize("stray", [b"\xd5", b"\xfe", b"\xff", b"\xff\xff", b"\xff\x84", b"\x00\xff\x03"])
def test_strays_before_a_frame(stray: bytes) -> None:
    assert cut(stray + FRAMED, []) == [Rejected(BadBytes.NOISE, stray), CommandFrame(Code.RECEIVED, TELEGRAM[1:])]


def test_a_bare_telegram_needs_to_be_asked_for() -> None:
    assert cut(TELEGRAM, []) == [Rejected(BadBytes.NOISE, TELEGRAM)]
    assert cut(TELEGRAM + TELEGRAM, [], bare=True) == [BareTelegram(TELEGRAM[1:])] * 2
    mode = bytes.fromhex("FF8401007A")
    assert cut(TELEGRAM + mode + TELEGRAM, [], bare=True)[1] == CommandFrame(0x84, b"\x00")


@pytest.mark.parametrize("size", [255, 254, 10])
def test_the_longest_and_the_shortest_bare_telegram(size: int) -> None:
    telegram = bytes((size,)) + TELEGRAM[1:11] + bytes(size - 10)
    assert cut(telegram + TELEGRAM, [], bare=True) == [BareTelegram(telegram[1:]), BareTelegram(TELEGRAM[1:])]


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [FRAMED, FRAMED[:9], FRAMED[:-1] + b"\x00", TELEGRAM, bytes.fromhex("FF8401007A"), b"\xff\x03"]
        ),
    ),
    max_size=12,
)


@given(PIECES, st.lists(st.integers(0, 600), max_size=8), st.booleans())
@settings(deadline=None)
def test_any_bytes_in_any_pieces_say_the_same_and_never_raise(pieces: list[bytes], cuts: list[int], bare: bool) -> None:
    data = b"".join(pieces)
    whole = cut(data, [], bare=bare)
    assert cut(data, cuts, bare=bare) == whole == cut(data, list(range(len(data))), bare=bare)


@given(st.lists(st.binary(max_size=30).filter(lambda noise: b"\xff" not in noise), min_size=1, max_size=8))
@settings(deadline=None)
def test_good_frames_between_noise_are_found(noise: list[bytes]) -> None:
    found = cut(b"".join(one + FRAMED for one in noise), [])
    assert [event for event in found if isinstance(event, CommandFrame)] == [
        CommandFrame(Code.RECEIVED, TELEGRAM[1:])
    ] * len(noise)
    assert [event.raw for event in found if isinstance(event, Rejected)] == [one for one in noise if one]


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_a_frame_behind_any_noise_is_found_when_the_line_falls_silent(noise: bytes) -> None:
    # Noise may look like the head of a frame, or end in one that a good checksum closes: never with 300 bytes between.
    found = cut(noise + bytes(300) + FRAMED, [])
    assert found[-1] == CommandFrame(Code.RECEIVED, TELEGRAM[1:])


@given(st.binary(max_size=2000), st.booleans())
@settings(deadline=None)
def test_every_byte_is_told_of_once_and_few_are_held(data: bytes, bare: bool) -> None:
    stream = EnvelopeStream(FROM_MODULE)
    stream.bare = bare
    for byte in data:
        assert all(isinstance(event, CommandFrame | BareTelegram | Rejected) for event in stream.feed(bytes((byte,))))
        assert stream.pending <= 2 * MAX_FRAME


@given(st.binary(max_size=400))
def test_reading_one_frame_raises_nothing_else(data: bytes) -> None:
    for raw in (data, b"\xff" + data):
        try:
            frame = CommandFrame.from_bytes(raw)
        except ProtocolError:
            continue
        assert frame.to_bytes() == raw


def test_a_flood_of_heads_is_quick() -> None:
    rng = random.Random(8465)
    data = b"".join(b"\xff\x03" + bytes((rng.randrange(10, 256),)) for _ in range(4000))
    assert all(isinstance(event, Rejected | CommandFrame) for event in cut(data, []))


@pytest.mark.parametrize("stray", [b"\xd5", b"\xfe", b"\xd5\xfe\xd5"])
def test_a_stray_byte_that_looks_like_a_length_hides_no_telegrams_on_a_busy_line(stray: bytes) -> None:
    # 0x18, the length of the telegram behind it, is a C field as well.
    found = cut(stray + TELEGRAM * 12, [], bare=True)
    assert found == [Rejected(BadBytes.NOISE, stray), *[BareTelegram(TELEGRAM[1:])] * 12]
