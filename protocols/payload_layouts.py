"""Learned layouts of what only a decoder can read: makers' payloads, and records whose number or place depends on data.

Such an application layer is decoded anew each time, and fits where its records say the same of themselves as those of
the telegram that taught the layout: then only values, qualities and flags are another telegram's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from protocols.application import Application, decode_application
from protocols.mbus.compact import FormatLibrary
from protocols.mbus.values import Result
from protocols.model import Record, Status, Telegram
from protocols.profiles.apply import all_but_data
from protocols.profiles.model import PayloadRule, Profile
from protocols.wmbus.ci import CiField, Content
from protocols.wmbus.decoder import DATA_FIELD, SELECTION_FOR_READOUT

_READ = frozenset({Content.RECORDS, Content.MANUFACTURER})
_NO_FORMATS = FormatLibrary()
"""None of what is read here needs a format."""


class Items(NamedTuple):
    """What a payload layout makes of an application layer: its records, and the alarms of a payload."""

    records: tuple[Record, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadLayout:
    """What the application layers of one kind of meter have in common when they are decoded.

    They stand behind the first `start` bytes of the frame, the plain bytes are `size`, and begin with the check bytes
    of decryption where there are any.
    """

    ci: CiField
    start: int
    size: int
    begins: bytes
    payloads: tuple[PayloadRule, ...]
    content: Content
    more_follows: bool
    records: tuple[tuple[Any, ...], ...]

    def read(self, data: bytes, plain: bytes) -> Items | None:
        """Decode plain bytes that stand behind the clear part of `data`; None where they are of another kind."""
        if not plain.startswith(self.begins):
            return None
        frame = data[: self.start] + plain
        application = decode_application(self.ci, frame, self.start, len(frame), _NO_FORMATS, self.payloads)
        return Items(application.records, application.flags) if self._fits(application, frame) else None

    def _fits(self, application: Application, frame: bytes) -> bool:
        return (
            application.problem is None
            and not application.notes
            and application.content is self.content
            and application.more_follows(frame) is self.more_follows
            and tuple(map(all_but_data, application.records)) == self.records
        )

    def results(self, items: Items) -> list[Result]:
        """Value and quality of each record."""
        return [(record.value, record.quality) for record in items.records]

    def cut(self, items: Items) -> tuple[bytes, ...]:
        """The data of each record."""
        return tuple([record.data for record in items.records])

    def status(self, status: Status | None, items: Items) -> Status | None:
        """The status byte of the header with a payload's alarms."""
        if not items.flags and self.content is not Content.MANUFACTURER:
            return status
        return Status(None, items.flags) if status is None else Status(status.raw, (*status.flags, *items.flags))


def learn_payload_layout(
    telegram: Telegram, application: Application, ci: CiField, profile: Profile | None, begins: bytes
) -> PayloadLayout | None:
    """Make a layout from a telegram that `decode` has read; None where it must look at each one itself."""
    if application.content not in _READ or ci.downlink:
        return None
    last = telegram.records[-1].header if telegram.records else b""
    if last[:1] and last[0] & DATA_FIELD == SELECTION_FOR_READOUT:
        return None  # whether that is a record or a CRC depends on where it stands
    return PayloadLayout(
        ci,
        application.start,
        len(telegram.data) - application.start,
        begins,
        () if profile is None else profile.payloads,
        application.content,
        application.more_follows(telegram.plain),
        tuple(map(all_but_data, telegram.records)),
    )
