"""The settings of a vault, and the facts it reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keystore.passphrase_policy import PolicyName
from keystore.vault.session import Clerk, utc_now
from keystore.vault.witness import WitnessFolder


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What surrounds a vault: clocks, the user's name for the audit log, where witnesses are kept.

    `idle_lock_s` is how long a vault stays unlocked when nobody uses it, None for ever; look-ups by the
    decoder do not count as use. `monotonic` gives seconds, `now` aware UTC.
    """

    busy_timeout_s: float = 5.0
    idle_lock_s: float | None = 600.0
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    actor: str = ""
    witness: WitnessFolder | None = None

    @property
    def clerk(self) -> Clerk:
        """Who and when, for the audit log."""
        return Clerk(self.now, self.actor)


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """What a store says of itself without being unlocked; none of it is proven before that."""

    path: Path
    format_version: int
    store_id: str
    created_at: datetime
    slots: tuple[str, ...]
    size_bytes: int
    policy: str = PolicyName.LENGTH
