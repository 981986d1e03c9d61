"""`python -m benchmarks.keystore`: a store of a million keys: filled, unlocked, asked, changed, verified.

The machine may be shared: beside the time on the clock stands the time that this process had a processor.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from keystore.model import KeyRecord, Provenance
from keystore.vault import Vault, VaultSettings, WitnessFolder
from protocols.model import Address

PASSPHRASE: Final = "four words of nonsense"  # noqa: S105 - of a store that lives for a minute
SOURCE: Final = Provenance("csv", "keys.csv", "ab" * 32, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
ASKED: Final = 20_000
SPREAD: Final = 7919
"""Numbers are spread over all eight digits, so that look-ups go all over the file."""


def record(index: int) -> KeyRecord:
    """Return a made-up record, as an export gives it."""
    number = number_of(index)
    return KeyRecord(
        number,
        value=hashlib.md5(number.encode(), usedforsecurity=False).digest(),
        manufacturer="KAM",
        serial=number,
        label=f"flat {index}",
        meter_type="water",
        order="4711",
        source=SOURCE,
    )


def number_of(index: int) -> str:
    """Return the number of a made-up meter; no two are the same below 100 million."""
    return f"{index * SPREAD % 100_000_000:08d}"


class Clock:
    """Prints what took how long."""

    def run(self, what: str, action: Callable[[], object]) -> None:
        """Run an action and print wall time and processor time."""
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        sys.stdout.write(f"{what:46}{wall:10.3f} s{cpu:10.3f} s cpu\n")
        sys.stdout.flush()

    def each(self, what: str, action: Callable[[int], object], indexes: list[int]) -> None:
        """Run an action for each index; print median and 99th percentile, on the clock and of the processor."""
        wall, cpu = [], []
        for index in indexes:
            began, worked = time.perf_counter_ns(), time.thread_time_ns()
            action(index)
            cpu.append((time.thread_time_ns() - worked) / 1000)
            wall.append((time.perf_counter_ns() - began) / 1000)
        p99, cpu_p99 = (statistics.quantiles(taken, n=100)[98] for taken in (wall, cpu))
        sys.stdout.write(
            f"{what:46}{statistics.median(wall):9.0f} us{p99:9.0f} us p99 {statistics.median(cpu):9.0f} us"
            f"{cpu_p99:9.0f} us p99 cpu\n"
        )
        sys.stdout.flush()


def memory_text() -> str:
    """Return the most memory that this process had, where the system tells."""
    try:
        import resource
    except ImportError:
        return "unknown"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


def records(count: int) -> Iterator[KeyRecord]:
    """Yield made-up records."""
    return (record(index) for index in range(count))


def address(number: str) -> Address:
    """Return the radio address of a made-up meter."""
    return Address.of("KAM", number, 0x1B, 0x16)


def measure(path: Path, count: int) -> None:
    """Fill a store and measure what is done with it."""
    clock = Clock()
    settings = VaultSettings(witness=WitnessFolder(path.parent / "state"))
    chance = random.Random(13757)
    some = [chance.randrange(count) for _ in range(ASKED)]
    missing = [count + chance.randrange(count) for _ in range(ASKED)]
    with Vault.create(path, PASSPHRASE, settings=settings) as vault:
        (slot,) = vault.slots.list()
        sys.stdout.write(f"{count} keys, unlocked by {slot.cost}\n")
        clock.run("put all, one transaction", lambda: vault.put(records(count)))
        sys.stdout.write(f"{'most memory so far':46}{memory_text():>12}\n")
        clock.run("seal every byte of the file", vault.seal)
    sys.stdout.write(f"{'size of the file':46}{path.stat().st_size / 1e6:9.0f} MB\n")
    vault = Vault.open(path, settings=settings)
    clock.run("unlock, Argon2id included", lambda: vault.unlock(PASSPHRASE))
    vault.close()
    clock.run("open and close, without unlocking", lambda: Vault.open(path, settings=settings).close())
    vault = Vault.open(path, settings=settings)
    vault.unlock(PASSPHRASE)
    clock.run("first look-up", lambda: vault.keys_for(address(number_of(some[0]))))
    clock.each("look-up and decrypt, any meter", lambda i: vault.keys_for(address(number_of(i))), some)
    clock.each("look-up again, remembered", lambda i: vault.keys_for(address(number_of(i))), some[-5000:])
    clock.each("look-up of an unknown meter", lambda i: vault.keys_for(address(number_of(i))), missing)
    clock.each("find by number, all that is known", lambda i: vault.find(number_of(i)), some[:5000])
    clock.run("search a part of a number, all keys", lambda: sum(1 for _ in vault.search("1234567")))
    clock.run("list all keys", lambda: sum(1 for _ in vault.records()))
    clock.run("lint all keys", vault.lint)
    clock.run("change one key", lambda: vault.confirm(record(some[1])))
    clock.run("verify, after an unsealed change", vault.verify)
    clock.run("seal again", vault.seal)
    clock.run("verify every row and byte", vault.verify)
    clock.run("lock", vault.lock)
    vault.close()


def main(arguments: list[str]) -> int:
    """Measure in a folder of its own."""
    parser = argparse.ArgumentParser(prog="benchmarks.keystore", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "keys.vault", options.keys)
    sys.stdout.write(f"{'most memory':46}{memory_text():>12}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
