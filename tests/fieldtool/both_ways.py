"""A stream of telegrams decoded and judged in full, and by plans and at a glance: both must say the same."""

from __future__ import annotations

from collections.abc import Iterable

from fieldtool.export.sighting_json import SightingWriter
from fieldtool.export.telegram_json import telegram_json
from protocols.decode import decode
from protocols.learned import LearnedDecoder, Sighting
from protocols.model import Address, RawFrame
from protocols.plausibility import NO_HISTORY, Judge, MeterHistory, judge, with_findings


def check_both_ways(frames: Iterable[RawFrame], decoder: LearnedDecoder) -> int:
    """Compare both ways, telegram by telegram and line by line; returns how many went the quick way."""
    at_a_glance, writer = Judge(), SightingWriter()
    histories: dict[tuple[Address | None, Address | None], MeterHistory] = {}
    quick = 0
    for frame in frames:
        telegram = decode(frame, decoder.keys, formats=decoder.formats)
        key = (telegram.meter, telegram.link_address)
        histories[key], findings = judge(histories.get(key, NO_HISTORY), telegram)
        seen = decoder.sight(frame)
        found = at_a_glance.judge(seen)
        assert found == findings
        assert writer.line(seen, found) == telegram_json(with_findings(telegram, findings))
        quick += isinstance(seen, Sighting)
    for (meter, sender), history in histories.items():
        if meter is not None:
            assert at_a_glance.history(meter, sender) == history
    return quick
