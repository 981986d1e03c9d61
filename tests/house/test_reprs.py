"""No dataclass shows a key: fields of bytes or text that are called a key or a passphrase are left out of its repr."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocols", "keystore", "simulators", "fieldtool")
SECRET_NAME = re.compile(r"(?:^|_)(?:key|passphrase|password|secret)$")
BARE_TYPE = re.compile(r"\b(?:bytes|bytearray|str)\b")
"""`Key` and `SigningKey` hide themselves; bytes and text do not."""

# Fields that are called a key and are none, and what they are.
SHOWN = {
    "protocols.profiles.model.ProfileTest.key": "the published key of a test telegram",
    "simulators.certificate_desk.books.IssuedEntry.key": "a public key",
    "fieldtool.tui.meter_columns.Column.key": "the name of a column",
}


def bare_secrets() -> Iterator[str]:
    """Names of the dataclass fields of bytes or text that are called a secret and are part of the repr."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for one in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(one, ast.ClassDef):
                    yield from (f"{module}.{one.name}.{name}" for name in shown_secrets(one))


def shown_secrets(one: ast.ClassDef) -> list[str]:
    decorators = " ".join(map(ast.unparse, one.decorator_list))
    if "dataclass" not in decorators or "repr=False" in decorators:
        return []
    fields = [each for each in one.body if isinstance(each, ast.AnnAssign)]
    return [
        name
        for each in fields
        if SECRET_NAME.search(name := ast.unparse(each.target))
        and BARE_TYPE.search(ast.unparse(each.annotation))
        and "repr=False" not in ast.unparse(each)
    ]


def test_no_dataclass_shows_a_key() -> None:
    assert sorted(set(bare_secrets()) - SHOWN.keys()) == []


def test_every_exception_is_still_there() -> None:
    assert sorted(SHOWN.keys() - set(bare_secrets())) == []
