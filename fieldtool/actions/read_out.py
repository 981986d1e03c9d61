"""A read-out over a link: its telegrams, and the record that an action has to be seen in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fieldtool.actions.errors import LinkSilent, WrongMeter
from fieldtool.actions.links import FieldLink
from protocols.actions.commands import ReadBack
from protocols.application import Application
from protocols.decode import decode
from protocols.mbus.tables import MANUFACTURER_DATA_MORE
from protocols.model import Address, KeyLookup, Record, Telegram

NOT_SHOWN: Final = "the read-out does not show it"


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What a meter answered when it was read out: one telegram a part."""

    telegrams: tuple[Telegram, ...]

    @property
    def meter(self) -> Address | None:
        """The meter that answered."""
        return next((one.meter for one in self.telegrams if one.meter is not None), None)

    @property
    def family(self) -> str | None:
        """The name of its profile; None when no profile fits."""
        return next((one.profile for one in self.telegrams if one.profile), None)

    @property
    def problem(self) -> str:
        """What could not be decoded, in words; empty when everything was."""
        return "; ".join(one.problem for one in self.telegrams if one.problem)

    def record(self, header: bytes) -> Record | None:
        """Return the record with this header; None when there is none."""
        return next((one for telegram in self.telegrams for one in telegram.records if one.header == header), None)

    def shows(self, wanted: ReadBack) -> bool | None:
        """Whether it shows what was written; None when it shows nothing of it."""
        record = self.record(wanted.header)
        return None if record is None else wanted.fits(record.value)


def more_follows(frame: bytes, keys: KeyLookup) -> bool:
    """Whether a part of a read-out ends with the DIF that says that there are more (EN 13757-3, 6.3.7)."""
    telegram = decode(frame, keys)
    tails = [layer.tail for layer in telegram.layers if isinstance(layer, Application)]
    return any(tail is not None and telegram.plain[tail[0]] == MANUFACTURER_DATA_MORE for tail in tails)


def take_read_out(link: FieldLink, keys: KeyLookup) -> ReadOut:
    """Read a meter out; raises `LinkLost`, `LinkSilent`, and `WrongMeter` when its parts are of several meters."""
    frames = link.read_out()
    if not frames:
        raise LinkSilent("the meter has nothing to read out", "wait for its next transmission, then try again")
    read_out = ReadOut(tuple(decode(frame, keys) for frame in frames))
    first, *others = dict.fromkeys(one.meter for one in read_out.telegrams if one.meter is not None) or (None,)
    if others:
        raise WrongMeter(
            f"meter {others[0]} answers where {first} was read out", "check which meters the link leads to"
        )
    return read_out
