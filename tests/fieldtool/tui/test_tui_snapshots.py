"""Pictures of three screens, byte for byte, and those of the documentation.

`FIELDTOOL_SNAPSHOTS=write` in the environment writes them anew, on one Python version only.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.screenshot import PICTURES, main, picture_svg, without_web_fonts
from protocols.model import Outcome
from tests.fieldtool.tui.tui_scenes import NARROW, WIDE, address, run_app, session_of, some_meters, telegram

FOLDER = Path(__file__).parent / "snapshots"
DOCUMENTATION = Path(__file__).parents[3] / "docs" / "img"
BASELINE = (3, 11)


def check_snapshot(name: str, svg: str) -> None:
    """Compare a picture with the one that is kept, or write it anew."""
    path = FOLDER / f"{name}.svg"
    if os.environ.get("FIELDTOOL_SNAPSHOTS") == "write":
        assert sys.version_info[:2] == BASELINE, f"snapshots are written on Python {BASELINE} only"
        path.parent.mkdir(exist_ok=True)
        path.write_text(svg, "utf-8")
    assert path.read_text("utf-8") == svg, f"{name} looks different: look at it, then write it anew (see above)"


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("reception-80x24", NARROW, ("down", "down")),
        ("meter-80x24", NARROW, ("down", "down", "down", "down", "enter", "2", "end", "up", "right", "down")),
        ("meter-140x40", WIDE, ("down", "down", "enter")),
    ],
)
def test_screen_looks_as_it_did(name: str, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("home", *keys)
        await pilot.pause()
        seen.append(without_web_fonts(app.export_screenshot(title="fieldtool")))

    run_app(session_of([*some_meters(), telegram(address(63001482), Outcome.OK, value="1234567.891")]), steps, size)
    check_snapshot(name, seen[0])


def test_same_code_gives_the_same_picture() -> None:
    picture = PICTURES[0]
    first, second = (asyncio.run(picture_svg(picture)) for _ in range(2))
    assert first == second
    assert "url(https" not in first
    assert "font-face" not in first
    for words in ("Reception", "wrong&#160;key", "no&#160;key", "leak", "im871a"):
        assert words in first


def test_pictures_are_written_into_a_folder(tmp_path: Path) -> None:
    main([str(tmp_path / "img")])
    names = {picture.name for picture in PICTURES}
    assert {path.stem for path in (tmp_path / "img").iterdir()} == names
    assert names <= {path.stem for path in DOCUMENTATION.glob("*.svg")}, (
        "run python -m fieldtool.tui.screenshot docs/img"
    )
