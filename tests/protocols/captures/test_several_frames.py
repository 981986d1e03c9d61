"""Lines and texts that hold several frames: packets that a gateway handed over together, arrays of uplinks."""

from __future__ import annotations

import base64
import json

import pytest

from protocols.captures.lines import parse_lines
from protocols.captures.model import BadLine, CaptureEntry, NotRecognised, SeveralFrames
from protocols.captures.paste import recognise, recognise_all
from protocols.lorawan.facts import LoraReception

FRAMES = [
    bytes.fromhex("40F17DBE4900020001954378762B11FF0D"),
    bytes.fromhex("40F17DBE4900030001954378762B11FF0E"),
    bytes.fromhex("40F17DBE4900040001954378762B11FF0F"),
]


def packet(data: bytes, **members: object) -> dict[str, object]:
    radio = {"freq": 868.5, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "rssi": -57}
    return radio | {"data": base64.b64encode(data).decode()} | members


def push(*packets: dict[str, object]) -> str:
    return json.dumps({"rxpk": packets, "stat": {"rxnb": len(packets)}})


GOOD = [packet(data) for data in FRAMES]
BAD = packet(FRAMES[0], stat=-1)
UPLINK = '{"deviceInfo":{"devEui":"0004a30b001a2b3c"},"fCnt":1,"data":"AQ=="}'


@pytest.mark.parametrize("before", ["", "JSON up: "])
def test_all_packets_of_a_line_have_its_number(before: str) -> None:
    lines = [push(GOOD[0]), before + push(*GOOD), "", push(GOOD[2])]
    items = [item for item in parse_lines(lines, "gw") if isinstance(item, CaptureEntry)]
    assert [item.line for item in items] == [1, 2, 2, 2, 4]
    assert [item.frame.data for item in items] == [FRAMES[0], *FRAMES, FRAMES[2]]
    assert {item.frame.source for item in items} == {"gw"}
    assert {(item.frame.rssi_dbm, item.frame.mode, item.kind) for item in items} == {
        (-57, "SF7", "packet forwarder JSON")
    }


def test_packets_that_came_damaged_are_left_out_beside_good_ones() -> None:
    (entry,) = parse_lines([push(BAD, GOOD[1])])
    assert isinstance(entry, CaptureEntry)
    first, second = parse_lines([push(GOOD[0], BAD, GOOD[1])])
    assert isinstance(first, CaptureEntry)
    assert isinstance(second, CaptureEntry)
    assert [first.frame.data, second.frame.data] == FRAMES[:2]
    (bad,) = parse_lines([push(BAD, BAD)])
    assert isinstance(bad, BadLine)
    assert [pasted.notes for pasted in recognise_all(push(GOOD[0], BAD, GOOD[1]))] == [("1 packet left out",), ()]
    assert recognise(push(BAD, GOOD[1], BAD)).notes == ("2 packets left out",)


def test_an_array_holds_what_its_objects_hold() -> None:
    text = f"[{UPLINK}, {push(*GOOD)}, {{}}]"
    for written in (text, json.dumps(json.loads(text), indent=2)):
        one, *others = recognise_all(written)
        assert (one.kind, one.frame.data) == ("ChirpStack uplink", b"\1")
        assert one.notes == ("1 object left out: JSON of no known origin",)
        assert [pasted.frame.data for pasted in others] == FRAMES
    items = list(parse_lines([text]))
    assert [type(item) for item in items] == [*[CaptureEntry] * 4, BadLine]
    assert recognise(f"[{UPLINK}]") == recognise(UPLINK)


def test_who_asks_for_one_frame_is_told_that_there_are_more() -> None:
    with pytest.raises(SeveralFrames, match="3 good packets") as raised:
        recognise(push(*GOOD))
    assert [recognise(text).frame.data for text in raised.value.texts] == FRAMES
    # Among other lines too, as in an excerpt of a log.
    assert len(recognise_all(f"INFO: up\nJSON up: {push(*GOOD)}\nINFO: down")) == 3
    with pytest.raises(NotRecognised, match="4 telegrams in 2 lines"):
        recognise(f"JSON up: {push(*GOOD)}\nJSON up: {push(GOOD[0])}")


def test_a_frequency_that_nobody_told_is_not_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A range would be gone through from end to end, for each frame anew."""

    class Whole:
        def __contains__(self, value: object) -> bool:
            assert isinstance(value, int)
            return True

    monkeypatch.setattr("protocols.receivers.lora_radio.EU868_HZ", Whole())
    assert recognise(UPLINK).frame.lora == LoraReception(dev_eui="0004a30b001a2b3c", fport=0, fcnt=1)
    assert len(recognise_all(push(packet(FRAMES[0], freq=None, modu="FSK")))) == 1


def test_an_array_of_nothing_known_is_refused_for_what_its_first_object_is() -> None:
    with pytest.raises(NotRecognised, match="no known origin"):
        recognise_all("[{}, {}]")
    for text in ("[]", "[1]", "[", "[" * 20_000, '[{"a":' * 8_000):
        with pytest.raises(NotRecognised):
            recognise_all(text)
