"""Any bytes at all become a batch or an `ImportRejected`, and never anything else."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keystore.errors import ImportRejected
from keystore.formats import KemVariant, read_export, write_csv, write_kem
from keystore.formats.kem import devices_from_records
from keystore.formats.kem_document import build_document
from keystore.formats.kem_envelope import encrypt
from keystore.model import KeyRole
from keystore.vault import Vault
from tests.keystore.made_up import NOON, key_of, record_of

PASSWORD = "12345"
RECORDS = [record_of(1, label="Küche"), record_of(1, role=KeyRole.GPK, role_detail="1"), record_of(2, no_key=True)]
DEVICES = devices_from_records(RECORDS)
SEEDS = (
    write_kem(DEVICES, PASSWORD, KemVariant.KEM, at=NOON, member_stem="A" * 32),
    write_kem(DEVICES, PASSWORD, KemVariant.KEM2, at=NOON, member_stem="A" * 32),
    encrypt(build_document(DEVICES, KemVariant.KEM2), PASSWORD),
    build_document(DEVICES, KemVariant.KEM),
    build_document(DEVICES, KemVariant.KEM2),
    write_csv(RECORDS),
    write_csv(RECORDS, delimiter=",", bom=True),
)
SECRETS = {record.value.hex() for record in RECORDS if record.value}
QUICK = settings(suppress_health_check=[HealthCheck.too_slow])


def survive(data: bytes, password: str | None = PASSWORD) -> None:
    """Read whatever it is; nothing shown may hold a key of the seeds."""
    try:
        batch = read_export(data, "fuzz", password, imported_at=NOON)
    except ImportRejected as error:
        shown = error.message + error.hint + repr(error)
    else:
        assert batch.rows
        shown = repr(batch)
        for row in batch.rows:
            assert (row.record is None) == bool(row.reason)
    assert not any(secret in shown.lower() for secret in SECRETS)


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    survive(data)


@QUICK
@given(
    st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"<", b"\xef\xbb\xbf<Devices>", b"\xff\xfe"]),
    st.binary(max_size=300),
)
def test_any_bytes_after_a_known_beginning(beginning: bytes, data: bytes) -> None:
    survive(beginning + data)


@QUICK
@given(st.sampled_from(SEEDS), st.data())
def test_mutated_key_files(seed: bytes, data: st.DataObject) -> None:
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(changed) - 1, 0)))
        cut = data.draw(st.integers(0, 4))
        changed[at : at + cut] = data.draw(st.binary(max_size=4))
    survive(bytes(changed))


@QUICK
@given(st.text(max_size=30))
def test_any_password(password: str) -> None:
    survive(SEEDS[0], password)
    survive(SEEDS[2], password)


TAGS = (
    "MetersInOrder",
    "Meter",
    "Devices",
    "Device",
    "Keys",
    "Key",
    "Name",
    "Value",
    "SerialNumber",
    "SerialNo",
    "DEK",
)
TREES: st.SearchStrategy[str] = st.recursive(
    st.text(alphabet="0123456789ABCDEFx ", max_size=33),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", st.sampled_from(TAGS), st.lists(inner, max_size=4)
    ),
    max_leaves=20,
)


@QUICK
@given(st.sampled_from(["MetersInOrder", "Devices"]), st.lists(TREES, max_size=5))
def test_any_nesting_of_known_elements(root: str, parts: list[str]) -> None:
    survive(f"<{root}>{''.join(parts)}</{root}>".encode())


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [key_of("x").hex(), "63001468", "NOKEY", "1.2E+10", '="1"', '"', "KAM", "70b3d5e75e000001", "0x1B"]
    ),
)


@QUICK
@given(st.sampled_from(";,\t|"), st.lists(st.lists(CELLS, max_size=8), max_size=6))
def test_any_cells_under_a_known_header(delimiter: str, rows: list[list[str]]) -> None:
    header = delimiter.join(("Serial", "Key", "DevEUI", "Manufacturer", "Version", "Medium", "JoinEUI", "GPK1"))
    text = "\n".join([header, *(delimiter.join(row) for row in rows)])
    survive(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=4))
def test_whatever_is_ready_can_be_filed_and_comes_back(vault: Vault, rows: list[list[str]]) -> None:
    text = "\n".join(["Serial;Key;DevEUI;Label", *(";".join(row) for row in rows)])
    try:
        ready = read_export(text.encode("utf-8", "surrogatepass"), "fuzz.csv", imported_at=NOON).ready
    except ImportRejected:
        return
    result = vault.put(ready)
    assert result.new + result.same + result.changed == len(ready)
    for record in ready:
        found = vault.find(record.number or record.dev_eui)
        assert any((r.role, r.value) == (record.role, record.value) for r in found)
