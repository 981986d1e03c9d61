"""What must hold for any file at all: rows or one clear refusal, no key shown, little time, little memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from keystore.errors import ImportRejected
from keystore.formats import open_export
from tests.fuzz.key_files import SECRETS, Case
from tests.keystore.made_up import NOON

TIME_LIMIT_S = 2.0
MEMORY_LIMIT = 100_000_000
MEASURED_EVERY = 500
"""How seldom memory is measured, which takes long."""


@dataclass(slots=True)
class Findings:
    """What a run of files came to: how many were read or refused for which reason, the slowest and the largest."""

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    largest: int = 0

    def join(self, other: Findings) -> None:
        """Add another run's."""
        self.files += other.files
        self.outcomes += other.outcomes
        self.rows += other.rows
        self.largest = max(self.largest, other.largest)
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest = other.slowest_s, other.slowest


class Broken(AssertionError):
    """A rule that a file broke; the message has the file in hex."""


def check_files(files: Iterable[Case]) -> Findings:
    """Read every file; raises `Broken` at the first that breaks a rule."""
    found = Findings()
    gc.collect()
    for number, case in enumerate(files):
        began = time.process_time()
        try:
            outcome, rows = _read(case)
            took_s = time.process_time() - began
            if number % MEASURED_EVERY == 0:
                found.largest = max(found.largest, _memory_of(case))
        except Exception as error:
            raise Broken(f"{case.name}: {type(error).__name__}: {error}: {case.data.hex()}") from error
        found.files += 1
        found.outcomes[outcome] += 1
        found.rows += rows
        if took_s > found.slowest_s:
            found.slowest_s, found.slowest = took_s, case.name
        if took_s > TIME_LIMIT_S or found.largest > MEMORY_LIMIT:
            raise Broken(f"{case.name}: {took_s:.2f} s, {found.largest} bytes: {case.data.hex()}")
    return found


def _read(case: Case) -> tuple[str, int]:
    """Return what became of a file, and how many rows it had; nothing shown may hold a key."""
    rows = 0
    try:
        stream = open_export(case.data, "fuzz", case.options, imported_at=NOON)
        shown = [repr(stream.source), *stream.warnings]
        for row in stream.rows:
            rows += 1
            assert (row.record is None) == bool(row.reason)
            shown.append(f"{row!r} {row.said}")
    except ImportRejected as error:
        shown = [error.message, error.hint, repr(error)]
        outcome = str(error.reason)
    else:
        assert rows
        outcome = "read"
    text = "\n".join(shown).lower()
    assert not any(secret in text for secret in SECRETS), "a key is shown"
    return outcome, rows


def _memory_of(case: Case) -> int:
    tracemalloc.start()
    try:
        _read(case)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
