"""KEM and KEM2: the sheet's known answers, and every quirk seen in the wild."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keystore.errors import ImportReason
from keystore.formats import (
    KemDevice,
    KemKey,
    KemVariant,
    devices_from_records,
    kem_file_name,
    write_kem,
)
from keystore.formats.kem_document import build_document
from keystore.formats.kem_envelope import encrypt
from keystore.model import KeyRole, SignatureState
from tests.keystore.kem_files import (
    HEX,
    ONE,
    PASSWORD,
    TWO,
    VARIANTS,
    ciphertext,
    read,
    reason_of,
    zipped,
)
from tests.keystore.made_up import NOON, key_of, record_of


@pytest.mark.parametrize(
    ("plain", "password", "expected"),
    [
        (
            b'<Devices schemaVersion="1.0"/>',
            "12345",
            "7c4b9ba8bdc99e59516b8e64cc9782a50d0194cc89efdfe657ebce1c4b1c7ed6",
        ),
        (
            b"<MetersInOrder/>",
            "0310482W",
            "56c9ff27a5760ad3ce36311d9ce6bcff1d096cefe9be3408188f704b8a5c9848",
        ),
    ],
    ids=["not aligned", "a full block of padding"],
)
def test_known_answers(plain: bytes, password: str, expected: str) -> None:
    assert ciphertext(encrypt(plain, password)).hex() == expected


def test_the_envelope_is_the_portals_byte_for_byte() -> None:
    expected = (
        '<?xml version="1.0" encoding="utf-8"?><EncryptedData Type="http://www.w3.org/2001/04/xmlenc#aes128-cbc" '
        'xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod '
        'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc" /><CipherData><CipherValue>'
        "fEubqL3JnllRa45kzJeCpQ0BlMyJ79/mV+vOHEscftY=</CipherValue></CipherData></EncryptedData>"
    )
    assert encrypt(b'<Devices schemaVersion="1.0"/>', "12345").decode() == expected


def test_the_inner_kem_is_the_portals_order_of_elements() -> None:
    assert build_document([ONE], KemVariant.KEM, "99").decode() == (
        '<MetersInOrder orderid="99" schemaVersion="2.0"><Meter><MeterNo>4711</MeterNo><SerialNo>63001468</SerialNo>'
        f"<EncKeys><DEK>{HEX['one']}</DEK></EncKeys><MeterName>MC603</MeterName>"
        "<ConsumptionType>VolumeCold</ConsumptionType><ConfigNo>1234567890123</ConfigNo><ProgramNo></ProgramNo>"
        "<TypeNo>02146C0K879</TypeNo><VendorId>KAM</VendorId></Meter></MetersInOrder>"
    )


def test_a_writer_is_kind_to_other_readers() -> None:
    text = build_document([TWO], KemVariant.KEM2).decode()
    # Key 60 was given first; one public reader takes the first value, another needs name and value side by side.
    assert text.index(f"<Name>DEK</Name><Value>{HEX['two']}</Value>") < text.index("GPK60")
    assert "<CustomerDeviceNumber>00000002</CustomerDeviceNumber>" in text
    assert "\n" not in text
    assert "<MeterNo>00000002</MeterNo>" in build_document([TWO], KemVariant.KEM).decode()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_written_is_read(variant: KemVariant) -> None:
    data = write_kem([ONE, TWO], PASSWORD, variant, order="123456  3", at=NOON, member_stem="A" * 32)
    batch = read(data, name="meters.zip.kem")
    records = {(r.number, r.role, r.role_detail): r for r in batch.ready}
    assert {key: record.value for key, record in records.items()} == {
        ("63001468", KeyRole.WMBUS_DEK, ""): key_of("one"),
        ("00000002", KeyRole.WMBUS_DEK, ""): key_of("two"),
        ("00000002", KeyRole.GPK, "60"): key_of("gpk"),
    }
    first = records["63001468", KeyRole.WMBUS_DEK, ""]
    assert (first.manufacturer, first.serial, first.label, first.meter_type) == ("KAM", "63001468", "4711", "MC603")
    assert (first.config_number, first.type_number, first.order) == ("1234567890123", "02146C0K879", "123456  3")
    assert (first.version, first.medium_code) == (None, None)
    assert (first.source.system, first.source.member) == (variant, f"{'A' * 32}.{variant}")
    assert (first.source.row, first.source.file_name, first.source.imported_at) == (1, "meters.zip.kem", NOON)
    assert len(first.source.file_sha256) == 64
    assert not batch.quarantined


def test_the_same_call_makes_the_same_file() -> None:
    one, two = (write_kem([ONE], PASSWORD, at=NOON, member_stem="A" * 32) for _ in range(2))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert archive.namelist() == [f"{'A' * 32}.kem2", "device_information_file.xsd"]
    with zipfile.ZipFile(io.BytesIO(write_kem([ONE], PASSWORD, KemVariant.KEM))) as archive:
        member, schema = archive.namelist()
    assert re.fullmatch(r"[0-9A-F]{32}\.kem", member)
    assert schema == "meter_information_file.xsd"


def test_download_names() -> None:
    at = datetime(2021, 9, 1, 12, 5, tzinfo=UTC)
    assert kem_file_name(KemVariant.KEM, at) == "20210901_1205_selected_DownloadMeters.zip.kem"
    assert kem_file_name(KemVariant.KEM2, at) == "20210901_1205_selected_DownloadDevices.zip.kem2"


@pytest.mark.parametrize("variant", VARIANTS)
def test_records_become_devices_and_come_back(variant: KemVariant) -> None:
    records = [
        record_of(1, label="cellar", meter_type="MC603"),
        record_of(1, role=KeyRole.GPK, role_detail="2", value=key_of("gpk")),
        record_of(1, role=KeyRole.OTHER, role_detail="HAN", value=key_of("han")),
        record_of(2),
        record_of(3, no_key=True),
        record_of(4, role=KeyRole.LORAWAN_APP_KEY),
    ]
    devices = devices_from_records(records)
    assert [device.serial_number for device in devices] == ["00000001", "00000002"]
    again = read(write_kem(devices, PASSWORD, variant)).ready
    assert [(r.number, r.role_text, r.value) for r in again] == [(r.number, r.role_text, r.value) for r in records[:4]]


# The quirks of files in the wild.


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", ["zip", "outer", "inner"])
@pytest.mark.parametrize("bom", [False, True], ids=["plain", "bom"])
def test_all_three_shapes_are_read(variant: KemVariant, shape: str, bom: bool) -> None:
    mark = b"\xef\xbb\xbf" if bom else b""
    inner = build_document([ONE, TWO], variant)
    data = {
        "zip": zipped({f"F.{variant}": mark + encrypt(mark + inner, PASSWORD)}),
        "outer": mark
        + b"\r\n"
        + encrypt(mark + inner, PASSWORD).removeprefix(b'<?xml version="1.0" encoding="utf-8"?>'),
        "inner": mark + b'<?xml version="1.0"?>\n' + inner,
    }[shape]
    assert [r.number for r in read(data).ready] == ["63001468", "00000002", "00000002"]


def test_a_bare_document_needs_no_password() -> None:
    batch = read(build_document([ONE], KemVariant.KEM), None)
    assert len(batch.ready) == 1
    assert batch.warnings == ()


@pytest.mark.parametrize("suffix", ["kem", "KEM", "kem2", "Kem2"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_content_decides_not_the_members_name(variant: KemVariant, suffix: str) -> None:
    members = {
        "folder/readme.txt": b"hello",
        f"../up/F.{suffix}": encrypt(build_document([ONE], variant), PASSWORD),
        "x.xsd": b"<xs/>",
    }
    batch = read(zipped(members))
    assert batch.source.system == variant
    assert batch.source.member == f"F.{suffix}"


def test_a_zip_that_was_zipped_again_is_read_and_no_deeper() -> None:
    once = write_kem([ONE], PASSWORD)
    twice = zipped({"x.zip.kem2": once})
    assert len(read(twice).ready) == 1
    assert reason_of(zipped({"y.kem": twice})) is ImportReason.UNKNOWN_FORMAT


def test_an_empty_customer_number_is_no_obstacle() -> None:
    inner = build_document([ONE], KemVariant.KEM).replace(b"<MeterNo>4711</MeterNo>", b"<MeterNo></MeterNo>")
    (record,) = read(encrypt(inner, PASSWORD)).ready
    assert (record.number, record.label) == ("63001468", "")


def test_wrapped_base64_and_prefixes_are_read() -> None:
    envelope = encrypt(build_document([ONE], KemVariant.KEM), PASSWORD)
    encoded = base64.b64encode(ciphertext(envelope)).decode()
    wrapped = "\r\n  ".join(encoded[i : i + 64] for i in range(0, len(encoded), 64))
    prefixed = (
        '<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:EncryptionMethod '
        'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"></xenc:EncryptionMethod><xenc:CipherData>'
        f"<!-- wrapped --><xenc:CipherValue>\n  {wrapped}\n</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"
    )
    assert len(read(prefixed.encode()).ready) == 1


def test_umlauts_are_kept_and_control_characters_are_not() -> None:
    device = KemDevice("63001468", (KemKey("DEK", HEX["one"]),), customer_number="Zähler <Süd> & \u202eco")
    (record,) = read(write_kem([device], PASSWORD)).ready
    assert record.label == "Zähler <Süd> & \N{REPLACEMENT CHARACTER}co"


def test_keys_of_a_kem2_are_told_by_name_wherever_it_stands() -> None:
    inner = (
        '<Devices schemaVersion="7" xmlns="urn:x"><Device><DeviceId><ManufacturerId>KAM</ManufacturerId>'
        "<SerialNumber>63001468</SerialNumber></DeviceId><Extra><Deep/></Extra><Keys>"
        f'<Key Type="GPK61"><Value>{HEX["gpk"]}</Value></Key>'
        f"<Key><Type>PK2</Type><Value>{HEX['two']}</Value></Key>"
        f"<Key><Name>DEK</Name><Value> {HEX['one'].lower()}\n</Value></Key></Keys></Device></Devices>"
    )
    found = [(r.role_text, r.value) for r in read(inner.encode()).ready]
    assert found == [("gpk:61", key_of("gpk")), ("pk:2", key_of("two")), ("wmbus_dek", key_of("one"))]


def test_a_device_inside_a_device_keeps_its_number_and_key_to_itself() -> None:
    inner = build_document([TWO], KemVariant.KEM2).split(b">", 1)[1].removesuffix(b"</Devices>")
    outer = build_document([ONE], KemVariant.KEM2).replace(b"<Device>", b"<Device><Modules>" + inner + b"</Modules>")
    found = {(record.number, record.role_text, record.value.hex().upper()) for record in read(outer).ready}
    assert found == {
        ("63001468", "wmbus_dek", HEX["one"]),
        ("00000002", "gpk:60", HEX["gpk"]),
        ("00000002", "wmbus_dek", HEX["two"]),
    }


def test_a_key_name_in_other_letters_is_that_name() -> None:
    document = build_document(
        [replace(ONE, keys=(KemKey("dek", HEX["one"]), KemKey("Gpk2", HEX["gpk"])))], KemVariant.KEM2
    )
    assert [record.role_text for record in read(document).ready] == ["wmbus_dek", "gpk:2"]


def test_a_key_without_a_name_or_without_digits_is_said() -> None:
    document = build_document([replace(ONE, keys=(KemKey("", HEX["one"]), KemKey("DEK", "")))], KemVariant.KEM2)
    unnamed, empty = sorted(read(document).rows, key=lambda row: row.reason)
    assert unnamed.warnings == ("the file does not say what the key is for: it is not used for telegrams",)
    assert empty.reason == "DEK: the key is empty"


def test_what_a_file_manager_adds_to_a_zip_is_no_key_file() -> None:
    whole = write_kem([ONE], PASSWORD)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {f"__MACOSX/._{name}": b"\0\5\x16\7" for name in members}
    assert [record.number for record in read(zipped(members)).ready] == ["63001468"]


def test_unknown_key_names_and_lengths_are_kept() -> None:
    keys = (KemKey("MASTER", HEX["one"]), KemKey("DEK", "00" * 8), KemKey("GPK1", "11" * 32))
    batch = read(write_kem([KemDevice("63001468", keys)], PASSWORD, KemVariant.KEM))
    assert {r.role_text: len(r.value) for r in batch.ready} == {"other:MASTER": 16, "wmbus_dek": 8, "gpk:1": 32}
    assert sum(bool(row.warnings) for row in batch.rows) == 2


@pytest.mark.parametrize("text", ["", "XYZ", HEX["one"][:-1], HEX["one"] + "00", "G" + HEX["one"][1:]])
def test_a_key_that_is_none_is_quarantined_without_being_shown(text: str) -> None:
    device = KemDevice("63001468", (KemKey("DEK", text), KemKey("GPK1", HEX["gpk"])))
    batch = read(write_kem([device], PASSWORD))
    (row,) = batch.quarantined
    assert row.reason.startswith("DEK: ")
    assert HEX["one"][1:-1] not in repr(batch)
    assert [r.role for r in batch.ready] == [KeyRole.GPK]


def test_a_key_in_the_place_of_a_name_is_not_shown() -> None:
    inner = f"<Devices><Device><SerialNumber>1</SerialNumber><Keys><Key><Name>{HEX['one']}</Name></Key></Keys></Device>"
    inner += f"<Device><SerialNumber>{HEX['two']}</SerialNumber><Keys><Key><Name>DEK</Name><Value>{HEX['one']}</Value>"
    inner += "</Key></Keys></Device></Devices>"
    batch = read(inner.encode())
    assert len(batch.quarantined) == 2
    assert HEX["one"] not in repr(batch).upper()
    assert HEX["two"] not in repr(batch).upper()


@pytest.mark.parametrize(
    ("serial", "number", "warned"),
    [
        ("63001468", "63001468", False),
        ("123", "00000123", True),
        ("A1B2C3", "A1B2C3", True),
        ("123456789", "123456789", True),
        ("6300146a", "6300146a", True),
    ],
)
def test_serial_numbers(serial: str, number: str, warned: bool) -> None:
    (row,) = read(write_kem([KemDevice(serial, (KemKey("DEK", HEX["one"]),))], PASSWORD)).rows
    assert row.record is not None
    assert (row.record.number, row.record.serial, bool(row.warnings)) == (number, serial, warned)


def test_devices_without_serial_or_keys_are_quarantined() -> None:
    batch = read(write_kem([KemDevice("", (KemKey("DEK", HEX["one"]),)), KemDevice("1", ()), ONE], PASSWORD))
    assert [(row.row, row.reason) for row in batch.quarantined] == [
        (1, "the device has no serial number"),
        (2, "the device has no key"),
    ]
    assert [record.source.row for record in batch.ready] == [3]


def test_an_odd_manufacturer_is_left_out_with_a_warning() -> None:
    (row,) = read(write_kem([KemDevice("1", (KemKey("DEK", HEX["one"]),), manufacturer="Kamstrup")], PASSWORD)).rows
    assert row.record is not None
    assert row.record.manufacturer is None
    assert "the manufacturer is not three letters: left out" in row.warnings


def test_a_signature_is_said_to_be_not_verified() -> None:
    signature = (
        b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><X509SerialNumber>7</X509SerialNumber></Signature>'
    )
    inner = build_document([ONE], KemVariant.KEM2).replace(b"</Devices>", signature + b"</Devices>")
    batch = read(encrypt(inner, PASSWORD))
    assert batch.source.signature is SignatureState.NOT_VERIFIED
    assert any("not verified" in warning for warning in batch.warnings)
    assert batch.ready[0].source.signature is SignatureState.NOT_VERIFIED
    assert read(write_kem([ONE], PASSWORD)).source.signature is SignatureState.UNSIGNED
