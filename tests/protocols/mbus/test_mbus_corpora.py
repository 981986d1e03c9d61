"""Corpora beside the project: published vectors, and wired frames with the values that libmbus gives them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from protocols.errors import ProtocolError
from protocols.mbus.compact import expand_compact, full_frame_bytes, shipped_formats
from protocols.mbus.fixed import FIXED_LENGTH, parse_fixed
from protocols.mbus.header import interpret
from protocols.mbus.records import ParsedRecords, parse_records, transmitted
from protocols.mbus.spans import application_spans
from protocols.mbus.tables import Form
from protocols.mbus.wired import LongFrame, parse_wired
from protocols.model import Quality, Record

Case = dict[str, Any]

COMPACT_CI = {"73", "79", "7B"}
LONG_HEADER = 12
RESPONSE_CI = 0x72
FIXED_CI = 0x73

UNITS: dict[str, tuple[str, Decimal]] = {
    "wh": ("kWh", Decimal("1e-3")),
    "kwh": ("kWh", Decimal(1)),
    "j": ("MJ", Decimal("1e-6")),
    "w": ("kW", Decimal("1e-3")),
    "m3": ("m3", Decimal(1)),
    "l": ("m3", Decimal("1e-3")),
    "m3h": ("m3/h", Decimal(1)),
}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}

DEPARTURES: dict[tuple[str, str], str] = {
    ("wired-SEN_Pollustat", "04BE50"): "VIFE 50 makes it a duration of limit exceed in s; the corpus reads a flow",
    ("wired-SEN_Pollustat", "04BE58"): "VIFE 58 makes it a duration of limit exceed in s; the corpus reads a flow",
    ("wired-landis+gyr_ultraheat_t230", "848F0F6D"): "year 127 is every year, not 2027",
    ("wired-minol_minocal_wr3", "8140FD09"): "the device type is given by name",
    ("wired-minol_minocal_wr3", "818040FD09"): "the device type is given by name",
    ("wired-jmbus-ABB_A41_Msg3", "8140FD9B15"): "record error: no data available",
    ("wired-jmbus-ABB_A41_Msg3", "818040FD9B15"): "record error: no data available",
    ("wired-jmbus-ABB_A41_Msg3", "C140FD9B15"): "record error: no data available",
    ("wired-jmbus-ABB_A41_Msg3", "C18040FD9B15"): "record error: no data available",
    ("wired-jmbus-ABB_A41_Msg3", "81C040FD9A15"): "record error: no data available",
    ("wired-jmbus-ABB_A41_Msg3", "81808040FD9A15"): "record error: no data available",
}
"""Values of the corpus that the standard gives otherwise: case, record, reason."""

REFUSED_FRAMES = {"wired-err-invalid_length", "wired-err-pymb-manual_frame1", "mbp-054-cs-error"}
STOPPED_RECORDS = {
    "wired-err-premature_end_of_dif1",
    "wired-err-premature_end_of_vif1",
    "wired-err-too_many_dife",
    "wired-err-too_many_vife",
}


@pytest.fixture(scope="module")
def vectors(conformance_dir: Path) -> list[Case]:
    found: list[Case] = json.loads((conformance_dir / "oms-vectors.json").read_text(encoding="utf-8"))
    return [vector for vector in found if vector["verified"] and vector["published"]]


@pytest.fixture(scope="module")
def wired(conformance_dir: Path) -> list[Case]:
    lines = (conformance_dir / "mbus-wired.dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def application_of(vector: Case) -> tuple[str, bytes] | None:
    """Return CI field and plain application bytes of a vector, None where it gives none."""
    expected = vector["expected"]
    if vector["link"].startswith("apl"):
        return (vector["hex"][:2], bytes.fromhex(vector["hex"])[1:]) if "records" in expected else None
    if "plaintext_apl" not in expected or "records" not in expected:
        return None
    return expected["ci"], bytes.fromhex(expected["plaintext_apl"])


def decoded(ci: str, data: bytes) -> ParsedRecords:
    if ci in COMPACT_CI:
        start = 2 if data.startswith(b"\x2f\x2f") else 0
        return expand_compact(data, start, len(data), shipped_formats())
    return parse_records(data, 0, len(data))


def content_of(record: Record) -> bytes:
    """Return the data without the LVAR byte."""
    return record.data[1:] if interpret(record.header).field.form is Form.VARIABLE else record.data


def test_published_vectors(vectors: list[Case]) -> None:
    checked = 0
    for vector in vectors:
        application = application_of(vector)
        if application is None:
            continue
        parsed = decoded(*application)
        assert parsed.problem is None, vector["name"]
        wanted = [row for row in vector["expected"]["records"] if not row[0].startswith("MFCT")]
        own = transmitted(parsed.records)
        assert [(r.source, content_of(r).hex()) for r in own] == [(row[0].upper(), row[2].lower()) for row in wanted]
        if "expanded" in vector["expected"]:
            assert full_frame_bytes(own).hex().upper() == vector["expected"]["expanded"].upper(), vector["name"]
        for record, (_, value, _) in zip(own, wanted, strict=True):
            if record.quality is Quality.GOOD and isinstance(value, (int, float)):
                assert unscaled(record) == pytest.approx(value, rel=1e-6), (vector["name"], record.source)
                checked += 1
            elif record.quality is Quality.GOOD and isinstance(record.value, date):
                assert str(record.value).startswith(value)
                checked += 1
    assert checked > 300


def unscaled(record: Record) -> float:
    """Return the number as transmitted."""
    header = interpret(record.header)
    if isinstance(record.value, Decimal):
        return float(record.value.scaleb(-header.exponent))
    if isinstance(record.value, str):
        return float(record.value)
    assert isinstance(record.value, int)
    if record.quantity == "digital_input":
        # A bit field; the vectors read every integer as signed.
        return int.from_bytes(record.data, "little", signed=True)
    return record.value


def test_compact_vectors_have_the_right_crc(vectors: list[Case]) -> None:
    checked = 0
    for vector in vectors:
        application = application_of(vector)
        if application is not None and application[0] in COMPACT_CI:
            start = 2 if application[1].startswith(b"\x2f\x2f") else 0
            frame = expand_compact(application[1], start, len(application[1]), shipped_formats())
            assert frame.crc_matches, vector["name"]
            checked += 1
    assert checked >= 7


def wired_records(case: Case) -> tuple[Record, ...]:
    frame = parse_wired(bytes.fromhex(case["hex"]))
    assert isinstance(frame, LongFrame)
    if frame.ci == FIXED_CI and len(frame.data) == FIXED_LENGTH:
        return parse_fixed(frame.data, 0, FIXED_LENGTH).records
    parsed = parse_records(frame.data, LONG_HEADER if frame.ci == RESPONSE_CI else 0, len(frame.data))
    assert parsed.problem is None, case["id"]
    return parsed.records


def matches(record: Record, field: Case, decimals: int) -> bool:
    value, expected = record.value, field["value"]
    if field["kind"] in ("date", "datetime"):
        return isinstance(value, date) and str(value)[:16] == str(expected).replace("T", " ")[: len(str(value)[:16])]
    if field["kind"] == "text":
        return str(value).replace(" ", "").lower() == str(expected).replace(" ", "").lower()
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return False
    unit, factor = UNITS.get(field["unit"], (record.unit, Decimal(1)))
    if field["unit"] in ("s", "second") and record.unit in SECONDS:
        number *= SECONDS[record.unit]
    return record.unit == unit and float(number) == pytest.approx(
        float(expected) * float(factor), rel=1e-6, abs=0.51 * 10**-decimals
    )


def test_wired_values(wired: list[Case]) -> None:
    checked = 0
    wrong = set()
    for case in wired:
        if case["class"] == "error":
            continue
        records = wired_records(case)
        for field in case["expected"]["fields"]:
            if not field["scored"]:
                continue
            checked += 1
            source = (field.get("rec") or {}).get("difvif", "")
            decimals = field.get("decimals", case.get("decimals", 6))
            candidates = [record for record in records if source in ("", record.source)]
            if not any(matches(record, field, decimals) for record in candidates):
                wrong.add((case["id"], source))
    assert wrong == set(DEPARTURES)
    assert checked > 700


def test_wired_frames_that_must_be_refused(wired: list[Case]) -> None:
    seen = set()
    for case in wired:
        if case["id"] in REFUSED_FRAMES:
            with pytest.raises(ProtocolError):
                parse_wired(bytes.fromhex(case["hex"]))
            seen.add(case["id"])
        if case["id"] in STOPPED_RECORDS:
            frame = parse_wired(bytes.fromhex(case["hex"]))
            assert isinstance(frame, LongFrame)
            assert parse_records(frame.data, LONG_HEADER, len(frame.data)).problem is not None
            seen.add(case["id"])
    assert seen == REFUSED_FRAMES | STOPPED_RECORDS


def test_wired_frames_are_explained_to_the_last_byte(wired: list[Case]) -> None:
    for case in wired:
        if case["class"] == "error":
            continue
        frame = parse_wired(bytes.fromhex(case["hex"]))
        assert isinstance(frame, LongFrame)
        data = frame.data
        parsed = parse_records(data, 0, len(data))
        position = 0
        for leaf in application_spans(parsed.records, 0, len(data), data, parsed.tail):
            assert leaf.start == position < leaf.end
            position = leaf.end
        assert position == len(data)
