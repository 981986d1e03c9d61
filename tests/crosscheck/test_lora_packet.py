"""Frames built here are read by the lora-packet library (npm), and frames built by it are read here.

Skipped where node or the library is missing: `npm install` in the folder `lora_packet` beside this file brings it.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Acceptance, Message, data_frame, join_accept, join_request
from protocols.lorawan.identifiers import reversed_text
from protocols.lorawan.keys import GivenKeys, SessionKeys, js_enc_key, js_int_key, session_1_0, session_1_1
from protocols.lorawan.phy import DATA, UPLINKS, MType
from protocols.model import Key
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    JOIN_NONCE,
    NET_ID,
    NWK_KEY,
    SESSION_1_0,
    SESSION_1_1,
    hear,
)

WITNESS = Path(__file__).parent / "lora_packet" / "witness.js"
COUNT = 60
NAMES = {
    MType.UNCONFIRMED_DATA_UP: "Unconfirmed Data Up",
    MType.UNCONFIRMED_DATA_DOWN: "Unconfirmed Data Down",
    MType.CONFIRMED_DATA_UP: "Confirmed Data Up",
    MType.CONFIRMED_DATA_DOWN: "Confirmed Data Down",
}
Question = dict[str, Any]


def ask(questions: list[Question]) -> list[dict[str, Any]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, str(WITNESS)], input=json.dumps(questions), capture_output=True, text=True, timeout=60, check=False
    )
    if "Cannot find module 'lora-packet'" in done.stderr:
        pytest.skip("the lora-packet library is not installed: npm install in tests/crosscheck/lora_packet")
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(answers) == len(questions)
    return answers


def hexed(key: Key | None) -> str | None:
    return None if key is None else key.value.hex()


def messages(*, v1_1: bool) -> list[Message]:
    draw = random.Random(11 if v1_1 else 10)
    found = []
    for number in range(COUNT):
        mtype = draw.choice(sorted(DATA))
        # Port 0 of the library's 1.1 uplinks takes ConfFCnt into the MIC without an acknowledgement; leave it out.
        fport = draw.randint(1 if v1_1 else 0, 223)
        found.append(
            Message(
                mtype,
                draw.choice((number, 65_535, 65_536, 0x7FFFFFFF - number)),
                fport,
                draw.randbytes(draw.randint(1, 60)),
                fopts=b"\x02" if v1_1 and mtype in UPLINKS and number % 3 == 0 else b"",
                flags=draw.choice(((), ("ack",), ("adr",))),
                conf_fcnt=draw.randint(0, 65_535),
                data_rate=draw.randint(0, 7),
                channel=draw.randint(0, 15),
            )
        )
    return found


def secrets(keys: SessionKeys, message: Message) -> Question:
    """The keys and counters of a message in the library's places."""
    high = (message.fcnt >> 16).to_bytes(2, "little").hex()
    application = keys.app_s_key if message.fport else keys.nwk_s_enc_key
    if keys.version == "1.0":
        return {"network": hexed(keys.f_nwk_s_int_key), "application": hexed(application), "high": high}
    conf = message.conf_fcnt.to_bytes(2, "little")
    if message.mtype in UPLINKS:
        # The library turns these two bytes round before they go into the block, for uplinks only.
        conf = conf[::-1] + bytes((message.data_rate, message.channel))
    elif "ack" not in message.flags:
        conf = bytes(2)
    return {
        "network": hexed(keys.f_nwk_s_int_key),
        "other": hexed(keys.s_nwk_s_int_key),
        "application": hexed(application),
        "high": high,
        "conf": conf.hex(),
        "fopts_key": hexed(keys.nwk_s_enc_key) if message.fopts else None,
    }


@pytest.mark.parametrize("keys", [SESSION_1_0, SESSION_1_1], ids=["1.0", "1.1"])
def test_the_library_reads_frames_built_here(keys: SessionKeys) -> None:
    asked = messages(v1_1=keys.version == "1.1")
    questions = [{"op": "read", "hex": data_frame(each, keys).hex(), **secrets(keys, each)} for each in asked]
    for message, found in zip(asked, ask(questions), strict=True):
        assert found["mic_ok"] is True, message
        assert found["dev_addr"] == DEV_ADDR
        assert found["mtype"] == NAMES[message.mtype]
        assert found["fport"] == message.fport
        assert found["plaintext"] == message.payload.hex()
        if message.fopts:
            assert found["fopts"] == message.fopts.hex()


@pytest.mark.parametrize("keys", [SESSION_1_0, SESSION_1_1], ids=["1.0", "1.1"])
def test_frames_built_by_the_library_are_read_here(keys: SessionKeys) -> None:
    asked = [each for each in messages(v1_1=keys.version == "1.1") if not each.fopts]
    questions = [
        {
            "op": "build",
            "mtype": NAMES[each.mtype],
            "dev_addr": DEV_ADDR,
            "fcnt": each.fcnt & 0xFFFF,
            "fport": each.fport,
            "payload": each.payload.hex(),
            "adr": "adr" in each.flags,
            "ack": "ack" in each.flags,
            **secrets(keys, each),
        }
        for each in asked
    ]
    for message, found in zip(asked, ask(questions), strict=True):
        data = bytes.fromhex(found["hex"])
        assert data == data_frame(message, keys)
        hints = Hints(fcnt=message.fcnt, conf_fcnt=message.conf_fcnt)
        facts = hear(data, GivenKeys(sessions=(keys,)), hints=hints).telegram.lorawan
        assert facts is not None
        assert facts.mic_ok is True
        assert facts.plaintext == message.payload


def test_joins_and_session_keys() -> None:
    nonce = "1a2b"
    request = join_request(APP_KEY, JOIN_EUI, DEV_EUI, int(nonce, 16))
    accept = join_accept(APP_KEY, Acceptance(JOIN_NONCE, NET_ID, DEV_ADDR))
    device = {"join_eui": JOIN_EUI, "dev_eui": DEV_EUI, "dev_nonce": nonce}
    nonces = {"net_id": NET_ID, "join_nonce": JOIN_NONCE, "dev_nonce": nonce, "app_key": hexed(APP_KEY)}
    built, read, opened, old, new, js = ask(
        [
            {"op": "join", "key": hexed(APP_KEY), **device},
            {"op": "read", "hex": request.hex(), "other": hexed(APP_KEY)},
            {"op": "accept", "hex": accept.hex(), "key": hexed(APP_KEY)},
            {"op": "session", **nonces},
            {"op": "session", **nonces, "join_eui": JOIN_EUI, "nwk_key": hexed(NWK_KEY)},
            {"op": "js", "nwk_key": hexed(NWK_KEY), "dev_eui": DEV_EUI},
        ]
    )
    assert built["hex"] == request.hex()
    assert read == {**read, "mic_ok": True, **device}
    assert reversed_text(DEV_ADDR) in opened["plain"]
    of_1_0 = session_1_0(APP_KEY, JOIN_NONCE, NET_ID, int(nonce, 16), DEV_ADDR)
    assert old == {role: hexed(key) for role, key in of_1_0.all}
    of_1_1 = session_1_1(NWK_KEY, APP_KEY, JOIN_NONCE, JOIN_EUI, int(nonce, 16), DEV_ADDR)
    assert new == {role: hexed(key) for role, key in of_1_1.all}
    assert js == {"JSIntKey": hexed(js_int_key(NWK_KEY, DEV_EUI)), "JSEncKey": hexed(js_enc_key(NWK_KEY, DEV_EUI))}
