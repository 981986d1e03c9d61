"""How long is waited for a receiver that says nothing: longer than whatever would say more of it."""

from __future__ import annotations

import pytest

from fieldtool.doctor.asking import HANDSHAKE_S
from fieldtool.doctor.hearing import CONNECT_S
from fieldtool.sources import mqtt_link
from protocols.receivers.events import Failed
from protocols.receivers.registry import REGISTRY, receiver

STEP_S = 0.05


@pytest.mark.parametrize("kind", REGISTRY)
def test_a_silent_port_is_given_up_by_the_session_itself(kind: str) -> None:
    family = receiver(kind)
    session = family.host_session(family.DEFAULT_MODE)
    session.start()
    ticks = range(int(HANDSHAKE_S / STEP_S))
    assert any(isinstance(event, Failed) for tick in ticks for event in session.tick(tick * STEP_S))


def test_a_broker_may_take_all_its_time() -> None:
    assert max(HANDSHAKE_S, mqtt_link.CONNECT_S + mqtt_link.ANSWER_S) < CONNECT_S
