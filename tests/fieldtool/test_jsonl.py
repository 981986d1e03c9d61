"""`decode --jsonl`: one answer for every line, whatever the line holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from Crypto.Cipher import DES
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.replay.jsonl import answer
from protocols.captures.hex_lines import LINE_LIMIT
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import KeyLookup, RawFrame
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run
from tests.fieldtool.test_pipeline import compact_and_full

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = {
    "ok", "outcome", "problem", "verdict", "received", "meter", "link_address", "message", "security", "status",
    "profile", "readings", "notes", "findings", "hex",
}  # fmt: skip


def ask(request: object, decoder: LearnedDecoder | None = None) -> dict[str, Any]:
    line = request if isinstance(request, str) else json.dumps(request)
    answered = answer(line, decoder or LearnedDecoder())
    assert "\n" not in answered.text
    shown = json.loads(answered.text)
    assert isinstance(shown, dict)
    assert shown["ok"] is answered.ok
    assert set(shown) - {"id"} == MEMBERS
    return shown


@pytest.mark.parametrize(
    "request_",
    [
        {"id": 1, "hex": GAS_HEX, "key": GAS_KEY},
        {"id": 1, "hex": GAS_HEX.lower(), "keys": [GAS_KEY]},
        {"id": 1, "hex": GAS_HEX, "keys": ["00" * 16, GAS_KEY]},
        {"id": 1, "hex": f"0x{GAS_HEX}", "key": f"0x{GAS_KEY.lower()}", "prior": None, "keys": None},
        {"id": 1, "hex": GAS_HEX, "key": GAS_KEY, "class": "standard", "expected": {"nested": [1.5, None]}},
        {"id": 1, "hex": GAS_HEX, "key": GAS_KEY, "prior": ["00", GAS_HEX]},
    ],
)
def test_requests(request_: dict[str, object]) -> None:
    shown = ask(request_)
    assert (shown["id"], shown["outcome"]) == (1, "ok")
    assert shown["readings"][0]["value"] == 28504.27


def test_a_default_key_is_another_programs_affair() -> None:
    assert ask({"hex": GAS_HEX, "default_key": GAS_KEY})["outcome"] == "no_key"


def test_keys_of_one_line_stay_with_it() -> None:
    decoder = LearnedDecoder()
    assert ask({"hex": GAS_HEX, "key": GAS_KEY}, decoder)["ok"]
    assert ask({"hex": GAS_HEX}, decoder)["outcome"] == "no_key"


@pytest.mark.parametrize("id_", ["a", 7, None, 1.5, True, [1, {"x": "\u202e"}], {"a": 1}, "\ud800", 10**30])
def test_the_id_passes_through(id_: object) -> None:
    assert ask({"id": id_, "hex": "zz"})["id"] == id_
    assert ask({"id": id_, "hex": GAS_HEX})["id"] == id_


def test_a_byte_order_mark_in_front_is_passed_over() -> None:
    assert ask("\ufeff" + json.dumps({"id": 1, "hex": "E5"}))["ok"]


def test_without_an_id_there_is_none() -> None:
    assert "id" not in ask({"hex": GAS_HEX})


HOSTILE: list[tuple[str, str]] = [
    ("", "the line is empty"),
    ("   ", "the line is empty"),
    ("\ufeff", "the line is empty"),
    ("{", "not JSON"),
    ("null", "no JSON object"),
    ("[]", "no JSON object"),
    ('"text"', "no JSON object"),
    ("1" * 5000, "a number of more than 4300 digits"),
    ('{"id": "\x00"}', "not JSON: Invalid control character at character 9"),
    ("[" * 100_000, "not JSON: nested too deeply"),
    ('{"id": ' + "[" * 400 + "]" * 400 + ', "hex": "0"}', "odd number"),
    ('{"id": NaN, "hex": ""}', "id: holds a number"),
    ('{"id": 1e999, "hex": ""}', "id: holds a number"),
    ("{}", "hex: missing"),
    ('{"hex": null}', "hex: missing"),
    ('{"hex": ""}', "hex: there are no hex digits"),
    ('{"hex": "123"}', "odd number of hex digits"),
    ('{"hex": "12 3g"}', "not a hex digit"),
    ('{"hex": 1234}', "hex: must be a string"),
    ('{"hex": ["12"]}', "hex: must be a string"),
    ('{"hex": {"a": 1}}', "hex: must be a string"),
    ('{"hex": "00", "key": "12"}', "key 1: 2 hex digits"),
    ('{"hex": "00", "key": 5}', "key 1: must be a string"),
    ('{"hex": "00", "keys": "00"}', "keys: must be a list"),
    ('{"hex": "00", "keys": ["x"]}', "key 1:"),
    ('{"hex": "00", "keys": [null]}', "key 1: must be a string"),
    ('{"hex": "00", "keys": ' + json.dumps(["00" * 16] * 65) + "}", "keys: 65 are too many"),
    ('{"hex": "00", "prior": "00"}', "prior: must be a list"),
    ('{"hex": "00", "prior": [5]}', "prior 1: must be a string"),
    ('{"hex": "00", "prior": ["0"]}', "prior 1: odd number"),
    ('{"hex": "00", "already_decrypted": "yes"}', "already_decrypted: must be"),
    ('{"hex": "00", "link": ["lorawan"]}', "link: must be a string"),
    ('{"hex": "00", "link": {"lorawan": 1}}', "link: must be a string"),
    ('{"hex": "\x00"}', "not JSON"),
    ("\ufffd\ufffd", "not JSON"),
    ("{" + " " * LINE_LIMIT + "}", "longer than"),
]


@pytest.mark.parametrize(("line", "problem"), HOSTILE, ids=[f"line {n}" for n in range(len(HOSTILE))])
def test_hostile_lines(line: str, problem: str) -> None:
    shown = ask(line)
    assert shown["outcome"] == "damaged"
    assert problem in shown["problem"]
    assert shown["readings"] == []


def test_a_refused_key_is_not_repeated() -> None:
    for key in ("secret-0123456789abcdef", GAS_KEY + "AA", GAS_KEY[:-1]):
        shown = ask({"hex": GAS_HEX, "key": key})
        assert not shown["ok"]
        assert key[:6].lower() not in json.dumps(shown).replace(GAS_HEX, "").lower()


@given(st.text(max_size=200))
def test_any_text_has_one_answer(line: str) -> None:
    ask(line)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "hex", "key", "keys", "link", "prior", "already_decrypted", "x"]), _ANY))
def test_any_object_has_one_answer(request_: dict[str, object]) -> None:
    ask(request_)


@given(st.binary(max_size=300))
def test_any_frame_has_one_answer(data: bytes) -> None:
    assert ask({"id": 1, "hex": data.hex(), "key": GAS_KEY})["id"] == 1


def test_earlier_telegrams_teach_formats(frames: tuple[RawFrame, ...], scenario_keys: KeyLookup) -> None:
    compact, full = compact_and_full(frames, scenario_keys)
    request = {"hex": compact[0].data.hex()}
    unlearned = LearnedDecoder(scenario_keys, formats=FormatLibrary())
    assert ask(request, unlearned)["outcome"] == "unsupported"
    assert ask({**request, "prior": [full[0].data.hex()]}, unlearned)["outcome"] == "ok"
    assert ask(request, unlearned)["outcome"] == "ok"


def test_payloads_that_were_decrypted_before(run: Run) -> None:
    gas = bytes.fromhex(GAS_HEX)
    plain = gas[:15] + bytes.fromhex("2F2F0C1427048502046D32371F1502FD1700002F2F2F2F2F2F2F2F2F2F2F2F2F")
    assert ask({"hex": plain.hex()})["outcome"] == "no_key"
    assert ask({"hex": plain.hex(), "already_decrypted": True})["readings"][0]["value"] == 28504.27
    assert ask({"hex": plain.hex()}, LearnedDecoder(already_decrypted=True))["ok"]
    ran = run("decode", "--jsonl", "--already-decrypted", stdin=json.dumps({"hex": plain.hex()}).encode())
    assert json.loads(ran.out)["ok"] is True
    assert ran.code == 0


def test_one_line_out_for_each_line_in_and_in_order() -> None:
    lines = [line.encode("utf-8", "surrogatepass") for line, _ in HOSTILE if "\x00" not in line]
    lines += [
        b"\xff\xfe not utf-8",
        b'{"id": "last", "hex": "' + GAS_HEX.encode() + b'", "key": "' + GAS_KEY.encode() + b'"}',
    ]
    for end in (b"", b"\n"):
        done = subprocess.run(
            [sys.executable, "-m", "fieldtool", "decode", "--jsonl"],
            input=b"\r\n".join(lines) + end, capture_output=True, cwd=ROOT, timeout=60, check=False,
        )  # fmt: skip
        out = done.stdout.decode("ascii").split("\n")
        assert out.pop() == ""
        assert len(out) == len(lines)
        assert [json.loads(line)["ok"] for line in out] == [False] * (len(lines) - 1) + [True]
        assert json.loads(out[-1])["id"] == "last"
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr


DES_FRAME = "1E449315785634123303" + "7A2A001003"
DES_ADDRESS = bytes.fromhex("785634129315")
DES_KEY = bytes.fromhex("0102030405060708")


def mode_3_frame() -> str:
    """A volume under DES, with the day on which it was sent, 2026-11-20, in the initial vector."""
    plain = bytes.fromhex("2F2F0413E8030000") + b"\x2f" * 8
    vector = DES_ADDRESS + bytes.fromhex("543B")
    return DES_FRAME + DES.new(DES_KEY, DES.MODE_CBC, vector).encrypt(plain).hex()  # noqa: S304


@pytest.mark.parametrize(
    ("at", "received"),
    [
        ("2026-11-20T08:15:30Z", "2026-11-20T08:15:30.000Z"),
        ("2026-11-20 08:15:30", "2026-11-20T08:15:30.000Z"),
        ("2026-11-21T00:15:30.5+02:00", "2026-11-20T22:15:30.500Z"),
    ],
)
def test_a_receive_time_opens_security_mode_3(at: str, received: str) -> None:
    shown = ask({"hex": mode_3_frame(), "key": DES_KEY.hex(), "at": at, "prior": [GAS_HEX, mode_3_frame()]})
    assert shown["ok"]
    assert shown["readings"][0]["value"] == 1
    assert shown["received"]["at"] == received


def test_without_a_receive_time_security_mode_3_says_what_is_missing() -> None:
    shown = ask({"hex": mode_3_frame(), "key": DES_KEY.hex(), "at": None})
    assert "needs the day on which the frame was received" in shown["problem"]


@pytest.mark.parametrize(
    "at", [1763626530, True, "", "today", "2026-13-01T00:00:00Z", "x 2026-11-20T08:15:30Z", [], "é"]
)
def test_a_receive_time_that_is_none_is_named(at: object) -> None:
    shown = ask({"hex": GAS_HEX, "key": GAS_KEY, "at": at})
    assert shown["outcome"] == "damaged"
    assert str(shown["problem"]).startswith(("at: must be a time", "at: no such time"))
