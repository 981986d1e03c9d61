"""docs/field-link.md: its tables are those of the program, and its worked example is what the meter really says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keystore.certificates.levels import level_table
from protocols.actions.commands import build_command
from protocols.actions.event_log import EventKind
from protocols.actions.fragments import CI_TO_METER, WIRED_PAYLOAD, cut
from protocols.actions.messages import Challenge, Hello, Message, Result, parse_message, signed_bytes
from protocols.actions.results import ResultCode
from protocols.actions.table import FORMS
from protocols.mbus.wired import LongFrame, ShortFrame
from simulators.field_meter.link_session import LinkSession
from tests.simulators.field_meters import DESK, NOW, STAFF, make_lock
from tests.simulators.wired_masters import select

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "field-link.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: bytes.fromhex(text)
    for name, text in re.findall(r"^([A-Za-z -]+):\n\n```text\n([0-9A-F \n]+?)\n```$", PAGE, re.MULTILINE)
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_commands() -> None:
    wanted = []
    for name, form in FORMS.items():
        header = form.header.hex(" ").upper() or "`9m`"
        given = "; ".join(f"{one.name}: {one.range_text}" for one in form.parameters) or "-"
        read_back = form.read_back.hex(" ").upper() or "-"
        wanted.append([f"`{name}`", f"{form.ci:02X}", header, given, read_back, form.source])
    assert rows("Commands") == wanted


def test_the_table_of_result_codes() -> None:
    assert rows("Result codes") == [
        [str(code.value), f"the meter {code.words}", code.hint or "-"] for code in ResultCode
    ]


def test_the_table_of_events() -> None:
    assert [[row[0], row[1]] for row in rows("Event log")] == [
        [str(kind.value), kind.name.lower().replace("_", " ")] for kind in EventKind
    ]


def test_every_action_of_the_levels_is_a_command_or_the_read_out() -> None:
    assert set(level_table().actions) == {*FORMS, "read-out"}


def test_the_worked_example() -> None:
    lock, command = make_lock(DESK), build_command("primary-address", address=5)
    link = LinkSession(lock)

    def said(message: Message, number: int) -> bytes:
        for fragment in cut(message.to_bytes(), CI_TO_METER, number):
            link.receive(fragment.to_bytes(), NOW)
        return b"".join(one.payload for one in link.answers(WIRED_PAYLOAD))

    nonce = bytes(range(16))
    hello = Hello(nonce)
    challenge = parse_message(said(hello, 1))
    assert isinstance(challenge, Challenge)
    proof = STAFF["installer"].prove(challenge, command.application, nonce=nonce)
    result = parse_message(said(proof, 2))
    assert isinstance(result, Result)
    assert result.code is ResultCode.DONE
    framed = cut(hello.to_bytes(), CI_TO_METER, 1)[0].to_bytes()
    assert {
        "Selection of the meter": select(),
        "HELLO": hello.to_bytes(),
        "HELLO as a wired frame": LongFrame(0x73, 0xFD, framed[0], framed[1:]).to_bytes(),
        "REQ-UD": ShortFrame(0x7B, 0xFD).to_bytes(),
        "CHALLENGE": challenge.to_bytes(),
        "The command": command.application,
        "What is signed": signed_bytes(nonce, challenge, command.application),
        "RESULT": result.to_bytes(),
    } == EXAMPLES


@pytest.mark.parametrize("words", ["no vendor's", "the simulator's own"])
def test_it_says_whose_format_it_is(words: str) -> None:
    assert words in PAGE
