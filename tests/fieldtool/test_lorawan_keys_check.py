"""`keys check` of LoRaWAN devices: the MIC is the proof, and a key filed for another device is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from fieldtool.keys.lorawan_check import FRAMES_AN_ADDRESS
from keystore.vault import Vault
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.keys import SessionKeys
from protocols.lorawan.phy import MType
from tests.fieldtool.conftest import PASSPHRASE, Run
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    NWK_KEY,
    SESSION_1_0,
    SESSION_1_1,
    joining_1_0,
    uplink,
)

OTHER_EUI = "0123456789abcde0"
COLUMNS = ("id", "dev_eui", "join_eui", "app_key", "nwk_key", "dev_addr", "app_s_key", "f_nwk_s_int_key")


def file_keys(run: Run, folder: Path, **members: str) -> None:
    """File a device as The Things Stack exports it."""
    path = folder / "devices.csv"
    row = {"id": "one", "dev_eui": DEV_EUI, **members}
    path.write_text(";".join(COLUMNS) + "\n" + ";".join(row.get(name, "") for name in COLUMNS) + "\n")
    assert run("keys", "import", path).code == 0


def session(keys: SessionKeys, *, swapped: bool = False) -> dict[str, str]:
    assert keys.f_nwk_s_int_key is not None
    assert keys.app_s_key is not None
    pair = [keys.f_nwk_s_int_key.value.hex(), keys.app_s_key.value.hex()]
    network, app = reversed(pair) if swapped else pair
    return {"dev_addr": keys.dev_addr, "f_nwk_s_int_key": network, "app_s_key": app}


def capture(folder: Path, *frames: bytes) -> Path:
    path = folder / "heard.hex"
    path.write_text("".join(f";;SF7;{data.hex()}\n" for data in frames))
    return path


def checked(run: Run, path: Path, *more: str) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in run("keys", "check", "--json", "--capture", path, *more).lines]
    return {line["meter"]["dev_eui"] or line["meter"]["dev_addr"]: line for line in lines}


def test_packets_that_came_together_are_all_held_against_the_keys(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, **session(SESSION_1_0))
    packets = [
        {"freq": 868.5, "datr": "SF7BW125", "data": base64.b64encode(data).decode()}
        for data in (bytes.fromhex("40F17DBE4900020001954378762B11FF0D"), uplink(70_000))
    ]
    path = tmp_path / "gateway.json"
    for text in (json.dumps({"rxpk": packets}), json.dumps([{"rxpk": packets}], indent=2)):
        path.write_text(text)
        found = checked(run, path)
        assert found[DEV_EUI]["state"] == "fits"
        assert "49be7df1" in found


def test_one_frame_proves_a_key(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, **session(SESSION_1_0))
    path = capture(tmp_path, uplink(70_000))
    ran = run("keys", "check", "--capture", path)
    assert ran.code == 0
    assert f"{DEV_EUI} ✓ fits" in ran.out
    assert "NwkSKey" in ran.out
    assert "once in 4,294,967,296" in ran.out
    assert "1 meter, all in order" in ran.err
    assert checked(run, path)[DEV_EUI]["meter"] == {"dev_eui": DEV_EUI, "dev_addr": DEV_ADDR}


def test_a_join_and_its_uplinks_prove_a_root_key(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, app_key=APP_KEY.value.hex())
    request, accept, keys = joining_1_0(1)
    frames = [uplink(fcnt, keys) for fcnt in range(2 * FRAMES_AN_ADDRESS)]
    found = checked(run, capture(tmp_path, request, accept, *frames))
    assert (found[DEV_EUI]["state"], found[DEV_EUI]["telegrams"]) == ("fits", 2 + FRAMES_AN_ADDRESS)
    assert "AppKey" in found[DEV_EUI]["detail"]


def test_what_is_filed_wrongly_is_told_with_what_to_do(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, **session(SESSION_1_0, swapped=True))
    found = checked(run, capture(tmp_path, uplink(1)))
    (one,) = found.values()
    assert one["state"] == "wrong"
    assert "swap NwkSKey and AppSKey" in one["detail"]


def test_a_lone_network_key_asks_for_the_other(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, **{**session(SESSION_1_0), "app_s_key": ""})
    found = checked(run, capture(tmp_path, uplink(1)))
    assert found[DEV_EUI]["state"] == "missing"
    assert "AppSKey" in found[DEV_EUI]["detail"]


def test_a_root_key_of_another_device_is_found_and_filed_after_a_yes(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, dev_eui=OTHER_EUI, app_key=APP_KEY.value.hex())
    path = capture(tmp_path, joining_1_0(1)[0])
    one = checked(run, path)[DEV_EUI]
    assert (one["state"], one["filed_for"], one["assignable"]) == ("found", f"DevEUI {OTHER_EUI}", True)
    assert "by chance a wrong key does so once in 4,294,967,296" in one["detail"]
    ran = run("keys", "check", "--capture", path, "--assign", "--yes")
    assert f"for DevEUI {DEV_EUI}" in ran.err
    assert APP_KEY.value.hex() not in (ran.out + ran.err).lower()
    assert checked(run, path)[DEV_EUI]["state"] == "fits"
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        (record,) = vault.device_records(DEV_EUI)
    assert (record.role, record.join_eui, record.source.system) == ("lorawan_app_key", JOIN_EUI, "keys check")


def test_session_keys_of_another_address_are_found_and_not_filed(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, **{**session(SESSION_1_0), "dev_addr": "26012f4b"})
    one = checked(run, capture(tmp_path, uplink(70_000)), "--assign", "--yes")[DEV_ADDR]
    assert (one["state"], one["filed_for"], one["assignable"]) == ("found", "DevAddr 26012f4b", False)


def test_a_device_that_nothing_fits_needs_attention(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, dev_eui=OTHER_EUI, app_key=NWK_KEY.value.hex(), **session(SESSION_1_1))
    path = capture(tmp_path, joining_1_0(1)[0], data_frame(Message(MType.UNCONFIRMED_DATA_UP, 1, 1, b"x"), _FOREIGN))
    found = checked(run, path)
    assert {one["state"] for one in found.values()} == {"missing"}
    assert set(found) == {DEV_EUI, _FOREIGN.dev_addr}
    assert "2 meters, 2 need attention" in run("keys", "check", "--capture", path).err


_FOREIGN = SessionKeys.of_1_0("26aaaaaa", NWK_KEY, APP_KEY)


def test_kept_sessions_are_gone_on_with_and_not_touched(run: Run, store: Path, tmp_path: Path) -> None:
    file_keys(run, tmp_path, app_key=APP_KEY.value.hex())
    request, accept, keys = joining_1_0(1)
    assert run("replay", capture(tmp_path, request, accept)).code == 0
    path = capture(tmp_path, uplink(5, keys))
    assert checked(run, path)[DEV_EUI]["state"] == "fits"
    assert checked(run, path)[DEV_EUI]["state"] == "fits"


def test_damaged_and_empty_frames_are_no_devices(run: Run, store: Path, tmp_path: Path) -> None:
    path = tmp_path / "noise.hex"
    path.write_text(";;SF7;40\n;;SF7;4001020304\n;;SF7;e0aabbccddee\n;;SF7;2011\n")
    ran = run("keys", "check", "--capture", path)
    assert ran.code == 2
    assert "no meter was heard" in ran.err
