"""Every file that keys can leave in: it reads back as what was written, and says what it has no place for."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from keystore.errors import ImportReason, ImportRejected, PasswordNeeded, WrongPassword
from keystore.formats import WRITERS, ReadOptions, WriteOptions, Written, chosen, open_export, read_export, write_export
from keystore.formats import handover as handover_format
from keystore.formats.age import ARMOR
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership
from keystore.vault import KdfParameters
from tests.keystore.made_up import NOON, key_of, record_of

PASSWORD = "Hand-over 2026"
OPTIONS = WriteOptions(NOON, PASSWORD)
EUI = "70b3d5e75e000001"


def lora(role: KeyRole, **fields: object) -> KeyRecord:
    return record_of(
        "21N001052",
        role=role,
        value=key_of(role),
        manufacturer=None,
        dev_eui=EUI,
        join_eui="70b3d5e75e0000ff",
        dev_addr="060b1234",
        **fields,
    )


RECORDS = [
    record_of(1, label="Küche; links", order="7", meter_type="MULTICAL 21", version=27, medium_code=22),
    record_of(1, role=KeyRole.GPK, role_detail="60", value=key_of("gpk"), label="Küche; links", order="7"),
    record_of(2, no_key=True),
    record_of(3, role=KeyRole.PRIOS64, value=key_of("prios")[:8], manufacturer=None),
    lora(KeyRole.LORAWAN_APP_KEY),
    lora(KeyRole.LORAWAN_NWK_S_KEY),
    lora(KeyRole.LORAWAN_APP_S_KEY),
    record_of(4, role=KeyRole.DLMS_MASTER, value=key_of("dlms") * 2, manufacturer="LGZ"),
    record_of(5, role=KeyRole.CLAIM_TOKEN, value=b"claim me", manufacturer=None),
]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlocking costs half a second on purpose; here it need not."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))


def facts(record: KeyRecord) -> tuple[str, str, bytes, bool]:
    """What every format keeps: which meter, which key."""
    return record.dev_eui or record.number, record.role_text, record.value, record.no_key


def back(written: Written) -> list[KeyRecord]:
    """The records of all written files."""
    return [
        record for data in written.files.values() for record in read_export(data, "x", PASSWORD, imported_at=NOON).ready
    ]


LORA_WRITERS = [
    name for name in WRITERS if name.endswith(("stack_csv", "stack_json", "park_csv", "sy_csv", "ly_json", "co_csv"))
]


@pytest.mark.parametrize("name", LORA_WRITERS)
def test_no_lorawan_key_is_counted_as_written_that_does_not_come_back(name: str) -> None:
    roles = [role for role in KeyRole if role.startswith("lorawan_")]
    everything = [lora(role) for role in roles]
    for records in (everything, [replace(everything[0], value=key_of("older")), *everything], everything[1:]):
        written = write_export(name, records, OPTIONS)
        read_back = back(written) if written.keys else []
        assert written.keys == len(read_back)
        assert written.keys + written.left_out == len(records)
        assert {facts(record) for record in read_back} <= {facts(record) for record in everything}


@pytest.mark.parametrize(
    "name", ["the_things_stack_csv", "the_things_stack_json", "wanesy_csv", "firefly_json", "miromico_csv"]
)
def test_a_session_is_written_with_its_own_address(name: str) -> None:
    root = replace(lora(KeyRole.LORAWAN_APP_KEY), dev_addr="", label="")
    older = replace(lora(KeyRole.LORAWAN_NWK_S_KEY), dev_addr="0600aaaa", value=key_of("older session"))
    session = [lora(KeyRole.LORAWAN_NWK_S_KEY, label="flat 3"), lora(KeyRole.LORAWAN_APP_S_KEY)]
    written = write_export(name, [root, older, *session], OPTIONS)
    assert (written.keys, written.left_out) == (3, 1)
    read_back = {record.role: record for record in back(written)}
    assert read_back[KeyRole.LORAWAN_NWK_S_KEY].value == session[0].value
    assert {record.dev_addr for record in read_back.values()} == {"060b1234"}
    if name != "miromico_csv":  # it has no names
        assert {record.label for record in read_back.values()} == {"flat 3"}


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "age"])
def test_what_a_format_holds_comes_back(name: str) -> None:
    held = [record for record in RECORDS if WRITERS[name].holds(record)]
    assert held
    written = write_export(name, RECORDS, OPTIONS)
    assert (written.keys, written.left_out) == (len(held), len(RECORDS) - len(held))
    assert written.meters == len({record.dev_eui or record.number for record in held})
    assert sorted(map(facts, back(written))) == sorted(map(facts, held))
    assert WRITERS[name].one_file_a_meter or list(written.files) == [""]


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "age"])
def test_a_format_is_known_by_its_content(name: str) -> None:
    systems = {"csv": "elvaco_csv"}
    for data in write_export(name, RECORDS, OPTIONS).files.values():
        assert open_export(data, "x", ReadOptions(password=PASSWORD)).source.system == systems.get(name, name)


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if not writer.sealed])
def test_no_cell_of_any_format_begins_a_formula(name: str) -> None:
    hostile = [
        replace(record, label="=HYPERLINK(1)", meter_type="+1", order="@x", batch_reference="-1") for record in RECORDS
    ]
    for data in write_export(name, hostile, OPTIONS).files.values():
        if name.endswith("csv"):
            for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";,"[b";" not in data]):
                assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)


def test_what_may_leave() -> None:
    away = replace(RECORDS[0], ownership=Ownership.TRANSFERRED)
    listed = record_of(9, value=b"", ownership=Ownership.UNCLAIMED)
    revoked = replace(RECORDS[0], status=KeyStatus.REVOKED)
    assert chosen([*RECORDS, away, listed, revoked]) == RECORDS
    assert chosen([away, listed], transferred=True) == [away]


def test_a_chirpstack_device_of_1_0_has_its_app_key_in_nwk_key() -> None:
    (data,) = write_export("chirpstack_csv", RECORDS, OPTIONS).files.values()
    (line,) = csv.DictReader(io.StringIO(data.decode()))
    assert (line["nwk_key"], line["app_key"]) == (key_of(KeyRole.LORAWAN_APP_KEY).hex().upper(), "")
    both = [*RECORDS, lora(KeyRole.LORAWAN_NWK_KEY)]
    (data,) = write_export("chirpstack_csv", both, OPTIONS).files.values()
    (line,) = csv.DictReader(io.StringIO(data.decode()))
    assert line["app_key"] == key_of(KeyRole.LORAWAN_APP_KEY).hex().upper()


def test_json_of_the_things_stack_is_one_object_a_line() -> None:
    (data,) = write_export("the_things_stack_json", RECORDS, OPTIONS).files.values()
    (device,) = [json.loads(line) for line in data.splitlines()]
    assert device["ids"] == {"device_id": f"eui-{EUI}", "dev_eui": EUI.upper(), "join_eui": "70B3D5E75E0000FF"}
    assert device["session"]["dev_addr"] == "060B1234"


def test_meter_files_have_names_of_their_own() -> None:
    twice = [record_of(1, label="../../etc/passwd"), record_of(1, value=key_of("other"))]
    files = write_export("wmbusmeters", twice, OPTIONS).files
    assert list(files) == ["KAM_00000001", "KAM_00000001_2"]
    assert b"name=etc_passwd\n" in files["KAM_00000001"]


def test_a_package_keeps_all_that_is_known_of_a_key() -> None:
    full = record_of(
        1,
        version=27,
        label="flat 1",
        owner="house 7",
        adapter="00000009",
        adapter_manufacturer="ELV",
        not_before=NOON,
        key_version=3,
        ownership=Ownership.CLAIMED,
    )
    (read,) = back(write_export("handover", [full], OPTIONS))
    assert replace(read, source=full.source) == full
    assert read.source.system == "handover"


def test_a_package_opens_with_its_passphrase_only() -> None:
    (data,) = write_export("handover", RECORDS, OPTIONS).files.values()
    with pytest.raises(PasswordNeeded):
        read_export(data, "x")
    with pytest.raises(WrongPassword):
        read_export(data, "x", "another")
    for at in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[at] ^= 1
        # A byte of the header may ask for a thousand times the work: those are refused or tried elsewhere.
        if at > 200:
            with pytest.raises(ImportRejected):
                read_export(bytes(changed), "x", PASSWORD)
    with pytest.raises(ImportRejected):
        read_export(data[:-1], "x", PASSWORD)


def test_lines_of_a_package_that_are_no_records_are_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ['{"role": 7}', "[]", "{", '{"role": "gpk:1", "number": 5, "key": "00"}', '{"role":"gpk","new":"x"}']
    monkeypatch.setattr(handover_format, "_document", lambda record: json.loads(record) if record != "{" else record)
    data = handover_format.write(lines, PASSWORD, NOON)  # type: ignore[arg-type]
    batch = read_export(data, "x", PASSWORD)
    assert (len(batch.quarantined), batch.ready) == (5, ())


# age.


@pytest.fixture(scope="module")
def age_file() -> bytes:
    pytest.importorskip("pyrage")
    (data,) = write_export("age", RECORDS, OPTIONS).files.values()
    return data


def test_an_age_file_holds_a_table(age_file: bytes, tmp_path: Path) -> None:
    held = [record for record in RECORDS if WRITERS["age"].holds(record)]
    batch = read_export(age_file, "x.age", PASSWORD)
    assert sorted(map(facts, batch.ready)) == sorted(map(facts, held))
    assert {(record.source.system, record.source.member) for record in batch.ready} == {("elvaco_csv", "age")}


def test_age_files_that_cannot_be_opened(age_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PasswordNeeded):
        read_export(age_file, "x")
    for data, reason in (
        (age_file.replace(b"scrypt", b"X25519", 1), ImportReason.UNKNOWN_FORMAT),
        (ARMOR + b"\nAAAA\n-----END AGE ENCRYPTED FILE-----\n", ImportReason.DAMAGED),
        (b"age-encryption.org/v1\n-> scrypt " + b"A" * 22 + b" 30\n", ImportReason.TOO_LARGE),
    ):
        with pytest.raises(ImportRejected) as caught:
            read_export(data, "x", PASSWORD)
        assert caught.value.reason is reason
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(ImportRejected) as caught:
        read_export(age_file, "x", PASSWORD)
    assert "pip install" in caught.value.hint


# Witnesses from outside.


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
@pytest.mark.parametrize("name", ["kem", "kem2"])
def test_unzip_finds_two_sound_members(name: str, tmp_path: Path) -> None:
    (data,) = write_export(name, RECORDS, OPTIONS).files.values()
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    done = subprocess.run(["unzip", "-t", path], capture_output=True, text=True, check=True)
    assert "No errors detected" in done.stdout


@pytest.mark.skipif(shutil.which("xmllint") is None, reason="xmllint is not installed")
@pytest.mark.parametrize("name", ["kem", "kem2"])
def test_xmllint_finds_the_envelope_well_formed(name: str, tmp_path: Path) -> None:
    import zipfile

    (data,) = write_export(name, RECORDS, OPTIONS).files.values()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.namelist():
            path = tmp_path / member
            path.write_bytes(archive.read(member))
            subprocess.run(["xmllint", "--noout", "--nonet", path], capture_output=True, check=True)


@pytest.mark.parametrize("name", ["the_things_stack_csv", "the_things_stack_json", "wmbusmeters", "csv"])
def test_an_export_invents_neither_labels_nor_ownership(name: str) -> None:
    bare = [replace(record, label="", ownership=Ownership.UNKNOWN) for record in RECORDS]
    read = back(write_export(name, bare, OPTIONS))
    assert read
    assert {(record.label, record.ownership) for record in read} == {("", Ownership.UNKNOWN)}
    named = [replace(record, label="cellar") for record in RECORDS]
    assert {record.label for record in back(write_export(name, named, OPTIONS))} == {"cellar"}


def test_an_id_that_somebody_chose_is_a_label() -> None:
    for device_id, label in ((f"eui-{EUI}", ""), (f"EUI-{EUI.upper()}", ""), ("flat-7", "flat-7")):
        table = f"id;dev_eui;app_key\n{device_id};{EUI.upper()};{key_of('a').hex()}\n"
        (record,) = read_export(table.encode(), "x").ready
        assert record.label == label
        document = {"ids": {"device_id": device_id, "dev_eui": EUI}, "root_keys": {"app_key": {"key": "AB" * 16}}}
        (record,) = read_export(json.dumps(document).encode(), "x").ready
        assert record.label == label
