"""How a meter asks to be taken in: somebody has pressed its button, or switched it on."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

JOIN_REQUEST: Final = "JoinRequest"
INSTALLATION_REQUESTS: Final = frozenset({"SND-IR", JOIN_REQUEST})
"""The messages by which it asks: of wireless M-Bus and of LoRaWAN."""

LATELY: Final = timedelta(minutes=5)
"""For so long a request is shown: who pressed the button stands before the meter."""
