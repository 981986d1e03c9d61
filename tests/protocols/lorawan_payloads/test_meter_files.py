"""Every meter file is well formed, says what it reads, and decodes its own tests."""

from __future__ import annotations

import pytest

from protocols.lorawan.meters import Confidence, find_meter, meter_ids, named_meter, shipped_meters
from protocols.lorawan.meters.model import DECODED, LoraMeter, MeterTest
from protocols.lorawan.meters.schema import parse_meter
from protocols.lorawan.payload import PayloadResult, decode_payload
from protocols.lorawan.payloads import PAYLOADS
from protocols.model import Quality
from protocols.profiles.errors import ProfileError
from protocols.profiles.registry import shipped_profiles

METERS = shipped_meters().meters
TESTS = [(meter, test) for meter in METERS.values() for test in meter.tests]

MINIMAL = """schema = 1
id = "made-up"
title = "Made up"
vendor = "Nobody"
media = ["water"]
confidence = "low"
encoding = "records"
decoder = "mbus_records"
"""


def decoded(meter: LoraMeter, test: MeterTest) -> PayloadResult:
    return decode_payload(test.payload, 0, len(test.payload), test.fport, meter, received_at=test.received_at)


@pytest.mark.parametrize(
    ("meter", "test"), TESTS, ids=[f"{m.id}-{m.tests.index(t)}" for m, t in TESTS]
)  # fmt: skip
def test_a_meter_decodes_its_own_payloads(meter: LoraMeter, test: MeterTest) -> None:
    result = decoded(meter, test)
    found = {"outcome": str(result.outcome), "status": " ".join(result.flags), "meter": str(result.address)}
    for reading in result.readings:
        found.setdefault(reading.name, f"{reading.value} {reading.unit}".strip())
    assert {name: found.get(name) for name in test.expect} == dict(test.expect)


@pytest.mark.parametrize(
    ("meter", "test"), TESTS, ids=[f"{m.id}-{m.tests.index(t)}" for m, t in TESTS]
)  # fmt: skip
def test_spans_tile_the_payload(meter: LoraMeter, test: MeterTest) -> None:
    frame = b"\xaa\xbb" + test.payload + b"\xcc"
    result = decode_payload(frame, 2, 2 + len(test.payload), test.fport, meter, received_at=test.received_at)
    position = 2
    for span in (span for layer in result.layers for span in layer.spans(result.plain)):
        assert span.start == position, span
        position = span.end
    assert position == 2 + len(test.payload)
    assert all(2 <= record.start <= record.end <= 2 + len(test.payload) for record in result.records)
    assert [record.index for record in result.records] == list(range(len(result.records)))


@pytest.mark.parametrize("meter", METERS.values(), ids=list(METERS))
def test_a_meter_file_is_complete(meter: LoraMeter) -> None:
    assert meter.tests, "at least one test"
    assert meter.media
    assert any("outcome" in test.expect for test in meter.tests)
    assert (meter.decoder is not None) == (meter.encoding in DECODED)
    assert meter.profile is None or meter.profile in shipped_profiles().profiles


def test_every_decoder_is_used_and_there() -> None:
    used = {meter.decoder for meter in METERS.values()} - {None}
    assert used == set(PAYLOADS)


def test_meters_are_found_by_id_and_by_dev_eui() -> None:
    assert find_meter(None, "axioma-w1") is named_meter("Axioma_W1")
    assert find_meter(None, "no-such-meter") is None
    elvaco = find_meter("94-19-3A-00-00-01-02-03", None)
    assert elvaco is not None
    assert elvaco.id == "elvaco-cmi41xx"
    # One maker's DevEUIs that stand for several meters do not say which.
    assert find_meter("24e124a000000001", None) is None
    assert len(shipped_meters().by_dev_eui("24e124a000000001")) > 1
    assert find_meter("0011223344556677", None) is None
    filed = find_meter("94193a0000010203", "elvaco-cmi4130")
    assert filed is not None
    assert filed.id == "elvaco-cmi4130"


def test_all_that_is_known_well_is_shipped() -> None:
    assert sum(meter.confidence is not Confidence.LOW for meter in METERS.values()) >= 74
    assert set(meter_ids()) == set(METERS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('colour = "red"', "unknown key 'colour'"),
        ('[fports]\n"300" = "readings"', "is not a port"),
        ('dev_eui = ["xyz"]', "not the beginning of a DevEUI"),
        ('never = ["everything"]', "not known"),
        ("[[signature]]\noffset = 3", "needs 'bytes' or 'sizes'"),
        ('[[signature]]\nbytes = "0G"', "must be hex digits"),
        ('[[reading]]\nname = "a"', "either 'header' or 'quantity'"),
        ('[[reading]]\nname = "a_{n}"\nquantity = "volume"', "go together"),
        ('[[reading]]\nname = "a_{n}"\nquantity = "volume"\nstorage = "9..2"', "is not a range"),
        ('[[status]]\nquantity = "error_flags"\nbits = { x = "leak" }', "not a number"),
        ('[[test]]\nsource = "x"\npayload = "00"\nreceived_at = "today"', "a time with its zone"),
        ('[[test]]\nsource = "x"', "needs one payload"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_named(change: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        parse_meter(MINIMAL + change, "made-up.toml")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"records"', '"smoke"', "encoding 'smoke' is not known"),
        ('decoder = "mbus_records"\n', "", "a decoder goes with"),
        ('"mbus_records"', '"mbus_record"', "did you mean 'mbus_records'"),
        ('id = "made-up"', 'id = "other"', "name file and id alike"),
        ("schema = 1", "schema = 9", "schema is 9"),
        ('title = "Made up"', "title = 5", "must be text"),
        ('media = ["water"]', "media = [1]", "must be text or a list"),
        ("schema = 1", "schema = ", "not valid TOML"),
    ],
)  # fmt: skip
def test_wrong_entries_are_named(old: str, new: str, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        parse_meter(MINIMAL.replace(old, new), "made-up.toml")


def test_a_suspect_payload_keeps_its_values_and_marks_them() -> None:
    meter = METERS["vutility-hotdrop"]
    payload = bytes((0x31,)) + bytes(10)
    result = decode_payload(payload, 0, len(payload), 3, meter)
    assert not result.ok
    assert {reading.quality for reading in result.readings} == {Quality.INVALID}
    assert result.next is not None
