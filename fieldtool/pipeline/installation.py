"""How a meter asks to be taken in: somebody has pressed its button, or switched it on."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from protocols.model import Outcome

INSTALLATION_REQUESTS: Final = frozenset({"SND-IR", "JoinRequest"})
"""The messages by which it asks: of wireless M-Bus (EN 13757-4, C field 46) and of LoRaWAN."""

LATELY: Final = timedelta(minutes=5)
"""For so long a request is shown: who pressed the button stands before the meter."""


def asks_to_be_installed(message: str | None, outcome: Outcome) -> bool:
    """Whether a message of this name asks for it; a damaged frame asks for nothing."""
    return message in INSTALLATION_REQUESTS and outcome is not Outcome.DAMAGED
