"""Made-up telegrams as lines of JSON, and a comparison that keeps what it is told."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fieldtool.replay.golden import Comparison, Difference, kind_of
from fieldtool.replay.golden_file import GoldenFile
from fieldtool.replay.golden_members import Ignored


def telegram(number: int, **members: object) -> dict[str, Any]:
    """A telegram with a frame of its own."""
    return {
        "ok": True,
        "outcome": "ok",
        "received": {"at": f"2026-11-20T08:00:00.{number % 1000:03}Z", "source": "air"},
        "meter": {"manufacturer": "KAM", "number": f"{number % 7:08}", "version": 27, "medium": "cold water"},
        "security": {"access_number": number % 256},
        "profile": "kamstrup_water",
        "readings": [{"name": "total_volume", "value": number, "unit": "m3", "storage": 0}],
        **members,
        "hex": f"{number:08X}",
    }


def line(number: int, **members: object) -> bytes:
    return json.dumps(telegram(number, **members)).encode() + b"\n"


class Found:
    """What a comparison told of."""

    def __init__(self, golden: bytes, now: Sequence[bytes], ignore: Sequence[str] = (), block: int = 50) -> None:
        self.differences: list[Difference] = []
        self.bad: list[tuple[int, str]] = []
        self.ignored = Ignored(ignore)
        file = GoldenFile(io.BufferedReader(io.BytesIO(golden)), "golden")
        self.comparison = Comparison(
            file, self.ignored, self.differences.append, lambda n, why: self.bad.append((n, why))
        )
        for start in range(0, len(now), block):
            lines = now[start : start + block]
            text = bytearray(b"".join(lines))
            with memoryview(text) as view:
                self.comparison.add([view[: len(now[start])], view[len(now[start]) :]], len(lines))
            text[:] = b"x" * len(text)  # gone, as text in shared memory is
        self.comparison.end()

    @property
    def kinds(self) -> Counter[str]:
        told: Counter[str] = Counter(equal=self.comparison.equal)
        for one in self.differences:
            told["different" if one.changes else "missing" if one.now is None else "extra"] += 1
        return +told

    @property
    def changes(self) -> list[tuple[str, str, object, object]]:
        return [
            (kind_of(change).value, ".".join(change.path), change.golden, change.now)
            for one in self.differences
            for change in one.changes
        ]


def reading(name: str, value: int, **members: object) -> dict[str, object]:
    return {"name": name, "value": value, "unit": "m3", "storage": 0, "tariff": 0, "source": "0413", **members}
