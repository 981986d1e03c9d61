"""Key files of LoRaWAN servers, meter files, QR texts and lists of keys."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from keystore.errors import ImportReason, ImportRejected
from keystore.formats import ImportBatch, RowVerdict, open_export, read_export
from keystore.model import KeyRole, Ownership
from tests.keystore.made_up import NOON, key_of

ROOT = key_of("root").hex().upper()
NETWORK = key_of("network").hex().upper()
SESSION = key_of("session").hex().upper()
OTHER = key_of("other").hex().upper()
EUI = "70B3D5E75E000001"
JOIN = "70B3D5E75E0000FF"


def read(text: str, name: str = "devices") -> ImportBatch:
    return read_export(text.encode(), name, imported_at=NOON)


def keys_of(batch: ImportBatch) -> Mapping[KeyRole, str]:
    return {record.role: record.value.hex().upper() for record in batch.ready}


# The Things Stack, CSV.


@pytest.mark.parametrize("delimiter", [";", ","])
def test_the_things_stack_csv(delimiter: str) -> None:
    rows = (
        ("id", "dev_eui", "join_eui", "name", "frequency_plan_id", "lorawan_version", "app_key", "nwk_key", "brand_id"),
        ("eui-1", EUI, JOIN, "", "EU_863_870_TTN", "MAC_V1_0_4", ROOT, "", "maker"),
    )
    batch = read("\ufeff" + "\n".join(delimiter.join(cells) for cells in rows))
    (record,) = batch.ready
    assert (record.source.system, record.role) == ("the_things_stack_csv", KeyRole.LORAWAN_APP_KEY)
    assert (record.dev_eui, record.join_eui, record.label) == (EUI.lower(), JOIN.lower(), "eui-1")
    assert record.value.hex().upper() == ROOT


def test_the_things_stack_calls_the_network_session_key_of_1_0_by_its_new_name() -> None:
    header = "dev_eui;app_eui;lorawan_version;dev_addr;app_s_key;f_nwk_s_int_key"
    old = read(f"{header}\n{EUI};{JOIN};MAC_V1_0_3;260B1234;{SESSION};{NETWORK}\n")
    assert keys_of(old) == {KeyRole.LORAWAN_APP_S_KEY: SESSION, KeyRole.LORAWAN_NWK_S_KEY: NETWORK}
    assert {record.dev_addr for record in old.ready} == {"260b1234"}
    new = read(f"{header}\n{EUI};{JOIN};MAC_V1_1;260B1234;{SESSION};{NETWORK}\n")
    assert keys_of(new)[KeyRole.LORAWAN_F_NWK_S_INT_KEY] == NETWORK


# The Things Stack, JSON.


def test_the_things_stack_json_is_objects_one_after_the_other() -> None:
    devices = [
        {"ids": {"device_id": "a", "dev_eui": EUI, "join_eui": JOIN}, "root_keys": {"app_key": {"key": ROOT}}},
        {
            "ids": {"device_id": "b", "dev_eui": "70B3D5E75E000002"},
            "name": "cellar",
            "session": {"dev_addr": "260B0001", "keys": {"app_s_key": {"key": SESSION}}},
        },
        {"ids": {"device_id": "c"}},
    ]
    batch = read("\n".join(json.dumps(device, indent=1) for device in devices))
    first, second = batch.ready
    assert (first.source.system, first.label, first.source.row) == ("the_things_stack_json", "a", 1)
    assert (second.label, second.dev_addr, second.role) == ("cellar", "260b0001", KeyRole.LORAWAN_APP_S_KEY)
    assert [row.row for row in batch.quarantined] == [3]


def test_json_that_ends_too_early_is_damaged() -> None:
    whole = json.dumps({"ids": {"dev_eui": EUI}, "root_keys": {"app_key": {"key": ROOT}}})
    with pytest.raises(ImportRejected) as caught:
        read(whole + whole[:-3])
    assert caught.value.reason is ImportReason.DAMAGED
    assert ROOT not in repr(caught.value)


# Firefly, Wanesy, Miromico, ChirpStack.


@pytest.mark.parametrize("listed", [True, False], ids=["list", "one after the other"])
def test_firefly_json(listed: bool) -> None:
    device = {"eui": EUI, "application_key": ROOT, "address": "260B1234", "otaa": True, "name": "flat 1", "tags": []}
    text = json.dumps([device, device]) if listed else json.dumps(device) * 2
    batch = read(text)
    assert [record.source.system for record in batch.ready] == ["firefly_json"] * 2
    assert (batch.ready[0].label, batch.ready[0].dev_addr) == ("flat 1", "260b1234")
    assert keys_of(batch) == {KeyRole.LORAWAN_APP_KEY: ROOT}


def test_wanesy_csv_leaves_out_the_leading_zero_of_an_address() -> None:
    header = "devEui,clusterId,clusterName,name,classType,activation,appEui,appKey,dev_addr,NwkSKey,AppSKey"
    batch = read(f"{header}\n{EUI},7,c,flat 1,A,OTAA,{JOIN},{ROOT},60B1234,{NETWORK},{SESSION}\n")
    assert keys_of(batch) == {
        KeyRole.LORAWAN_APP_KEY: ROOT,
        KeyRole.LORAWAN_NWK_S_KEY: NETWORK,
        KeyRole.LORAWAN_APP_S_KEY: SESSION,
    }
    assert {(record.dev_addr, record.source.system) for record in batch.ready} == {("060b1234", "wanesy_csv")}


def test_miromico_csv_with_comments() -> None:
    header = "DADDR,NWKSKEY,APPSKEY,DEUI,APPEUI,APPKEY,CYCLE,NJM"
    batch = read(f"# made today\n{header}\n# one\n260B1234,{NETWORK},{SESSION},{EUI},{JOIN},{ROOT},60,1\n")
    assert len(batch.ready) == 3
    assert keys_of(batch)[KeyRole.LORAWAN_APP_KEY] == ROOT
    assert {(record.source.system, record.source.row) for record in batch.ready} == {("miromico_csv", 4)}


@pytest.mark.parametrize(
    ("nwk_key", "app_key", "expected"),
    [
        (ROOT, "", {KeyRole.LORAWAN_APP_KEY: ROOT}),
        (ROOT, "0" * 32, {KeyRole.LORAWAN_APP_KEY: ROOT}),
        (NETWORK, ROOT, {KeyRole.LORAWAN_NWK_KEY: NETWORK, KeyRole.LORAWAN_APP_KEY: ROOT}),
        ("", ROOT, {KeyRole.LORAWAN_APP_KEY: ROOT}),
    ],
    ids=["1.0", "1.0 with zeros", "1.1", "app_key alone"],
)
def test_chirpstack_keeps_the_app_key_of_1_0_in_nwk_key(
    nwk_key: str, app_key: str, expected: Mapping[KeyRole, str]
) -> None:
    header = "dev_eui,name,application_id,device_profile_id,nwk_key,app_key,description"
    batch = read(f"{header}\n{EUI},flat 1,a,b,{nwk_key},{app_key},x\n")
    assert keys_of(batch) == expected
    assert batch.ready[0].source.system == "chirpstack_csv"


# ThingPark and QR texts.


def test_thingpark_lines_have_no_header() -> None:
    tag = f"LW:D0:{JOIN}:70B3D5E75E000002:01230456"
    batch = read(
        f"CREATE_OTAA,70-B3-D5-E7-5E-00-00-01,,maker/model,{JOIN},{ROOT},,plan\n"
        f"UPDATE_OTAA,{tag},,,,{OTHER}\n"
        f"CREATE_ABP,{EUI},260B1234,model\n"
        f"DELETE,{EUI}\n"
        f"CREATE_OTAA,{EUI},,model,{JOIN},{'A' * 343}=\n"
    )
    first, second = batch.ready
    assert (first.dev_eui, first.join_eui, first.meter_type) == (EUI.lower(), JOIN.lower(), "maker/model")
    assert (second.dev_eui, second.join_eui) == ("70b3d5e75e000002", JOIN.lower())
    assert first.source.system == "thingpark_csv"
    assert [row.row for row in batch.quarantined] == [3, 4, 5]
    assert "CREATE_ABP" in batch.quarantined[0].reason


def test_qr_texts_carry_no_key_but_perhaps_a_token() -> None:
    batch = read(f"LW:D0:{JOIN}:{EUI}:01230456:CABCD:OAB-CD-EF:S21N001052:PX\nLW:D0:{JOIN}:{EUI}:01230456\nhello\n")
    (record,) = batch.ready
    assert (record.role, record.value, record.number) == (KeyRole.CLAIM_TOKEN, b"AB-CD-EF", "21N001052")
    assert record.type_number == "01230456"
    assert "AB-CD-EF" not in repr(batch)
    assert ["no AppKey" in row.reason for row in batch.quarantined] == [True, False]


# wmbusmeters and lists of keys.


def test_a_meter_file_of_wmbusmeters() -> None:
    batch = read(f"# the cellar\nname=MyWater\ndriver=multical21\nid=63001468.M=KAM.V=1b.T=16\nkey={ROOT}\n")
    (record,) = batch.ready
    assert (record.number, record.manufacturer, record.version, record.medium_code) == ("63001468", "KAM", 0x1B, 0x16)
    assert (record.label, record.meter_type, record.source.system) == ("MyWater", "multical21", "wmbusmeters")


@pytest.mark.parametrize("key", ["NOKEY", ""])
def test_a_meter_file_without_a_key_says_that_there_is_none(key: str) -> None:
    (record,) = read(f"name=a\nid=63001468\nkey={key}\n").ready
    assert record.no_key


def test_several_meter_files_in_a_row() -> None:
    text = (
        f"name=a\nid=00000001,00000002\nkey={ROOT}\n\nname=b\ntype=auto\nid=12*\nkey={ROOT}\nname=c\nkey={ROOT}\nwhat\n"
    )
    batch = read(text)
    assert [record.number for record in batch.ready] == ["00000001", "00000002"]
    assert {row.row: row.reason.split(":")[0] for row in batch.quarantined} == {
        5: "the id is not a single identification number",
        9: "the meter has no id",
        11: "the line is not a setting (name=value)",
    }


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_maker_number_key_with_parts_left_out(delimiter: str) -> None:
    lines = (("KAM", "63001468", ROOT), ("63001469", OTHER), ("", "63001470", NETWORK), ("", "", SESSION), (SESSION,))
    batch = read("".join(delimiter.join(line) + "\r\n" for line in lines))
    assert [(record.manufacturer, record.number) for record in batch.ready] == [
        ("KAM", "63001468"),
        (None, "63001469"),
        (None, "63001470"),
    ]
    assert [row.loose_key.hex().upper() for row in batch.quarantined] == [SESSION, SESSION]
    assert SESSION.lower() not in repr(batch)


def test_a_list_of_keys_alone_can_only_be_tried() -> None:
    batch = read(f"{ROOT}\n{OTHER}\nnonsense\nKAM;63001468;{ROOT};x\n")
    assert batch.ready == ()
    assert [bool(row.loose_key) for row in batch.rows] == [True, True, False, False]
    assert all(row.verdict is RowVerdict.QUARANTINED for row in batch.rows)


# The lists of key management portals.


def test_a_portals_serials_are_neither_padded_nor_separated() -> None:
    header = "Serial number;Device type;Claim status;Label;Batch reference;DevEUI;JoinEUI;AppKey;OMS key"
    rows = [f"{serial};type;CLAIMED;-;B7;;;;{ROOT}" for serial in ("21N001052", "9999990", "Y20TA010056", "9'999'991")]
    rows.append("21N001064;type;UNCLAIMED;-;B7;;;;")
    batch = read("\n".join([header, *rows]))
    assert [record.number for record in batch.ready] == ["21N001052", "9999990", "Y20TA010056", "9999991", "21N001064"]
    assert {record.ownership for record in batch.ready[:4]} == {Ownership.CLAIMED}
    assert (batch.ready[4].ownership, batch.ready[4].has_key) == (Ownership.UNCLAIMED, False)
    assert {record.source.system for record in batch.ready} == {"elvaco_csv"}


@pytest.mark.parametrize(
    "header",
    ["id;dev_eui;app_key", "id,dev_eui,join_eui,app_key", "ID;DEV_EUI;join_eui;name;nwk_key;app_key", "dev_eui;id"],
)
def test_a_minimal_table_of_the_things_stack(header: str) -> None:
    values = {"id": "one", "dev_eui": "0123456789abcdef", "join_eui": "70b3d57ed0000001", "name": "cellar"}
    delimiter = ";" if ";" in header else ","
    names = header.casefold().split(delimiter)
    row = delimiter.join(values.get(name, "AB" * 16) for name in names)
    stream = open_export(f"{header}\n{row}\n".encode(), "x")
    assert stream.source.system == "the_things_stack_csv"


@pytest.mark.parametrize("header", ["dev_eui;app_key", "id;dev_eui;oms_key", "id;serial;app_key"])
def test_other_tables_stay_tables(header: str) -> None:
    row = ";".join("0123456789abcdef" if name == "dev_eui" else "63001468" for name in header.split(";")[:-1])
    stream = open_export(f"{header}\n{row};{'AB' * 16}\n".encode(), "x")
    assert stream.source.system == "csv"


@pytest.mark.parametrize(
    "names", ["dev_eui,dev_addr,nwk_s_key,app_s_key", "id;dev_eui;lorawan_version;app_key;oms_key"]
)
def test_a_servers_table_never_drops_a_column_of_keys(names: str) -> None:
    delimiter = ";" if ";" in names else ","
    cells = {"dev_eui": EUI, "dev_addr": "260B1234", "id": "one", "lorawan_version": "MAC_V1_0_3"}
    columns = names.split(delimiter)
    keys = [name for name in columns if name not in cells]
    values = dict(zip(keys, (NETWORK, SESSION), strict=True)) | cells
    batch = read(f"{names}\n{delimiter.join(values[name] for name in columns)}\n")
    assert {record.value.hex().upper() for record in batch.ready} == {NETWORK, SESSION}
    assert {record.dev_eui for record in batch.ready} == {EUI.lower()}


@pytest.mark.parametrize("text", ['{"foo": [1, 2]}', '[{"a": 1}]', '{"foo": ', "[[1]]", " \n{}", '\ufeff{"a": "b"}'])
def test_unknown_json_is_told_as_json(text: str) -> None:
    with pytest.raises(ImportRejected, match="is JSON, but not a known list of devices") as refused:
        open_export(text.encode(), "keys.json").read()
    assert refused.value.reason is ImportReason.UNKNOWN_FORMAT


@pytest.mark.parametrize(
    "line",
    [
        *(f"KAM;63001468;{'-'.join(ROOT[i : i + 2] for i in range(0, 32, 2))}", f"KAM;63001468;{ROOT};"),
        *(f"KAM 63001468 {ROOT}", f"63001468  {ROOT.lower()}", f"KAM|63001468|{ROOT}", f"Flat 3;63001468;{ROOT}"),
        f"63001468 {' '.join(ROOT[i : i + 8] for i in range(0, 32, 8))}",
    ],
    ids=["hyphens", "delimiter at the end", "blanks", "number and key", "bars", "no maker", "grouped"],
)
def test_lines_of_maker_number_and_key_as_mails_have_them(line: str) -> None:
    (record,) = read(f"{line}\n").ready
    assert (record.number, record.value.hex().upper()) == ("63001468", ROOT)


def test_a_first_line_without_a_key_keeps_the_others_in() -> None:
    batch = read(f"KAM;63001468;\nKAM;63001469;{ROOT}\nKAM;63001470;{ROOT[:-1]}\n")
    assert [record.number for record in batch.ready] == ["63001469"]
    assert [row.reason for row in batch.rows if row.reason] == [
        "no key",
        "the key has 31 hex digits, not 16, 32, 48, 64",
    ]


@pytest.mark.parametrize("title", ["Exp 20261120 meters of the week", "Exp;20261120;Stadtwerke", "Exp;20261120;7"])
def test_a_title_before_a_table_is_no_line_of_maker_number_and_key(title: str) -> None:
    batch = read(f"{title}\nSerial number;AES key\n63001468;{ROOT}\n")
    assert [(record.number, record.source.system) for record in batch.ready] == [("63001468", "csv")]


def test_a_key_in_groups_alone_is_no_number_and_key() -> None:
    (row,) = read(f"{' '.join(ROOT[i : i + 8] for i in range(0, 32, 8))}\n").rows
    assert row.loose_key.hex().upper() == ROOT


def test_the_things_stack_json_tells_the_session_keys_of_1_1_apart() -> None:
    keys = {"f_nwk_s_int_key": {"key": NETWORK}, "s_nwk_s_int_key": {"key": OTHER}, "nwk_s_enc_key": {"key": SESSION}}
    device = {
        "ids": {"device_id": "a", "dev_eui": EUI, "join_eui": JOIN},
        "lorawan_version": "MAC_V1_1",
        "session": {"dev_addr": "260B1234", "keys": keys},
    }
    assert keys_of(read(json.dumps(device))) == {
        KeyRole.LORAWAN_F_NWK_S_INT_KEY: NETWORK,
        KeyRole.LORAWAN_S_NWK_S_INT_KEY: OTHER,
        KeyRole.LORAWAN_NWK_S_ENC_KEY: SESSION,
    }
    old = {**device, "lorawan_version": "MAC_V1_0_3"}
    assert keys_of(read(json.dumps(old))) == {KeyRole.LORAWAN_NWK_S_KEY: NETWORK}


def test_a_qr_text_with_a_wrong_eui_is_quarantined_without_its_token() -> None:
    (row,) = read(f"LW:D0:{JOIN}:{EUI[:-1]}:AABB1122:OSECRET\n").rows
    assert row.reason == "the line is not the text of a LoRaWAN QR code (LW:D0:...)"
    assert "SECRET" not in f"{row.said}{row.meter}"
