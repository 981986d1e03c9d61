"""Several keys for a meter: by role, radio adapter, time and owner; conflicts are kept for the air to decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keystore.errors import NotFound
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership, Provenance
from keystore.vault import PutVerdict, Vault
from tests.keystore.made_up import NOON, address_of, key_of, record_of

LATER = Provenance("csv", "later.csv", row=9, imported_at=NOON)


def values(vault: Vault, number: int, manufacturer: str = "KAM") -> list[bytes]:
    return [key.value for key in vault.keys_for(address_of(number, manufacturer))]


def test_the_air_decides_a_conflict(vault: Vault) -> None:
    first, second, third = (record_of(1, value=key_of(name)) for name in "abc")
    result = vault.put([first, second, third])
    assert (result.new, result.changed, result.beside) == (1, 2, 2)
    assert values(vault, 1) == [key_of("c"), key_of("b"), key_of("a")]
    vault.confirm(first)
    assert values(vault, 1) == [key_of("a"), key_of("c"), key_of("b")]
    found = vault.find("1")
    assert [record.status for record in found] == [KeyStatus.ACTIVE, KeyStatus.SUPERSEDED, KeyStatus.SUPERSEDED]
    assert found[0].confirmed_at is not None
    vault.confirm(second)
    assert values(vault, 1)[0] == key_of("b")
    assert vault.verify().ok
    with pytest.raises(NotFound):
        vault.confirm(record_of(1, value=key_of("never seen")))


def test_a_revoked_key_stays_revoked(vault: Vault) -> None:
    vault.put([record_of(1)])
    vault.set_status("1", KeyStatus.REVOKED)
    assert values(vault, 1) == []
    assert vault.put([record_of(1)]).verdicts == (PutVerdict.SAME,)
    assert values(vault, 1) == []
    vault.put([record_of(2, status=KeyStatus.ACTIVE)])
    assert vault.put([record_of(2, status=KeyStatus.SUPERSEDED)]).verdicts == (PutVerdict.CHANGED,)
    assert vault.find("2")[0].status is KeyStatus.SUPERSEDED
    with pytest.raises(NotFound):
        vault.set_status("99", KeyStatus.REVOKED)


def test_a_key_is_found_by_meter_and_by_radio_adapter(vault: Vault) -> None:
    inner = record_of(1, adapter="10000009", adapter_manufacturer="EXA", value=key_of("inner"))
    own = record_of(10000009, manufacturer="EXA", value=key_of("adapter's own"))
    vault.put([inner, own])
    assert values(vault, 1) == [key_of("inner")]
    assert values(vault, 10000009, "EXA") == [key_of("adapter's own"), key_of("inner")]
    assert vault.find("10000009", "EXA") == [own, inner]
    assert vault.put([replace(inner, adapter="10000010")]).changed == 1
    assert values(vault, 10000009, "EXA") == [key_of("adapter's own")]
    assert values(vault, 10000010, "EXA") == [key_of("inner")]
    assert vault.verify().ok


def test_a_key_out_of_its_time_comes_last(vault: Vault) -> None:
    year = timedelta(days=365)
    now = vault._settings.now()
    vault.put(
        [
            record_of(1, value=key_of("now"), not_before=now - year, not_after=now + year, key_version=2),
            record_of(1, value=key_of("over"), not_after=now - year),
            record_of(1, value=key_of("not yet"), not_before=now + year),
        ]
    )
    assert values(vault, 1)[0] == key_of("now")
    assert len(values(vault, 1)) == 3
    assert vault.find("1")[-1].key_version == 2


def test_another_kind_of_meter_with_the_same_number_comes_last(vault: Vault) -> None:
    vault.put([record_of(1, version=0x1B, medium_code=0x16), record_of(1, value=key_of("heat"), medium_code=0x04)])
    assert values(vault, 1) == [key_of("00000001"), key_of("heat")]


def test_one_key_in_two_records_is_tried_once(vault: Vault) -> None:
    vault.put([record_of(1), record_of(1, role=KeyRole.PRIOS64), record_of(1, manufacturer="ELS")])
    assert values(vault, 1) == [key_of("00000001")]


def test_no_key_is_something_else_than_missing(vault: Vault) -> None:
    vault.put([record_of(1, no_key=True)])
    assert values(vault, 1) == []
    (record,) = vault.find("1")
    assert record.no_key
    assert not record.is_listing
    assert vault.find("2") == []
    assert vault.put([record_of(1)]).verdicts == (PutVerdict.CHANGED,)
    assert len(vault.find("1")) == 2


def test_newer_facts_are_merged_into_the_same_key(vault: Vault) -> None:
    vault.put([record_of(1, label="old label", order="")])
    newer = record_of(1, label="new label", order="4711", owner="City Works", serial="KAM 1", source=LATER)
    assert vault.put([newer]).verdicts == (PutVerdict.CHANGED,)
    (record,) = vault.find("1")
    assert (record.label, record.order, record.owner) == ("new label", "4711", "City Works")
    assert (record.serial, record.source) == ("00000001", LATER)
    assert vault.put([record_of(1, label="", order="")]).verdicts == (PutVerdict.SAME,)
    assert vault.put([newer]).verdicts == (PutVerdict.SAME,)
    assert vault.find("1") == [record]
    assert vault.put([record_of(1, manufacturer=None, dev_eui="70b3d5e75e000001")]).changed == 1
    assert vault.find("70b3d5e75e000001")[0].number == "00000001"
    assert vault.verify().ok


def test_merging_within_one_import(vault: Vault) -> None:
    result = vault.put([record_of(1), record_of(1, label="flat 1"), record_of(1, label="flat 1")])
    assert result.verdicts == (PutVerdict.NEW, PutVerdict.CHANGED, PutVerdict.SAME)
    assert vault.find("1")[0].label == "flat 1"
    assert vault.verify().ok


def test_an_unclaimed_meter_has_no_usable_key_until_it_is_claimed(vault: Vault) -> None:
    listing = record_of(1, value=b"", ownership=Ownership.UNCLAIMED, batch_reference="B7", label="cellar")
    assert vault.put([listing, listing]).verdicts == (PutVerdict.NEW, PutVerdict.SAME)
    assert values(vault, 1) == []
    assert vault.find("1") == [listing]
    claimed = record_of(1, ownership=Ownership.CLAIMED)
    assert vault.put([claimed]).verdicts == (PutVerdict.NEW,)
    (record,) = vault.find("1")
    assert (record.ownership, record.batch_reference, record.label) == (Ownership.CLAIMED, "B7", "cellar")
    assert values(vault, 1) == [key_of("00000001")]
    assert vault.put([listing]).verdicts == (PutVerdict.SAME,)
    assert vault.count == 1
    assert vault.verify().ok


def test_a_meter_that_was_given_away_is_marked_and_its_key_kept(vault: Vault) -> None:
    vault.put([record_of(1, owner="us"), record_of(1, role=KeyRole.GPK)])
    gone = record_of(1, value=b"", ownership=Ownership.TRANSFERRED, owner="City Works", source=LATER)
    assert vault.put([gone]).verdicts == (PutVerdict.CHANGED,)
    assert {(r.ownership, r.owner, bool(r.value)) for r in vault.find("1")} == {
        (Ownership.TRANSFERRED, "City Works", True)
    }
    assert vault.put([gone]).verdicts == (PutVerdict.SAME,)
    assert vault.put([record_of(1, ownership=Ownership.CLAIMED)]).verdicts == (PutVerdict.CHANGED,)
    assert vault.find("1", role=KeyRole.WMBUS_DEK)[0].ownership is Ownership.CLAIMED
    elsewhere = record_of(5, value=b"", ownership=Ownership.TRANSFERRED)
    assert vault.put([elsewhere]).verdicts == (PutVerdict.NEW,)
    assert vault.find("5") == [elsewhere]


def test_ownership_is_set_by_hand(vault: Vault) -> None:
    vault.put([record_of(1), record_of(1, manufacturer="ELS", value=key_of("els"))])
    assert vault.set_ownership("KAM00000001", Ownership.TRANSFERRED, "City Works", manufacturer="KAM") == 1
    assert [r.ownership for r in vault.find("1", "KAM")] == [Ownership.TRANSFERRED, Ownership.UNKNOWN]


@pytest.mark.parametrize(
    ("spelling", "found"),
    [
        ("68140063", True),
        ("68 14 00 63", True),
        ("0100005ee7d5b370", True),
        ("70-B3-D5-E7-5E-00-00-01", True),
        ("00140063", False),
    ],
)
def test_numbers_copied_from_a_frame_are_understood(vault: Vault, spelling: str, found: bool) -> None:
    vault.put([record_of("63001468", dev_eui="70b3d5e75e000001")])
    assert bool(vault.find(spelling)) is found


def test_an_exact_number_comes_before_one_read_backwards(vault: Vault) -> None:
    vault.put([record_of("63001468"), record_of("68140063")])
    assert [r.number for r in vault.find("68140063")] == ["68140063"]
    assert vault.remove("68140063") == 1
    assert vault.remove("68140063") == 0
    assert [r.number for r in vault.records()] == ["63001468"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3001", ["63001468"]),
        ("n-001", ["21N001052"]),
        ("E7-5E-00", ["63001468"]),
        ("MÜLLER", ["63001468"]),
        ("order 47", ["21N001052"]),
        ("b7", []),
        ("batch b", ["63001468"]),
        ("nowhere", []),
        ("", []),
    ],
)
def test_parts_of_numbers_and_texts_are_found(vault: Vault, text: str, numbers: list[str]) -> None:
    vault.put(record_of(number) for number in range(1500))
    vault.put(
        [
            record_of("63001468", dev_eui="70b3d5e75e000001", label="Flat of Müller", batch_reference="Batch B7"),
            record_of("21N001052", serial="21 N 001052", order="order 4711"),
        ]
    )
    assert [record.number for record in vault.search(text)] == numbers


def test_every_role_and_session_key_is_kept_apart(vault: Vault) -> None:
    records = [
        KeyRecord("", role=role, value=key_of(role), dev_eui="70b3d5e75e000001", dev_addr="260b0001")
        for role in KeyRole
        if "lorawan" in role or "dlms" in role
    ]
    assert vault.put(records).new == len(records)
    assert {record.role for record in vault.find("260B0001")} == {record.role for record in records}
    assert vault.put(records).same == len(records)


def test_lint_looks_at_the_whole_store(vault: Vault) -> None:
    vault.put(record_of(number) for number in range(50))
    vault.put(
        [
            record_of(100, value=bytes(16)),
            record_of(101, value=key_of("shared")),
            record_of(102, value=key_of("shared")),
        ]
    )
    assert sorted((f.rule, f.meter) for f in vault.lint()) == [
        ("all_zero", "KAM 00000100"),
        ("shared", "KAM 00000101"),
        ("shared", "KAM 00000102"),
    ]
