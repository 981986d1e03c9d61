"""What was found out about a port, as lines and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from fieldtool.doctor.report import PortReport
from fieldtool.export.lines import RUNG_GLYPHS
from fieldtool.sources.serial_port import usb_text
from protocols.text import safe_text

_NAME_WIDTH = 12
_LIMIT = 500


def port_lines(report: PortReport) -> Iterator[str]:
    """Give the port, then one line a rung with what to do behind an arrow, then how to listen to it."""
    yield safe_text(report.port, _LIMIT) or "no port"
    for step in report.steps:
        follow = f" → {safe_text(step.next, _LIMIT)}" if step.next else ""
        yield f"  {RUNG_GLYPHS[step.state]} {step.rung:{_NAME_WIDTH}}{safe_text(step.detail, _LIMIT)}{follow}"
    if report.url and report.well:
        yield f"    {'listen':{_NAME_WIDTH}}fieldtool listen {safe_text(shlex.quote(report.url), _LIMIT)}"


def port_json(report: PortReport) -> str:
    """Return one JSON object; what is not known is null."""
    info, air = report.info, report.air
    return json.dumps(
        {
            "port": report.port or None,
            "well": report.well,
            "description": report.description or None,
            "manufacturer": report.manufacturer or None,
            "serial_number": report.serial_number or None,
            "usb_id": None if report.usb_id is None else usb_text(report.usb_id),
            "driver": report.driver or None,
            "by_id": report.by_id or None,
            "kind": report.kind or None,
            "title": report.title or None,
            "model": info.model if info else None,
            "serial": info.serial if info else None,
            "firmware": info.firmware if info else None,
            "mode": info.mode if info else None,
            "modes": list(report.modes),
            "receiver": report.url or None,
            "rungs": [
                {"rung": step.rung, "state": step.state, "detail": step.detail, "next": step.next or None}
                for step in report.steps
            ],
            "heard": None
            if air is None
            else {
                "seconds": round(air.seconds, 1),
                "telegrams": air.telegrams,
                "by_mode": {mode or "not told": count for mode, count in air.by_mode.items()},
                "damaged": air.damaged,
                "unusable": air.unusable,
                "meters": air.meters,
            },
        }
    )
