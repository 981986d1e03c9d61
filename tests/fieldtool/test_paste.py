"""The paste door as `decode` and `replay` open it: what was recognised is said, and stands in the JSON."""

from __future__ import annotations

import json
from pathlib import Path

from protocols.receivers.im871a.envelope import Endpoint, Envelope
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, Run

RTL = f"C1;1;1;2026-03-04 05:06:07.00Z;-71;;;0x{GAS_HEX}"
ENVELOPE = Envelope(Endpoint.RADIO_LINK, 3, bytes.fromhex(GAS_HEX)[1:], None, 0x9B).to_bytes().hex()


def test_what_was_recognised_is_said_beside_the_data(run: Run) -> None:
    ran = run("decode", RTL, "--key", GAS_KEY)
    assert ran.code == 0
    assert ran.err == "recognised: rtl_wmbus line, C1, -71 dBm, 2026-03-04 05:06:07 UTC\n"
    assert "28504.27 m³" in ran.out


def test_plain_hex_is_not_talked_about(run: Run) -> None:
    ran = run("decode", "--json", GAS_HEX, "--key", GAS_KEY)
    assert ran.err == ""
    assert "recognised" not in json.loads(ran.out)


def test_json_names_the_form_of_an_argument(run: Run) -> None:
    ran = run("decode", "--json", ENVELOPE, RTL[:-2], GAS_HEX, "--key", GAS_KEY)
    first, second, third = (json.loads(line) for line in ran.lines)
    assert first["recognised"] == {"kind": "iM871A envelope", "notes": []}
    assert first["received"]["rssi_dbm"] == -45
    assert first["hex"] == GAS_HEX
    assert second["recognised"] == {
        "kind": "rtl_wmbus line",
        "notes": ["L announces 47 bytes, the line has 46"],
    }
    assert "recognised" not in third


def test_a_note_about_plain_hex_is_said(run: Run) -> None:
    ran = run("decode", f"{ENVELOPE[:-2]}00")
    assert ran.err.startswith("recognised: hex; begins like an iM871A envelope, but FCS")
    assert ran.code == 1


def test_what_is_no_telegram_is_two_lines(run: Run) -> None:
    ran = run("decode", f"bY{GAS_HEX}")
    assert ran.code == 2
    first, hint = ran.err.splitlines()
    assert first == "fieldtool: telegram 1: CUL line of 47 bytes in which no link-layer CRC fits"
    assert hint == "  paste the whole line, or receive it again"


def test_standard_input_says_a_form_once(run: Run) -> None:
    stdin = f"{GAS_HEX}\n{RTL}\n{RTL}\n{ENVELOPE}\n".encode()
    ran = run("decode", "--json", "--key", GAS_KEY, stdin=stdin)
    assert ran.err.splitlines() == [
        "recognised from line 2 on: rtl_wmbus line",
        "recognised from line 4 on: iM871A envelope",
    ]
    shown = [json.loads(line) for line in ran.lines]
    assert [one["received"]["rssi_dbm"] for one in shown] == [None, -71, -71, -45]
    assert not any("recognised" in one for one in shown)


def test_captures_of_other_programs_are_replayed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "air.log"
    path.write_text(f"{RTL}\n{ENVELOPE}\n{json.dumps({'model': 'Wireless-MBus', 'data': GAS_HEX})}\n")
    ran = run("replay", path, "--json", "--key", GAS_KEY)
    assert ran.code == 0
    assert [json.loads(line)["received"]["source"] for line in ran.lines] == ["air.log"] * 3
