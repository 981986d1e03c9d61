"""Links to a meter by address: `mbus:///dev/ttyUSB0?baud=2400`, `optical:...`, `im871a:///dev/ttyUSB0`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Final, Protocol, cast

from fieldtool.errors import UsageError
from fieldtool.sources.url import ReceiverUrl, parse_url
from keystore.matching import NUMBER_DIGITS, RADIO_NUMBER, normal_number, split_manufacturer
from protocols.decode import no_keys
from protocols.media import manufacturer_code
from protocols.model import Address, KeyLookup
from protocols.text import safe_text

LINKS: Final[dict[str, str]] = {
    "mbus": "fieldtool.actions.wired_link:open_link",
    "optical": "fieldtool.actions.wired_link:open_link",
    "im871a": "fieldtool.actions.radio_link:open_link",
}
"""Kind, as in the link's address, to `module:function`."""

OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "mbus": ("baud", "timeout"),
    "optical": ("baud", "timeout"),
    "im871a": ("mode",),
}
"""What may stand behind the `?`; `timeout` is in seconds."""

_PRIMARY: Final = re.compile(r"p(\d{1,3})", re.IGNORECASE)
LAST_PRIMARY: Final = 250


class FieldLink(Protocol):
    """A way to one meter and back; used by one thread, but for `cancel`.

    Methods raise `LinkLost` when the way is gone and `LinkSilent` when the meter does not answer within bounds.
    """

    @property
    def longest_message(self) -> int:
        """Bytes of the longest message that it carries."""
        ...

    def exchange(self, message: bytes) -> bytes:
        """Carry one message of the field link to the meter and return its answer."""
        ...

    def read_out(self) -> list[bytes]:
        """Return the frames of a whole read-out, as received."""
        ...

    def cancel(self) -> None:
        """End what waits for the meter with `LinkSilent`; a link that never waits for long need not."""
        ...

    def close(self) -> None:
        """Let go of the way; twice is no error."""
        ...


@dataclass(frozen=True, slots=True)
class MeterChoice:
    """The meter that a user named: by its number, with the maker's letters or without, or by its primary address."""

    number: str = ""
    manufacturer: str | None = None
    primary: int | None = None

    def fits(self, address: Address) -> bool:
        """Whether a meter is the one that was named; a primary address fits every meter that answers to it."""
        if self.manufacturer not in (None, address.manufacturer):
            return False
        return not self.number or self.number == address.number

    def __str__(self) -> str:
        if self.primary is not None:
            return f"primary address {self.primary}"
        return f"{self.manufacturer} {self.number}" if self.manufacturer else self.number


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What a link may need: keys for encrypted answers, somebody to tell of its progress, the time."""

    keys: KeyLookup = no_keys
    tell: Callable[[str], None] = lambda _: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def parse_meter(text: str) -> MeterChoice:
    """Return the meter of `63001468`, `KAM 63001468`, `KAM63001468` or `p5`; `UsageError` for anything else."""
    shown = repr(safe_text(text))
    primary = _PRIMARY.fullmatch(text.strip())
    if primary:
        if int(primary[1]) > LAST_PRIMARY:
            raise UsageError(f"{shown} is not a primary address", f"meters have p0 to p{LAST_PRIMARY}")
        return MeterChoice(primary=int(primary[1]))
    manufacturer, _ = split_manufacturer(text)
    number = normal_number(text)
    if number.isascii() and number.isdigit():
        number = number.zfill(NUMBER_DIGITS)
    if not RADIO_NUMBER.fullmatch(number) or not _is_maker(manufacturer):
        raise UsageError(f"{shown} names no meter", "give its eight digits, as in 63001468 or KAM63001468, or p5")
    return MeterChoice(number, manufacturer)


def link_url(text: str) -> ReceiverUrl:
    """Take a link's address apart; `UsageError` when there is no such link."""
    return parse_url(text, tuple(LINKS), OPTIONS)


def open_link(text: str, meter: MeterChoice, context: LinkContext | None = None) -> FieldLink:
    """Open the link that an address names, to one meter; `UsageError` when there is no such link, `ReceiverError`."""
    url = link_url(text)
    module_name, _, function = LINKS[url.kind].partition(":")
    factory = cast(
        Callable[[ReceiverUrl, MeterChoice, LinkContext], FieldLink], getattr(import_module(module_name), function)
    )
    return factory(url, meter, context or LinkContext())


def _is_maker(letters: str | None) -> bool:
    try:
        return letters is None or manufacturer_code(letters) > 0
    except ValueError:
        return False
