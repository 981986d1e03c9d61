"""`docs/actions.md` says of every action what the tables say."""

from __future__ import annotations

from pathlib import Path

from fieldtool.actions.action_log import Became
from fieldtool.actions.links import LINKS
from fieldtool.export.action_text import needs_text, parameter_texts
from keystore.certificates.levels import Action, level_table
from protocols.actions.table import FORMS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "actions.md"


def row_of(action: Action) -> str:
    values = "; ".join(parameter_texts(action)) or "nothing"
    form = FORMS.get(action.name)
    if form is None:
        return f"| `{action.name}` | {needs_text(action)} | {values} | nothing | EN 13757-3, RSP-UD |"
    sent = f"{form.ci:02X} {form.header.hex().upper()}".strip()
    return f"| `{action.name}` | {needs_text(action)} | {values} | `{sent}` | {form.source} |"


def test_the_page_has_the_row_of_every_action() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `") and line.split("`")[1] in level_table().actions]
    assert rows == [row_of(action) for action in level_table().actions.values()]


def test_the_page_names_every_outcome_and_link() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [word for word in Became if str(word) not in text] == []
    assert [kind for kind in LINKS if f"`{kind}:" not in text] == []
