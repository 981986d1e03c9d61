"""LoRaWAN requests of `decode --jsonl`, and LoRaWAN telegrams as JSON, as lines and explained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fieldtool.export.explain import explain, summary
from fieldtool.export.lines import telegram_line
from fieldtool.replay.jsonl import answer
from protocols.learned import LearnedDecoder
from protocols.lorawan.cipher import open_join_accept
from protocols.lorawan.encode import (
    Acceptance,
    Asked,
    Message,
    data_frame,
    join_accept,
    join_request,
)
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import GivenKeys, SessionKeys, js_int_key, session_1_1
from protocols.lorawan.phy import MType
from protocols.model import Key, Link, RawFrame

NETWORK, APPLICATION = bytes(range(16)), bytes(range(16, 32))
KEYS = {"nwk_s_key": NETWORK.hex(), "app_s_key": APPLICATION.hex()}
SESSION = SessionKeys.of_1_0("26012f4a", Key(NETWORK), Key(APPLICATION))
UPLINK = data_frame(Message(MType.CONFIRMED_DATA_UP, 65_543, 2, b"\x01\x02", b"\x02", ("adr",)), SESSION)
MEMBERS = {
    "mtype", "dev_addr", "dev_eui", "join_eui", "dev_nonce", "join_nonce", "net_id", "fcnt", "fport", "mic_ok",
    "plaintext",
}  # fmt: skip


def ask(**request: object) -> dict[str, Any]:
    line = answer(json.dumps({"id": "x", "link": "lorawan", **request}), LearnedDecoder())
    found: dict[str, Any] = json.loads(line.text)
    assert found["id"] == "x"
    assert found["ok"] is line.ok
    return found


def test_uplink_with_session_keys() -> None:
    found = ask(hex=UPLINK.hex(), keys=KEYS)
    lorawan = found["lorawan"]
    assert lorawan.keys() >= MEMBERS
    assert (lorawan["mtype"], lorawan["fcnt"], lorawan["fport"]) == ("ConfirmedDataUp", 65_543, 2)
    assert (lorawan["mic_ok"], lorawan["plaintext"]) == (True, "0102")
    assert lorawan["mac_commands"] == [{"cid": 2, "name": "LinkCheckReq", "payload": "", "fields": {}}]
    assert (found["security"]["fcnt"], found["security"]["mic"]) == (65_543, "verified")
    assert found["meter"]["dev_addr"] == "26012f4a"
    assert found["security"]["authenticated"] is True


def test_join_flow_in_prior() -> None:
    root, app = Key(NETWORK), Key(APPLICATION)
    dev_eui, join_eui = "0123456789abcdef", "70b3d57ed0000001"
    request = join_request(root, join_eui, dev_eui, 7)
    accept = join_accept(
        root,
        Acceptance("000009", "000013", "26012f4a", opt_neg=True),
        js_int_key(root, dev_eui),
        Asked(join_eui, 7),
    )
    session = session_1_1(root, app, "000009", join_eui, 7, "26012f4a")
    uplink = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 0, 7, b"\x25", b"\x0b\x01", data_rate=3, channel=2), session)
    keys = {"nwk_key": NETWORK.hex(), "app_key": APPLICATION.hex()}
    found = ask(hex=uplink.hex(), keys=keys, lorawan="1.1", prior=[request.hex(), accept.hex()])["lorawan"]
    assert (found["mic_ok"], found["plaintext"], found["dev_eui"]) == (True, "25", dev_eui)
    assert found["version"] == "1.1"


def test_version_follows_from_the_roles() -> None:
    roles = ("f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key", "app_s_key")
    texts = {role: bytes([number] * 16).hex() for number, role in enumerate(roles, start=1)}
    f_key, s_key, enc_key, app_key = (Key(bytes.fromhex(text)) for text in texts.values())
    keys = SessionKeys("26012f4a", f_key, s_key, enc_key, app_key, "1.1")
    data = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 3, 2, b"\x01", data_rate=5, channel=1), keys)
    for version in (None, "1.0", "1.1"):
        found = ask(hex=data.hex(), keys=texts, lorawan=version)["lorawan"]
        assert (found["mic_ok"], found["version"]) == (True, "1.1")
    as_1_0 = data_frame(
        Message(MType.UNCONFIRMED_DATA_UP, 3, 2, b"\x01"), SessionKeys.of_1_0("26012f4a", f_key, app_key)
    )
    assert ask(hex=as_1_0.hex(), keys=texts, lorawan="1.0")["lorawan"]["version"] == "1.0"


def test_accept_in_plain_needs_the_integrity_key_alone() -> None:
    root = Key(NETWORK)
    asked = Asked("70b3d57ed0000001", 7)
    key = js_int_key(root, "0123456789abcdef")
    accept = join_accept(root, Acceptance("000009", "000013", "26012f4a", opt_neg=True), key, asked)
    request = {
        "hex": open_join_accept(NETWORK, accept).hex(),
        "keys": {"js_int_key": key.value.hex()},
        "plaintext_input": True,
        "join_eui": asked.join_eui,
        "dev_nonce": asked.dev_nonce,
        "join_req_type": 255,
    }
    found = ask(**request)["lorawan"]
    assert (found["mic_ok"], found["join_nonce"], found["dev_addr"]) == (True, "000009", "26012f4a")
    assert ask(**{**request, "dev_nonce": 8})["lorawan"]["mic_ok"] is False


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"hex": UPLINK.hex(), "keys": {"app_skey": NETWORK.hex()}}, "is no role"),
        ({"hex": UPLINK.hex(), "keys": [NETWORK.hex()]}, "must be an object"),
        ({"hex": UPLINK.hex(), "keys": {"app_s_key": "00"}}, "app_s_key"),
        ({"hex": UPLINK.hex(), "keys": {"app_s_key": 7}}, "app_s_key"),
        ({"hex": UPLINK.hex(), "lorawan": "2.0"}, "lorawan"),
        ({"hex": UPLINK.hex(), "fcnt32": -1}, "fcnt32"),
        ({"hex": UPLINK.hex(), "fcnt32": True}, "fcnt32"),
        ({"hex": UPLINK.hex(), "join_eui": "12"}, "join_eui"),
        ({"hex": UPLINK.hex(), "plaintext_input": "yes"}, "plaintext_input"),
        ({"hex": UPLINK.hex(), "prior": ["xy"]}, "prior 1"),
        ({"hex": 7}, "hex"),
    ],
)
def test_requests_that_are_none(request_: dict[str, object], said: str) -> None:
    found = ask(**request_)
    assert found["ok"] is False
    assert said in found["problem"]
    assert NETWORK.hex() not in json.dumps(found)


def test_payload_decrypted_elsewhere() -> None:
    found = ask(link="lorawan-payload", hex="0102", fport=3, dev_eui="01-23-45-67-89-AB-CD-EF")
    assert found["lorawan"]["dev_eui"] == "0123456789abcdef"
    assert found["lorawan"]["fport"] == 3
    assert found["security"]["already_decrypted"] is True


def test_payload_of_no_known_meter_says_what_is_missing() -> None:
    found = ask(link="lorawan-payload", hex="0102")
    assert found["problem"] == "2 bytes of a device whose payloads are not known"
    found = ask(link="lorawan-payload", hex="0102", fport=3, profile="exa-\x1b-1")
    assert found["problem"].startswith("2 bytes on FPort 3 of a device whose payloads are not known")
    assert "no meter is called exa-" in found["problem"]
    assert "\x1b" not in found["problem"]


def test_wireless_mbus_lines_have_no_lorawan() -> None:
    found = json.loads(answer(json.dumps({"hex": "0e44"}), LearnedDecoder()).text)
    assert "lorawan" not in found


def test_learning_decoder_follows_sessions() -> None:
    decoder = LearnedDecoder(lorawan=LorawanFollower(GivenKeys(sessions=(SESSION,))))
    telegram = decoder.decode(RawFrame(UPLINK, link=Link.LORAWAN))
    assert telegram.lorawan is not None
    assert telegram.lorawan.mic_ok is True
    assert [session.fcnt_up for session in decoder.lorawan.sessions.at("26012f4a")] == [65_543]
    assert decoder.sight(RawFrame(UPLINK, link=Link.LORAWAN)).outcome is telegram.outcome


def test_explained_byte_by_byte() -> None:
    decoder = LearnedDecoder(lorawan=LorawanFollower(GivenKeys(sessions=(SESSION,))))
    telegram = decoder.decode(RawFrame(UPLINK, link=Link.LORAWAN))
    text = explain(telegram)
    for words in ("MHDR", "DevAddr", "The Things Network", "LinkCheckReq", "FPort", "integrity code, fits", "65543"):
        assert words in text
    assert "26012f4a" in summary(telegram)
    assert "26012f4a" in telegram_line(telegram)
    assert NETWORK.hex() not in text
