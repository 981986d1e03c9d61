"""The receiver families by name; each is imported when it is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import ClassVar, Protocol, cast

from protocols.receivers.events import HostSession

REGISTRY: dict[str, str] = {
    "amb8465": "protocols.receivers.amb8465:Amb8465",
    "im871a": "protocols.receivers.im871a:Im871a",
    "rc1180": "protocols.receivers.rc1180:Rc1180",
    "cul": "protocols.receivers.cul:Cul",
    "rn2483": "protocols.receivers.rn2483:Rn2483",
    "lora-e5": "protocols.receivers.lora_e5:LoraE5",
    "rak3172": "protocols.receivers.rak3172:Rak3172",
    "iu891a": "protocols.receivers.iu891a:Iu891a",
    "wimod": "protocols.receivers.wimod:Wimod",
}
"""Kind, as in the receiver's URL, to `module:Class`, in the order in which a port of unknown kind is probed.

The AMB8465 comes first: fed with bytes of another speed it is deaf for about a second.
The sticks of text commands come before those with SLIP, whose probe is no line of text.
"""


class Receiver(Protocol):
    """What every receiver family says of itself."""

    NAME: ClassVar[str]
    """The kind, as in `REGISTRY`."""
    TITLE: ClassVar[str]
    """The name on the box."""
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]]
    """Vendor and product ids of its serial chip; others may use the same chip, so a match is only a reason to probe."""
    USB_TEXTS: ClassVar[tuple[str, ...]]
    """What the texts of its USB device hold, in any letter case: says more than its ids, and proves as little."""
    BAUD: ClassVar[int]
    """Factory setting of the serial speed, 8N1."""
    MODES: ClassVar[tuple[str, ...]]
    """The radio modes it can be asked to listen to, as in the URL's `mode=`."""
    DEFAULT_MODE: ClassVar[str]
    """The mode where none is asked for."""

    @staticmethod
    def host_session(mode: str) -> HostSession:
        """Return a new session that makes the receiver listen to `mode`; `ValueError` names the known modes."""


def receiver(kind: str) -> type[Receiver]:
    """Return the receiver family named `kind`; `ValueError` names the nearest known one."""
    try:
        module_name, _, class_name = REGISTRY[kind].partition(":")
    except KeyError:
        near = get_close_matches(kind, REGISTRY, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(REGISTRY))}"
        raise ValueError(f"unknown receiver {kind!r}{guess}") from None
    return cast(type[Receiver], getattr(import_module(module_name), class_name))
