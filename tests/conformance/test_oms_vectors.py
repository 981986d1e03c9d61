"""Every vector of `oms-vectors.json`: link layer, headers, keys, MAC, plain text and records as published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from protocols.application import Application
from protocols.crypto import kdf_a
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import expand_compact, format_signature, full_frame_bytes, shipped_formats
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.header import interpret
from protocols.mbus.records import parse_records
from protocols.model import Address, Key, Outcome, RawFrame, Record, Telegram
from protocols.wmbus import three_of_six
from protocols.wmbus.afl import AuthenticationLayer
from protocols.wmbus.ell import ExtendedLinkLayer
from protocols.wmbus.link import LinkLayer
from protocols.wmbus.transport import TransportLayer

Vector = dict[str, Any]

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("Gas meter via radio adapter", "plaintext_apl"): "its MAC does not fit: what does not verify is not shown",
    ("Gas meter via radio adapter", "decrypt_2f2f"): "its MAC does not fit: what does not verify is not shown",
    ("Gas meter via radio adapter", "records"): "its MAC does not fit: what does not verify is not shown",
    ("Kamstrup heat", "ell_sn"): "the bits say encrypted; the vector says 0 because the payload was decrypted before",
}
"""What a vector says and is believed wrong in, or cannot be compared: (beginning of its name, what) to the reason."""


@pytest.fixture(scope="module")
def vectors(conformance_dir: Path) -> list[Vector]:
    found: list[Vector] = json.loads((conformance_dir / "oms-vectors.json").read_text(encoding="utf-8"))
    return found


def telegram_of(vector: Vector) -> Telegram:
    key = vector.get("key")
    keys: Sequence[Key] = (Key(bytes.fromhex(key)),) if key else ()
    pieces = [bytes.fromhex(piece) for piece in vector["hex"].split()]
    decoder = LearnedDecoder(lambda _: keys)
    for piece in pieces[:-1]:
        decoder.decode(piece)
    return decoder.decode(RawFrame(pieces[-1]))


def layer_of(telegram: Telegram, kind: type[Any]) -> Any:  # noqa: ANN401 - a layer of that kind
    return next((layer for layer in telegram.layers if isinstance(layer, kind)), None)


def link_facts(telegram: Telegram) -> dict[str, object]:
    link = layer_of(telegram, LinkLayer)
    if link is None:
        return {}
    address: Address = link.address
    return {
        "C": f"{link.control:02X}",
        "dll_manufacturer": address.manufacturer,
        "dll_id": address.number,
        "dll_version": f"{address.version:02X}",
        "dll_type": f"{address.medium_code:02X}",
        "stripped": telegram.data.hex().upper(),
    }


def extended_link_facts(telegram: Telegram) -> dict[str, object]:
    ell = layer_of(telegram, ExtendedLinkLayer)
    if ell is None:
        return {}
    number = {"session": ell.session, "time": ell.session_time, "enc": ell.encryption}
    return {
        "ell_ci": f"0x{ell.ci:02x}",
        "ell_cc": f"{ell.cc:02X}",
        "ell_acc": f"{ell.acc:02X}",
        "ell_sn": number,
        "ell_payload_crc_ok": not any("payload CRC" in note for note in telegram.notes),
    }


def transport_facts(telegram: Telegram) -> dict[str, object]:
    transport = layer_of(telegram, TransportLayer)
    if transport is None:
        return {}
    facts: dict[str, object] = {"ci": f"{transport.ci:02X}", "security_mode": transport.security_mode}
    if transport.address is not None:
        facts |= {
            "tpl_id": transport.address.number,
            "tpl_manufacturer": transport.address.manufacturer,
            "tpl_version": f"{transport.address.version:02X}",
            "tpl_type": f"{transport.address.medium_code:02X}",
        }
    if transport.access_number is not None:
        facts |= {"tpl_acc": f"{transport.access_number:02X}", "tpl_status": f"{transport.status:02X}"}
    if transport.configuration is not None:
        facts["tpl_cf"] = f"{transport.configuration:04X}"
    if transport.extension:
        facts["tpl_cfe"] = transport.extension.hex().upper()
    application = layer_of(telegram, Application)
    plain = b"" if application is None else telegram.plain[transport.end : application.end]
    facts["plaintext_apl"] = plain.hex().upper()
    facts["decrypt_2f2f"] = plain.startswith(b"\x2f\x2f")
    return facts


def authentication_facts(telegram: Telegram) -> dict[str, object]:
    afl = layer_of(telegram, AuthenticationLayer)
    if afl is None or telegram.security is None:
        return {}
    words = {
        "FCL": f"{afl.fragmentation_control:04X}",
        "MCL": f"{afl.mcl or 0:02X}",
        "MCR": (afl.counter or b"").hex().upper(),
        "MAC": (afl.mac or b"").hex().upper(),
    }
    return {"afl": words, "afl_mac_ok": telegram.security.authenticated}


def record_facts(telegram: Telegram) -> dict[str, object]:
    return {"records": [raw_record(record) for record in telegram.records if record.expanded_from is None]}


def raw_record(record: Record) -> tuple[str, str]:
    """Header and data, without the length byte of data of variable length."""
    data = record.data
    if record.header and interpret(record.header).data_length is None:
        data = data[1:]
    return record.source, data.hex()


READERS: tuple[Callable[[Telegram], dict[str, object]], ...] = (
    link_facts,
    extended_link_facts,
    transport_facts,
    authentication_facts,
    record_facts,
)


def departures(vector: Vector) -> Iterator[tuple[str, object, object]]:
    """What a vector expects, that is compared here and comes out differently."""
    telegram, expected = telegram_of(vector), dict(vector["expected"])
    if "records" in expected:
        expected["records"] = [
            (header.upper(), *data[-1:]) for header, *data in expected["records"] if not header.startswith("MFCT")
        ]
    for read in READERS:
        for what, found in read(telegram).items():
            if what in expected and same(found) != same(expected[what]):
                yield what, found, expected[what]


def same(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def test_frames(vectors: list[Vector]) -> None:
    compared, wrong, used = 0, [], set()
    for vector in vectors:
        if vector["link"].startswith(("wmbus", "wired")):
            compared += 1
            for what, found, wanted in departures(vector):
                name = vector["name"]
                exception = next((key for key in EXCEPTIONS if name.startswith(key[0]) and key[1] == what), None)
                used.add(exception)
                if exception is None:
                    wrong.append((vector["name"], what, found, wanted))
    assert compared == 77
    assert wrong == []
    assert used == set(EXCEPTIONS)


def test_what_must_be_refused(vectors: list[Vector]) -> None:
    refused = [vector for vector in vectors if vector["expected"].get("afl_mac_ok") is False]
    assert refused
    for vector in refused:
        telegram = telegram_of(vector)
        assert telegram.outcome is Outcome.DAMAGED
        assert telegram.problem is not None
        assert "MAC does not fit" in telegram.problem
        assert telegram.readings == ()


def test_application_errors(vectors: list[Vector]) -> None:
    names = {"08": "application busy", "00": "unspecified error", None: "unspecified error"}
    for vector in vectors:
        if "error_code" in vector["expected"]:
            assert names[vector["expected"]["error_code"]] in telegram_of(vector).notes[0]


def test_keys_of_messages(vectors: list[Vector]) -> None:
    checked = 0
    for vector in vectors:
        expected, key = vector["expected"], bytes.fromhex(vector.get("key") or "")
        if "Kenc" in expected:
            data = bytes.fromhex(vector["hex"])
            assert kdf_a(key, 0, data[:4], data[4:]).hex().upper() == expected["Kenc"]
            assert kdf_a(key, 1, data[:4], data[4:]).hex().upper() == expected["Kmac"]
            checked += 1
        elif "kenc" in expected:
            telegram = telegram_of(vector)
            assert telegram.meter is not None
            assert telegram.security is not None
            counter = (telegram.security.message_counter or 0).to_bytes(4, "little")
            derived = [kdf_a(key, use, counter, telegram.meter.number_wire).hex() for use in (0, 1)]
            assert derived[0] == expected["kenc"].lower()
            assert derived[1] == expected.get("kmac", derived[1])
            checked += 1
    assert checked == 5


def test_fragments(vectors: list[Vector]) -> None:
    (vector,) = (vector for vector in vectors if "reassembled_tpl" in vector["expected"])
    telegram = telegram_of(vector)
    assert telegram.ok
    assert telegram.security is not None
    assert telegram.security.authenticated
    assert telegram.data.hex().upper().endswith(vector["expected"]["reassembled_tpl"])


def test_codes(vectors: list[Vector]) -> None:
    by_link = {vector["link"]: vector for vector in vectors}
    crc = by_link["bytes"]
    assert f"{crc16_en13757(bytes.fromhex(crc['hex'])):04X}" == crc["expected"]["crc"]
    plain = by_link["data before coding"]
    chips = three_of_six.encode(bytes.fromhex(plain["hex"])).hex().upper()
    assert chips.startswith(plain["expected"]["encoded_prefix"])
    coded = by_link["3of6 chips packed MSB first"]
    decoded = bytes.fromhex(coded["expected"]["decoded"])
    assert three_of_six.decode(bytes.fromhex(coded["hex"]), len(decoded)) == decoded


def test_applications(vectors: list[Vector]) -> None:
    """Full, format and compact frames from the CI field on."""
    formats, checked = shipped_formats(), 0
    for vector in vectors:
        expected, data = vector["expected"], bytes.fromhex(vector["hex"].replace(" ", ""))
        if not vector["link"].startswith("apl"):
            continue
        checked += 1
        body = data[5 if "tpl_cf" in expected else 1 :]
        if data[0] in (0x79, 0x7B):
            parsed = expand_compact(body, 0, len(body), formats)
            assert parsed.problem is None
            assert f"{int.from_bytes(body[:2], 'little'):04X}" == expected["format_signature"]
            full = full_frame_bytes(parsed.records).hex().upper()
            assert full == expected.get("expanded", full)
            headers = b"".join(record.header for record in parsed.records)
        elif data[0] in (0x69, 0x6A):
            headers = body[3:]
            assert headers.hex().upper() == expected.get("format_bytes", headers.hex().upper())
            formats = formats.learn(headers)
        else:
            records = parse_records(body, 0, len(body)).records
            headers = b"".join(record.header for record in records)
            crc = f"{crc16_en13757(body):04X}"
            assert crc == expected.get("full_frame_crc", crc)
        signature = f"{format_signature(headers):04X}"
        assert signature == expected.get("format_signature", signature)
    assert checked == 8


def test_compact_profiles(vectors: list[Vector]) -> None:
    checked = 0
    for vector in vectors:
        if vector["link"] != "records only":
            continue
        data = bytes.fromhex(vector["hex"])
        parsed = parse_records(data, 0, len(data))
        assert parsed.problem is None
        expected = vector["expected"]
        spread = [record for record in parsed.records if record.expanded_from is not None]
        for storage, _, raw in expected.get("expanded", ()):
            values = [record.value for record in spread if record.storage == storage]
            assert any(isinstance(value, Decimal) and value == Decimal(raw) / 10 for value in values), storage
            checked += 1
    assert checked == 6
