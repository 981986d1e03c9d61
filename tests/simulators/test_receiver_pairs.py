"""Host side and device side of every receiver family, joined: each mode is reached, and frames come through."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from protocols.receivers.events import Failed, Frame, HostEvent, Ready
from protocols.receivers.registry import REGISTRY, receiver
from protocols.wmbus.link import strip_crcs
from simulators.receivers.device import DEVICES, SCHEMES, STANDS_AT, Device, device
from simulators.receivers.im871a import FACTORY_INFO, Im871aStick
from simulators.scenario import Scenario
from tests.simulators.stick_session import WIRES, Wire, immediate, joined

MBUS = tuple(kind for kind in REGISTRY if "sf" not in receiver(kind).DEFAULT_MODE)
"""The receivers of wireless M-Bus; those of LoRaWAN stand in `test_lora_sticks`."""

WITH_STRENGTH = {"rc1180": "rc1180-framed"}
"""The other half that says how strongly a telegram was heard, where the one that leaves the works does not."""

MODES_OF_169_MHZ = ("n1", "n2")
"""Those of other parts of a family; the simulated ones are for 868 MHz."""


def run(
    kind: str, mode: str, peer: Device, wire: Wire, seconds: float, begins_s: float = 0.0
) -> tuple[list[HostEvent], list[bytes]]:
    """Join a host session and a device; return the host's events and the frames that were on the air in its mode."""
    session = receiver(kind).host_session(mode)
    events, on_air = joined(session, peer, seconds, wire=wire, begins_s=begins_s)
    return events, [one.frame for one in on_air if one.frame and one.transmission.mode.lower() in mode.split(",")]


def without_crcs(frame: Frame) -> bytes:
    """The frame as the meter built it; some receivers leave the CRCs in."""
    return frame.data if frame.frame_format is None else strip_crcs(frame.data, frame.frame_format).data


def test_every_receiver_has_its_other_half() -> None:
    serial = {SCHEMES.get(kind, kind) for kind in set(DEVICES) - set(STANDS_AT)}
    assert serial == set(REGISTRY), "what stands on a network has no serial codec"
    with pytest.raises(ValueError, match="did you mean 'im871a'"):
        device("im871")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", MBUS)
def test_handshake_and_frames_over_every_wire(kind: str, wire: str) -> None:
    events, on_air = run(kind, receiver(kind).DEFAULT_MODE, device(WITH_STRENGTH.get(kind, kind)), WIRES[wire], 15.0)
    ready = next(place for place, event in enumerate(events) if isinstance(event, Ready))
    frames = [event for event in events[ready:] if isinstance(event, Frame)]
    assert len(frames) > (20 if "," in receiver(kind).DEFAULT_MODE else 8)
    assert all(without_crcs(frame) in on_air for frame in frames)
    assert all(frame.rssi_dbm is not None and -100 <= frame.rssi_dbm <= -8 for frame in frames)
    assert len(on_air) - len(frames) < 10


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in MBUS for mode in receiver(kind).MODES if mode not in MODES_OF_169_MHZ],
)
def test_every_mode_is_reached(kind: str, mode: str) -> None:
    events, _ = run(kind, mode, device(kind), immediate, 2.0)
    assert [type(event) for event in events if isinstance(event, Ready | Failed)] == [Ready]


@pytest.mark.parametrize("kind", MBUS)
def test_mode_decides_which_meters_are_heard(kind: str) -> None:
    modes = {meter.address.to_wire(): meter.mode for meter in Scenario.load().meters}
    modes |= {meter.sender.to_wire(): meter.mode for meter in Scenario.load().meters}
    for mode in ("c1", "t1"):
        events, _ = run(kind, mode, device(kind), immediate, 15.0)
        heard = {modes[event.data[2:10]] for event in events if isinstance(event, Frame)}
        assert heard == {mode.upper()}


@pytest.mark.parametrize("seed", range(20))
def test_twenty_starts_with_a_lossy_wire(seed: int) -> None:
    rng = random.Random(seed)
    events, _ = run("im871a", "c1,t1", device("im871a", seed), lambda data: [data] if rng.random() > 0.2 else [], 8.0)
    ends = [type(event) for event in events if isinstance(event, Ready | Failed)]
    # Three attempts at four requests, each lost with 36 %: most starts succeed, none hangs.
    assert ends in ([Ready], [Failed])


def test_telegrams_during_the_probe_do_not_disturb_the_host() -> None:
    stick = Im871aStick(hold_off_s=0.0, settle_s=0.0)
    first, _ = run("im871a", "c1,t1", stick, immediate, 3.0)
    assert any(isinstance(event, Ready) for event in first)
    events, _ = run("im871a", "c1,t1", stick, immediate, 10.0, begins_s=3.0)
    assert any(isinstance(event, Ready) for event in events)
    assert any(isinstance(event, Frame) for event in events)


def test_old_firmware_fails_with_a_hint() -> None:
    stick = Im871aStick(info=replace(FACTORY_INFO, firmware=0x13))
    events, _ = run("im871a", "c1,t1", stick, immediate, 2.0)
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert "firmware 1.3" in failed.reason
