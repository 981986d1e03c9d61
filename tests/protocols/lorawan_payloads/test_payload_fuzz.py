"""Any bytes to every family, and every family's own payloads mutated: no exception, no bytes lost, bounded time.

FIELDTOOL_FUZZ_PAYLOADS says how many mutated payloads each family gets.
"""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.lorawan.meters import LoraMeter, shipped_meters
from protocols.lorawan.payload import PayloadState, decode_payload
from protocols.lorawan.suggest import suggest
from tests.protocols.lorawan.family_fuzz import AS_FRAME, LONGEST, check_family, check_result

METERS = shipped_meters().meters
LONGEST_S = 1.0
"""Processor time, far above what any payload takes."""

PAYLOADS = int(os.environ.get("FIELDTOOL_FUZZ_PAYLOADS", "100"))
SEED = int(os.environ.get("FIELDTOOL_FUZZ_SEED", "13757"))

ports = st.one_of(st.none(), st.integers(0, 255), st.sampled_from((1, 2, 3, 4, 11, 22, 100, 101, 102, 103, 125, 129)))


@pytest.mark.parametrize("meter", METERS.values(), ids=list(METERS))
@settings(max_examples=30)
@given(payload=st.binary(max_size=LONGEST), fport=ports, data=st.data())
def test_any_bytes(meter: LoraMeter, payload: bytes, fport: int | None, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(meter.tests))
    if data.draw(st.booleans()):
        # Bytes that begin as the meter's own come further than any others.
        cut = data.draw(st.integers(0, len(sample.payload)))
        payload = sample.payload[:cut] + payload[: LONGEST - cut]
        fport = sample.fport
    frame = b"\x40" + payload + b"MIC!"
    began = time.process_time()
    result = decode_payload(frame, 1, 1 + len(payload), fport, meter)
    assert time.process_time() - began < LONGEST_S
    check_result(result, frame, 1, 1 + len(payload))


@pytest.mark.parametrize("name", METERS)
def test_mutated_payloads(name: str) -> None:
    read = check_family(name, SEED, PAYLOADS)
    assert not read.broken
    assert (read.payloads, read.frames) == (PAYLOADS, PAYLOADS // AS_FRAME)
    assert read.slowest_s < LONGEST_S


@given(payload=st.binary(min_size=1, max_size=LONGEST), fport=ports)
def test_any_bytes_of_an_unknown_device(payload: bytes, fport: int | None) -> None:
    result = decode_payload(payload, 0, len(payload), fport, None)
    check_result(result, payload, 0, len(payload))
    assert len(suggest(payload, 0, len(payload), fport)) <= 5


@pytest.mark.parametrize("name", ["lobaro-wmbus", "acrios-mbus", "imst-wmbus-extender"])
@settings(max_examples=60)
@given(uplinks=st.lists(st.tuples(st.binary(max_size=60), ports), max_size=12))
def test_any_sequence_of_parts(name: str, uplinks: list[tuple[bytes, int | None]]) -> None:
    state = PayloadState()
    for fcnt, (payload, fport) in enumerate(uplinks):
        result = decode_payload(payload, 0, len(payload), fport, METERS[name], fcnt=fcnt, state=state)
        check_result(result, payload, 0, len(payload))
        state = result.state
