"""The pages name what there is: every folder of code, every page, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocols", "keystore", "simulators", "fieldtool")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?P<place>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def headings(page: Path) -> set[str]:
    """What a link behind a number sign can name, as forges make it of a heading."""
    found = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_names_every_folder_of_code(package: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {file.parent.name for file in (ROOT / package).glob("*/__init__.py")}
    assert [name for name in sorted(folders) if f"`{name}`" not in text] == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        if "://" in found["place"]:
            continue
        target = page if not found["place"] else page.parent / found["place"]
        assert target.exists(), f"{page.name}: {found[0]}"
        if found["heading"] and target.suffix == ".md":
            assert found["heading"] in headings(target), f"{page.name}: {found[0]}"
