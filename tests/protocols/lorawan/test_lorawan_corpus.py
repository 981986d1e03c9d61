"""The LoRaWAN corpus beside the project: every frame, join and flow, and every case of plain arithmetic."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldtool.replay.jsonl import answer
from protocols.learned import LearnedDecoder
from protocols.lorawan import keys as lora
from protocols.lorawan.cipher import (
    close_join_accept,
    crypt_fopts,
    crypt_payload,
    open_join_accept,
    ping_offset,
)
from protocols.lorawan.identifiers import DevAddr, NetId, on_air
from protocols.lorawan.mac_commands import build_mac_commands, parse_mac_commands
from protocols.lorawan.mic import block_0, block_1, data_mic, join_accept_mic_1_1, request_mic, uplink_mic_1_1
from protocols.lorawan.phy import parse_join_accept
from protocols.model import Key

Case = dict[str, Any]
Found = dict[str, Any]

DIRECTIONS = {"up": 0, "down": 1}
FRAMES = {None, "join_request", "join_accept", "rejoin_request", "reject", "join_flow_10", "join_flow_11"}


def key_of(case: Case, role: str) -> Key:
    return Key(bytes.fromhex(case["keys"][role]))


def named(**keys: Key | None) -> Found:
    return {role: key.value.hex() for role, key in keys.items() if key is not None}


def session_10(case: Case) -> Found:
    params = case["params"]
    root = key_of(case, "AppKey" if "AppKey" in case["keys"] else "NwkKey")
    nonce = params.get("app_nonce") or params["join_nonce"]
    found = lora.session_1_0(root, nonce, params["net_id"], int(params["dev_nonce"], 16), "00000000")
    f_key, app_key = found.f_nwk_s_int_key, found.app_s_key
    return named(NwkSKey=f_key, AppSKey=app_key, FNwkSIntKey=f_key, SNwkSIntKey=f_key, NwkSEncKey=f_key)


def session_11(case: Case) -> Found:
    params = case["params"]
    found = lora.session_1_1(
        key_of(case, "NwkKey"),
        key_of(case, "AppKey") if "AppKey" in case["keys"] else None,
        params["join_nonce"],
        params.get("join_eui") or params["join_eui_or_netid"],
        int(params["dev_nonce"], 16),
        "00000000",
    )
    return named(
        FNwkSIntKey=found.f_nwk_s_int_key,
        SNwkSIntKey=found.s_nwk_s_int_key,
        NwkSEncKey=found.nwk_s_enc_key,
        AppSKey=found.app_s_key,
    )


def js(case: Case) -> Found:
    root, dev_eui = key_of(case, "NwkKey"), case["params"]["dev_eui"]
    return named(JSIntKey=lora.js_int_key(root, dev_eui), JSEncKey=lora.js_enc_key(root, dev_eui))


def wor_session(case: Case) -> Found:
    (root,) = (Key(bytes.fromhex(text)) for text in case["keys"].values())
    params = case["params"]
    int_key, enc_key = lora.wor_session_keys(root, params.get("devaddr") or params["dev_addr"])
    return named(WorSIntKey=int_key, WorSEncKey=enc_key)


def root_wor(case: Case) -> Found:
    (key,) = (Key(bytes.fromhex(text)) for text in case["keys"].values())
    return named(RootWorSKey=lora.root_wor_s_key(key))


def mc_session(case: Case) -> Found:
    found = lora.mc_session(key_of(case, "McKey"), case["params"]["mc_addr"])
    return named(McAppSKey=found.app_s_key, McNwkSKey=found.f_nwk_s_int_key)


def mc_key(case: Case) -> Found:
    encrypted = case["params"].get("mc_key_encrypted") or case["hex"]
    return named(McKey=lora.mc_key(key_of(case, "McKEKey"), bytes.fromhex(encrypted)))


def mc_root(version: str) -> Callable[[Case], Found]:
    def derive(case: Case) -> Found:
        (key,) = (Key(bytes.fromhex(text)) for text in case["keys"].values())
        return named(McRootKey=lora.mc_root_key(key, version))

    return derive


def frm_decrypt(case: Case) -> Found:
    params = case["params"]
    arguments = (DIRECTIONS[params["dir"]], on_air(params["devaddr"], 4), params["fcnt32"], bytes.fromhex(case["hex"]))
    return {"plain": crypt_payload(key_of(case, "key").value, *arguments).hex()}


def fopts_decrypt(case: Case) -> Found:
    params = case["params"]
    arguments = (DIRECTIONS[params["dir"]], on_air(params["devaddr"], 4), params["fcnt32"], bytes.fromhex(case["hex"]))
    return {"plain": crypt_fopts(key_of(case, "key").value, *arguments, use=params["a4"]).hex()}


def message_mic(case: Case) -> Found:
    params, data = case["params"], bytes.fromhex(case["hex"])
    wire, fcnt = on_air(params["devaddr"], 4), params["fcnt32"]
    conf_fcnt = params.get("conf_fcnt", 0)
    if case["op"] == "mic_up_11":
        f_key, s_key = (key_of(case, role).value for role in ("FNwkSIntKey", "SNwkSIntKey"))
        b1 = block_1(wire, fcnt, len(data), conf_fcnt, params["tx_dr"], params["tx_ch"])
        return {"mic": uplink_mic_1_1(f_key, s_key, block_0(0, wire, fcnt, len(data)), b1, data).hex()}
    direction = 1 if "down" in case["op"] else 0
    (key,) = (bytes.fromhex(text) for text in case["keys"].values())
    return {"mic": data_mic(key, block_0(direction, wire, fcnt, len(data), conf_fcnt), data).hex()}


def rejoin_accept(case: Case) -> Found:
    params = case["params"]
    plain = open_join_accept(key_of(case, "JSEncKey").value, bytes.fromhex(case["hex"]))
    accept = parse_join_accept(plain)
    mic = join_accept_mic_1_1(
        key_of(case, "JSIntKey").value,
        params["join_req_type"],
        params["join_eui"],
        params["rjcount"],
        plain[0],
        accept.body,
    )
    assert close_join_accept(key_of(case, "JSEncKey").value, plain).hex() == case["hex"]
    return {
        "plain": plain.hex(),
        "mic_ok": mic == accept.mic,
        "mic": mic.hex(),
        "joinnonce": accept.join_nonce,
        "netid": accept.net_id,
        "devaddr": accept.dev_addr.upper(),
        "optneg": accept.opt_neg,
        "rxdelay_s": accept.rx_delay_s,
    }


def net_id(case: Case) -> Found:
    found = NetId.of(case["hex"])
    return {"type": found.type, "id": found.id, "devaddr_prefix": found.dev_addr_prefix.upper()}


def dev_addr(case: Case) -> Found:
    found = DevAddr.of(case["hex"])
    assert found is not None
    return {"type": found.type, "nwkid": found.nwk_id, "nwkaddr": found.nwk_addr}


def mac_commands(case: Case) -> Found:
    data, uplink = bytes.fromhex(case["hex"]), case["params"]["dir"] == "up"
    found = parse_mac_commands(data, uplink=uplink)
    assert found.problem is None
    assert build_mac_commands([(each.name, each.payload) for each in found.commands], uplink=uplink) == data
    each = [{"cid": each.cid, "name": each.name, "payload": each.payload.hex()} for each in found.commands]
    return {"mac_commands": each}


def ping(case: Case) -> Found:
    params = case["params"]
    return {"ping_offset": ping_offset(params["beacon_time"], params["devaddr"], params["period"])}


ARITHMETIC: dict[str, Callable[[Case], Found]] = {
    "derive_session_10": session_10,
    "derive_session_11": session_11,
    "derive_session_11_fallback": session_10,
    "derive_js": js,
    "derive_root_wor": root_wor,
    "derive_wor_session": wor_session,
    "mc_root_from_appkey_11": mc_root("1.1"),
    "mc_root_from_genappkey_10": mc_root("1.0"),
    "mc_root_from_genappkey": mc_root("1.0"),
    "mc_kekey": lambda case: named(McKEKey=lora.mc_ke_key(key_of(case, "McRootKey"))),
    "mc_key": mc_key,
    "mc_session": mc_session,
    "frm_decrypt": frm_decrypt,
    "fopts_decrypt": fopts_decrypt,
    "mic_up_10": message_mic,
    "mic_down_10": message_mic,
    "mic_down_11": message_mic,
    "mic_up_11": message_mic,
    "mic_request": lambda case: {
        "mic": request_mic(key_of(case, "key").value, bytes.fromhex(case["hex"])).hex(),
    },
    "rejoin_accept": rejoin_accept,
    "netid": net_id,
    "devaddr": dev_addr,
    "mac_commands": mac_commands,
    "ping_offset": ping,
}


@pytest.fixture(scope="module")
def cases(conformance_dir: Path) -> list[Case]:
    path = conformance_dir / "lora.dev.jsonl"
    if not path.is_file():
        pytest.skip("the LoRaWAN corpus is not here")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def test_every_case_of_arithmetic(cases: list[Case]) -> None:
    wrong = []
    asked = [case for case in cases if case["kind"] != "payload" and case.get("op") not in FRAMES]
    for case in asked:
        found = ARITHMETIC[case["op"]](case)
        if any(found[name] != value for name, value in case["expected"].items() if name in found):
            wrong.append(case["id"])
        assert found.keys() & case["expected"].keys(), case["id"]
    assert len(asked) > 20
    assert wrong == []


def test_every_frame_join_and_flow(cases: list[Case], conformance_dir: Path) -> None:
    scorer = runpy.run_path(str(conformance_dir / "score_lora.py"))
    asked = [case for case in cases if case["kind"] != "payload" and scorer["scored"](case)]
    missed = []
    for case in asked:
        line = answer(json.dumps(scorer["inputs"](case)), LearnedDecoder()).text
        missed += [(case["id"], what) for what, ok in scorer["check"](case, json.loads(line)) if not ok]
    assert len(asked) > 40
    assert missed == []


def test_mac_commands_and_fopts_in_frames(cases: list[Case], conformance_dir: Path) -> None:
    scorer = runpy.run_path(str(conformance_dir / "score_lora.py"))
    for case in cases:
        commands = case["expected"].get("mac_commands") if case["kind"] == "mac" and not case.get("op") else None
        if commands is None:
            continue
        found = json.loads(answer(json.dumps(scorer["inputs"](case)), LearnedDecoder()).text)["lorawan"]
        each = [{name: command[name] for name in ("cid", "name", "payload")} for command in found["mac_commands"]]
        assert each == commands, case["id"]
