"""What every receiver family of the registry must keep."""

from __future__ import annotations

import random

import pytest

from protocols.receivers.events import Failed
from protocols.receivers.registry import REGISTRY, receiver


@pytest.mark.parametrize("kind", REGISTRY)
def test_family_describes_itself(kind: str) -> None:
    family = receiver(kind)
    assert kind == family.NAME
    assert family.TITLE
    assert family.BAUD in {2400, 9600, 19200, 38400, 57600, 115200}
    assert all(0 < vendor < 0x10000 and 0 < product < 0x10000 for vendor, product in family.USB_IDS)
    assert family.MODES
    assert len(set(family.MODES)) == len(family.MODES)


@pytest.mark.parametrize("kind", REGISTRY)
def test_every_mode_opens_a_session_that_probes(kind: str) -> None:
    family = receiver(kind)
    for mode in family.MODES:
        assert family.host_session(mode).start()
    with pytest.raises(ValueError, match="known"):
        family.host_session("no such mode")


@pytest.mark.parametrize("kind", REGISTRY)
def test_noise_never_raises_and_silence_ends_in_a_hint(kind: str) -> None:
    family = receiver(kind)
    session = family.host_session(family.MODES[0])
    session.start()
    noise = random.Random(kind).randbytes(20_000)
    for start in range(0, len(noise), 333):
        session.receive(noise[start : start + 333])
    events = [event for step in range(600) for event in session.tick(step / 10)]
    assert isinstance(events[-1], Failed)
    assert events[-1].hint


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'im871a'"):
        receiver("im871")
    with pytest.raises(ValueError, match="known: "):
        receiver("zzz")
