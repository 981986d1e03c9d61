"""The meter payloads of the LoRaWAN corpus, scored as its own scorer does: every value that it wants is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from protocols.lorawan.meters import find_meter, named_meter
from protocols.lorawan.payload import PayloadState, decode_payload
from protocols.model import Key, KeyLookup, Value

SCORER_MISTAKES = {
    # The scorer takes the name `twater_min`, a lowest temperature in degrees, for a duration in minutes.
    ("quandify-cubicmeter-00", "twater_min 21.5 min"),
}


@pytest.fixture(scope="module")
def scorer(conformance_dir: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(conformance_dir))
    try:
        spec = util.spec_from_file_location("score_lora", conformance_dir / "score_lora.py")
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(conformance_dir))


@pytest.fixture(scope="module")
def cases(conformance_dir: Path) -> list[dict[str, Any]]:
    text = (conformance_dir / "lora.dev.jsonl").read_text(encoding="utf-8")
    return [case for case in map(json.loads, text.splitlines()) if case["kind"] == "payload"]


def filed(keys: tuple[Key, ...]) -> KeyLookup:
    return lambda _: keys


def json_value(value: Value) -> object:
    return float(value) if isinstance(value, Decimal) else value if isinstance(value, (int, str)) else str(value)


def test_every_wanted_value_is_read(cases: list[dict[str, Any]], scorer: ModuleType) -> None:
    missed: set[tuple[str, str]] = set()
    for case in cases:
        payload = bytes.fromhex(case["hex"])
        result = decode_payload(payload, 0, len(payload), case.get("fport"), find_meter(None, case["meter"]))
        readings = [
            {"name": r.name, "value": None if r.value is None else json_value(r.value), "unit": r.unit}
            for r in result.readings
        ]
        checks = scorer.check(case, {"ok": result.ok, "readings": readings})
        missed |= {(case["id"], what) for what, fits in checks if not fits}
    assert missed == SCORER_MISTAKES & missed


def test_what_its_maker_refuses_is_not_called_good(cases: list[dict[str, Any]]) -> None:
    refused = [case for case in cases if isinstance(case["expected"], dict) and case["expected"].get("errors")]
    assert len(refused) > 5
    wrong = []
    for case in refused:
        payload = bytes.fromhex(case["hex"])
        result = decode_payload(payload, 0, len(payload), case.get("fport"), find_meter(None, case["meter"]))
        measured = [r for r in result.readings if r.unit and isinstance(r.value, (int, Decimal))]
        if result.ok and measured:
            wrong.append(case["id"])
    assert wrong == []


def test_carried_messages_open_with_the_meter_key(cases: list[dict[str, Any]]) -> None:
    meter = named_meter("kamstrup-oms")
    opened = 0
    for case in cases:
        digits = (case.get("keys") or {}).get("DEK")
        plain = case["expected"].get("plain")
        if not digits or not plain or not case["hex"].startswith("72"):
            continue
        payload = bytes.fromhex(case["hex"])
        keys = (Key(bytes.fromhex(digits)),)
        result = decode_payload(payload, 0, len(payload), case["fport"], meter, keys=filed(keys))
        assert result.ok, result.problem
        assert bytes.fromhex(plain) in result.plain
        assert result.security is not None
        assert result.security.authenticated
        assert result.state.address == result.address
        opened += 1
    assert opened


def test_bridged_telegrams_come_together(cases: list[dict[str, Any]]) -> None:
    meter = named_meter("lobaro-wmbus")
    pieces = {case["id"]: case for case in cases if case["meter"] == "lobaro-wmbus"}
    first, second = pieces.get("lobaro-wmbus-02"), pieces.get("lobaro-wmbus-03")
    if first is None or second is None:
        pytest.skip("this corpus has no telegram in two parts")
    state = PayloadState()
    for case in (first, second):
        payload = bytes.fromhex(case["hex"])
        result = decode_payload(
            payload, 0, len(payload), case["fport"], meter, fcnt=case["expected"]["fcnt"], state=state
        )
        state = result.state
    assert result.telegrams[0].frame.data.hex() == second["expected"]["reassembled_telegram"]
