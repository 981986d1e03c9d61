"""The wallet in the vault: read, and changed in one transaction together with the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from keystore.certificates.clock import ClockJudgement, judge_clock
from keystore.certificates.wallet import Wallet, decode_wallet, encode_wallet

DOCUMENT: Final = "certificates"
CLOCK_STEP: Final = timedelta(hours=1)
"""The clock's memory is written anew when it is older than this, so that reading a level does not write each time."""

Result = TypeVar("Result")


class CertificateEvent(StrEnum):
    """What is written into the audit log about certificates and levels."""

    REQUESTED = "certificate_requested"
    IMPORTED = "certificate_imported"
    REFUSED = "certificate_refused"
    REMOVED = "certificate_removed"
    LEVEL_CHANGED = "level_changed"
    ANCHOR_INSTALLED = "anchor_installed"
    ANCHOR_REMOVED = "anchor_removed"
    REVOCATIONS_IMPORTED = "revocations_imported"
    CLOCK_CONFIRMED = "clock_confirmed"
    CLOCK_CORRECTED = "clock_corrected"


@dataclass(frozen=True, slots=True)
class Note:
    """One entry for the audit log: what happened, to what, and short texts by name; never a key or a token's secret."""

    event: CertificateEvent
    subject: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


class Documents(Protocol):
    """Named documents sealed in an unlocked vault."""

    def read(self, name: str) -> bytes | None:
        """Return a document, None when there is none."""

    def change(self, name: str, step: Callable[[bytes | None], tuple[bytes, tuple[Note, ...]]]) -> None:
        """Replace a document by what `step` makes of it and append to the audit log, all in one transaction."""


class CertificateStore:
    """The certificates of one vault."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def load(self) -> Wallet:
        """Return the wallet; an empty one when there is none yet."""
        return _wallet(self._documents.read(DOCUMENT))

    def change(self, step: Callable[[Wallet], tuple[Wallet, Result, tuple[Note, ...]]]) -> Result:
        """Replace the wallet by what `step` makes of the latest one; nothing is kept when it raises."""
        results: list[Result] = []

        def run(data: bytes | None) -> tuple[bytes, tuple[Note, ...]]:
            wallet, result, notes = step(_wallet(data))
            results.append(result)
            return encode_wallet(wallet), notes

        self._documents.change(DOCUMENT, run)
        return results[0]

    def note(self, *notes: Note) -> None:
        """Append to the audit log; the wallet stays as it is."""
        self.change(lambda wallet: (wallet, None, notes))

    def attend_clock(self, now: datetime) -> ClockJudgement:
        """Judge the clock, and remember `now` when it can be trusted and is worth a write."""
        latest = self.load().latest_seen
        judgement = judge_clock(latest, now)
        if judgement.is_trusted and (latest is None or now - latest >= CLOCK_STEP):
            self.change(lambda wallet: (wallet.seen(now), None, ()))
        return judgement


def _wallet(data: bytes | None) -> Wallet:
    return Wallet() if data is None else decode_wallet(data)
