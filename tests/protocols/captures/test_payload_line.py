"""Payloads of network servers survive a capture: whose they are, when and how they were received."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocols.captures.hex_lines import format_line
from protocols.captures.lines import parse_lines
from protocols.captures.model import CaptureEntry
from protocols.captures.paste import recognise
from protocols.lorawan.facts import LoraReception
from protocols.model import Link, RawFrame

AT = datetime(2026, 11, 20, 8, 0, 1, 250_000, tzinfo=UTC)
FULL = RawFrame(
    bytes.fromhex("CBF9FF6A0030396104"),
    AT,
    "",
    "SF7",
    -91,
    Link.LORAWAN_PAYLOAD,
    LoraReception(5, None, 868_100_000, 7, 125_000, 4.5, "8c83fc05007e1a2b", "261db104", 100, 65_531, "axioma-w1"),
)


@pytest.mark.parametrize(
    "frame",
    [
        FULL,
        replace(FULL, lora=LoraReception(dev_eui="8c83fc05007e1a2b", fport=0, fcnt=0), mode=None, rssi_dbm=None),
        replace(FULL, lora=LoraReception(dev_addr="261db104", fport=1, fcnt=7), mode=None, at=None),
        replace(FULL, lora=LoraReception(fport=1, fcnt=7), mode=None),
    ],
    ids=["all is known", "little is known", "address and no time", "no identity"],
)
def test_what_is_recorded_is_read_back(frame: RawFrame) -> None:
    line = format_line(frame)
    assert "\n" not in line
    assert line.isascii()
    (entry,) = parse_lines([line])
    assert isinstance(entry, CaptureEntry)
    assert entry.frame == frame


def test_an_uplink_of_the_things_stack_is_recorded() -> None:
    uplink = {"f_port": 1, "f_cnt": 3, "frm_payload": "AAEC", "received_at": "2026-11-20T08:00:01.25Z"}
    event = {"end_device_ids": {"dev_eui": "8C83FC05007E1A2B"}, "uplink_message": uplink}
    frame = recognise(json.dumps(event)).frame
    (entry,) = parse_lines([format_line(frame)])
    assert isinstance(entry, CaptureEntry)
    assert entry.frame == frame
