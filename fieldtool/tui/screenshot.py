"""Pictures of the screens, made from the app itself: `python -m fieldtool.tui.screenshot FOLDER`.

What is on them is the simulators' own scenario at a fixed time: the same code gives the same pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fieldtool.keys.lorawan_keys import FiledLorawanKeys
from fieldtool.pipeline.reception import Reception
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.certificate_access import CertificateAccess, CertificatesSeen
from fieldtool.tui.meter_list import MeterList
from fieldtool.tui.session import Session
from keystore.certificates.clock import ClockJudgement, ClockState
from keystore.certificates.grant import Grant
from keystore.certificates.levels import NOTHING, level_named, level_table
from keystore.certificates.standing import Standing
from keystore.formats import read_export
from protocols.decode import decode
from protocols.lorawan.follower import LorawanFollower
from protocols.model import Address, Key, Link, RawFrame
from simulators.air import Air
from simulators.portals.the_things_stack import export_devices
from simulators.scenario import Scenario

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
LISTENED = timedelta(seconds=60)

_SOURCE = "im871a:///dev/ttyUSB0"


_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)

_LEAKING = "63001475"
"""The meter of the scenario that has something to report."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file name without suffix, the size of the terminal in cells, and the keys to press on the leaking meter.

    `certified` pictures show a store with certificates.
    """

    name: str
    width: int
    height: int
    keys: tuple[str, ...] = ()
    certified: bool = False


_STANDING = Standing(Grant(level_named("commissioner") or NOTHING))
_MAY = [name for name, action in level_table().actions.items() if not _STANDING.why_not(action, None, None, "")]


def _certificate(
    tag: str, level: str, until: str, days: int, *, active: bool = False, problem: str | None = None
) -> dict[str, object]:
    return {
        "serial": f"5b1f00aa{len(tag):02}{days % 1000:06}",
        "tag": tag,
        "level": level,
        "organisation": "Stadtwerke Nord",
        "scope": "all meters",
        "issuer": "Certificate desk issuer 1",
        "not_after": f"{until}T08:00:00Z",
        "days_left": days,
        "expires_soon": days <= 30,
        "active": active,
        "problem": problem,
    }


PICTURES: tuple[Picture, ...] = (
    Picture("reception", 140, 20),
    Picture("meter", 140, 36, ("enter", "2", "down", "down", "down")),
    Picture("reception-80x24", 80, 24),
    Picture("meter-80x24", 80, 24, ("enter",)),
    Picture("certificates-80x24", 80, 24, ("L",), certified=True),
    Picture("actions-80x24", 80, 24, ("a", "down", "down"), certified=True),
)


SEEN = CertificatesSeen(
    level="Commissioner",
    tag="anna-2026",
    days_left=20,
    organisation="Stadtwerke Nord",
    scope="all meters",
    actions=tuple(_MAY),
    why_not={
        name: _STANDING.why_not(action, None, None, "")
        for name, action in level_table().actions.items()
        if name not in _MAY
    },
    warnings=("the certificate expires in 20 days",),
    certificates=(
        _certificate("anna-laptop", "Installer", "2027-10-12", 326),
        _certificate("anna-2026", "Commissioner", "2026-12-10", 20, active=True),
        _certificate("anna-test", "Test", "2026-11-01", -19, problem="the certificate of anna-test expired"),
    ),
    requests=(
        {
            "tag": "anna-2027",
            "level": "Service",
            "organisation": "Stadtwerke Nord",
            "order": "2026-0004",
            "made_at": "2026-11-19T08:00:00Z",
        },
    ),
    anchors=(f"{'3f7a' * 16}  Certificate desk trust anchor, until 2041-11-20",),
    lists=("Certificate desk issuer 1: list 3 of 2026-11-18, 2 revoked, next due 2026-12-18",),
)
"""Certificates that are the same on every run: real ones differ in every signature."""


class StillAccess(CertificateAccess):
    """The way to certificates that were seen once, without a store behind it."""

    def __init__(self, seen: CertificatesSeen = SEEN) -> None:
        super().__init__(lambda: None)
        self._seen = seen

    @property
    def is_locked(self) -> bool:
        """Never."""
        return False

    def attend_clock(self) -> ClockJudgement:
        """Trust the clock."""
        return ClockJudgement(ClockState.TRUSTED)

    def open_key_changes(self) -> tuple[str, ...]:
        """Have none."""
        return ()

    def look(self) -> None:
        """See the same again."""


def simulated_session(listened: timedelta = LISTENED) -> Session:
    """Return what a receiver hears of the default scenario from `STARTS` on; its clock stands at the end."""
    scenario = Scenario.load()
    keys: dict[Address, Key] = {}
    for meter in scenario.meters:
        exported = meter.exported_key
        if exported is not None:
            keys[meter.address] = Key(exported, meter.name)
    records = [
        record
        for file in export_devices(scenario, STARTS)
        for record in read_export(file.data, file.file_name, None, imported_at=STARTS).ready
    ]
    devices = LorawanFollower(FiledLorawanKeys(lambda text: [r for r in records if text in (r.dev_eui, r.dev_addr)]))
    reception = Reception()
    ends = STARTS + listened
    for heard in Air(scenario, STARTS).advance(ends):
        if heard.lora is not None:
            frame = RawFrame(heard.coded, heard.at, "gwmp", heard.mode, heard.rssi_dbm, Link.LORAWAN, heard.lora)
            reception.accept(devices.decode(frame))
            continue
        frame = RawFrame(heard.coded, heard.at, "im871a", heard.mode, heard.rssi_dbm)
        reception.accept(decode(frame, lambda address: [keys[address]] if address in keys else []))
    connected = (SourceEvent(_SOURCE, SourceState.CONNECTED, "", STARTS),)
    return Session(
        reception, lambda: connected, lambda: f"open, {len(keys)} keys", lambda: ends, paste=lambda frames: ()
    )


async def picture_svg(picture: Picture) -> str:
    """Run the app without a terminal, press the keys, and return the screen as SVG."""
    session = simulated_session()
    app = FieldToolApp(replace(session, certificates=StillAccess()) if picture.certified else session)
    async with app.run_test(size=(picture.width, picture.height)) as pilot:
        await pilot.pause()
        meters = app.screen.query_one(MeterList)
        numbers = [sender.number if isinstance(sender, Address) else "" for sender in meters.table.shown]
        meters.put_cursor(numbers.index(_LEAKING))
        await pilot.press(*picture.keys)
        await pilot.pause()
        return without_web_fonts(app.export_screenshot(title="fieldtool"))


def without_web_fonts(svg: str) -> str:
    """Return a picture that loads nothing from the network: it is drawn with the reader's own monospaced font."""
    return _FONT_FACE.sub("", svg)


def main(argv: Sequence[str] | None = None) -> None:
    """Write all pictures into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m fieldtool.tui.screenshot", description="write the pictures of the docs"
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        (folder / f"{picture.name}.svg").write_text(asyncio.run(picture_svg(picture)), "utf-8")


if __name__ == "__main__":
    main()
