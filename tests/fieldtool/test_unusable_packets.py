"""What a receiver hands over and no frame can be made of is counted, and the sums say so."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fieldtool.cli.listen import sum_up
from fieldtool.pipeline.listening import Listening
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.gateway import GatewaySource
from fieldtool.tui.session import Session
from protocols.learned import LearnedDecoder
from protocols.receivers.gwmp import Kind
from protocols.receivers.gwmp.datagram import Datagram
from tests.fieldtool.tui.tui_scenes import run_app, screen_text, session_of, some_meters

PATIENCE_S = 10.0
EUI = "0004a30b001c0530"
FRAME = "QAEAAAAAAAAC1fBmYg=="
UNUSABLE = ({"stat": -1, "data": FRAME}, {"data": "no Base64!"}, "no object", {"size": 3, "data": FRAME})


def push(body: bytes) -> bytes:
    return Datagram(Kind.PUSH_DATA, b"\1\2", EUI, body).to_bytes()


def test_damaged_packets_of_a_gateway_are_in_the_sums(capsys: pytest.CaptureFixture[str]) -> None:
    source = GatewaySource("127.0.0.1", 0, lambda: datetime.now(UTC))
    listening = Listening([source], LearnedDecoder())
    listening.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway:
        for one in (
            push(json.dumps({"rxpk": [{"stat": 1, "data": FRAME}, *UNUSABLE]}).encode()),
            push(b"{no JSON"),
            b"hello",
        ):
            gateway.sendto(one, ("127.0.0.1", source.bound_port))
        deadline = time.monotonic() + PATIENCE_S
        while listening.reception.counters.unusable < len(UNUSABLE) + 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    listening.stop()
    counters = listening.reception.counters
    assert (counters.received, counters.unusable, counters.damaged) == (1, len(UNUSABLE) + 2, 0)
    sum_up(listening)
    said = capsys.readouterr().err
    assert said.startswith("1 telegram of 1 meter: ")
    assert said.endswith("; 6 packets could not be used (--verbose says why)\n")


def test_the_sums_say_nothing_where_all_was_usable(capsys: pytest.CaptureFixture[str]) -> None:
    sum_up(Listening([], LearnedDecoder()))
    assert "could not" not in capsys.readouterr().err


@pytest.mark.parametrize(("dropped", "unusable"), [(0, 12), (3, 12), (3, 0), (0, 0)])
def test_the_status_bar_tells_losses(dropped: int, unusable: int) -> None:
    reception = Reception()
    for one in some_meters():
        reception.accept(one)
    reception.add_lost(dropped, unusable)
    session: Session = replace(session_of([]), reception=reception)
    shown: list[str] = []

    async def look(app: object, pilot: object) -> None:
        shown.append(screen_text(app))  # type: ignore[arg-type]

    run_app(session, look, (100, 24))
    assert ("unusable 12" in shown[0]) is (unusable > 0)
    assert (f"dropped {dropped}" in shown[0]) is (dropped > 0)
