"""`make torture`: processes killed in the middle of imports and edits, and power cuts in the middle of writes.

A worker makes one change after the other; which one comes next follows from the seed and from how many there were, so
that the parent, who only sees the file the killed worker left, knows what must be in it: every change that was
committed, whole, and nothing of the one that was not. Each change writes one entry into the audit log: their number
says how many were committed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from keystore.model import KeyRecord, KeyStatus
from keystore.vault import KdfParameters, Vault

PASSPHRASE: Final = "four words of nonsense"  # noqa: S105 - of stores that live for seconds
CHEAP: Final = KdfParameters(memory_kib=64, iterations=1, lanes=1)
KILLS_A_STORE: Final = 40
LONGEST_LIFE_S: Final = 0.09
PAGE: Final = 4096
JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")

Model = dict[str, tuple[str, bool]]
"""What a store must hold: number to label and whether the key was confirmed."""


def change(vault: Vault | None, model: Model, seed: int, step: int) -> None:
    """Make change `step` to the model, and to the vault when there is one: an import, an edit or a removal."""
    chance = random.Random(f"{seed} {step}")  # noqa: S311 - so that a failure can be repeated
    numbers = sorted(model)
    kind = chance.choice(("import", "import", "edit", "confirm", "remove")) if numbers else "import"
    if kind == "import":
        records = [record(f"{step:05d}{index:03d}", f"step {step}") for index in range(chance.randint(1, 300))]
        model.update({one.number: (one.label, False) for one in records})
        if vault is not None:
            vault.put(records)
    elif kind == "edit":
        some = chance.sample(numbers, min(len(numbers), 40))
        model.update({number: (f"edit {step}", model[number][1]) for number in some})
        if vault is not None:
            vault.put(record(number, f"edit {step}") for number in some)
    elif kind == "confirm":
        number = chance.choice(numbers)
        model[number] = (model[number][0], True)
        if vault is not None:
            vault.confirm(record(number, ""))
    else:
        number = chance.choice(numbers)
        del model[number]
        if vault is not None:
            vault.remove(number)


def record(number: str, label: str) -> KeyRecord:
    """Return a made-up record."""
    value = hashlib.sha256(number.encode()).digest()[:16]
    return KeyRecord(number, value=value, label=label, status=KeyStatus.ACTIVE)


def model_after(seed: int, steps: int) -> Model:
    """Return what a store holds after so many changes."""
    model: Model = {}
    for step in range(steps):
        change(None, model, seed, step)
    return model


def check(path: Path, seed: int, least_steps: int) -> int:
    """Open what is left, and compare it with the model; return how many changes were committed. `AssertionError`."""
    with Vault.open(path) as vault:
        vault.unlock(PASSPHRASE)
        steps = vault.audit.head[0] - 1
        found = {one.number: (one.label, one.confirmed_at is not None) for one in vault.records()}
        report = vault.verify()
    if steps < least_steps:
        raise AssertionError(f"{least_steps - steps} committed changes were lost")
    if found != model_after(seed, steps):
        raise AssertionError(f"the store is not what it must be after {steps} changes")
    if not report.ok:
        raise AssertionError(f"verify: {report.problems}")
    return steps


def kill_once(path: Path, seed: int, done: int, life_s: float) -> int:
    """Let a worker change the store, kill it, check what it left; return how many changes are committed now."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work(path, seed, done, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        said.readline()
        time.sleep(life_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = said.read().split()
    return check(path, seed, int(lines[-1]) if lines else done)


def _work(path: Path, seed: int, done: int, writing: int) -> None:
    """Be the worker: never returns."""
    try:
        model = model_after(seed, done)
        with Vault.open(path) as vault:
            vault.unlock(PASSPHRASE)
            os.write(writing, b"ready\n")
            while True:
                change(vault, model, seed, done)
                done += 1
                os.write(writing, b"%d\n" % done)
    finally:
        os._exit(1)


def kills(count: int, seed: int) -> Iterator[int]:
    """Kill workers, a new store every now and then; yield the number of changes that survived each time."""
    chance = random.Random(seed)  # noqa: S311 - so that a failure can be repeated
    with tempfile.TemporaryDirectory() as folder:
        path, done = Path(folder) / "keys.vault", 0
        for number in range(count):
            if number % KILLS_A_STORE == 0:
                path.unlink(missing_ok=True)
                Vault.create(path, PASSPHRASE, CHEAP).close()
                done, store_seed = 0, seed + number
            done = kill_once(path, store_seed, done, chance.uniform(0.0, LONGEST_LIFE_S))
            yield done


def cut_power(count: int, seed: int) -> Iterator[str]:
    """Take store and journal out of the middle of a write as a power cut would leave them, and open them again.

    SQLite puts the journal on the disk before it touches the file. So a cut either finds the file as it was and the
    journal in any state (torn, short, full of rubbish), or the journal whole and the pages that it covers, and those
    behind the old end, in any state. Yields which of the two it was; `AssertionError` when the store is not the same.
    """
    chance = random.Random(seed)  # noqa: S311 - so that a failure can be repeated
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.vault"
        with Vault.create(path, PASSPHRASE, CHEAP) as vault:
            for step in range(6):
                change(vault, model_after(seed, step), seed, step)
        before = path.read_bytes()
        for number in range(count):
            if number % 20 == 0:
                path.write_bytes(before)
                middle, journal = _caught_in_the_middle(path, chance.randint(1100, 3000))
            if number % 2:
                left, kind = (before, _torn(journal, chance)), "journal torn"
            else:
                left, kind = (_torn_pages(before, middle, journal, chance), journal), "file torn"
            path.write_bytes(left[0])
            Path(f"{path}-journal").write_bytes(left[1])
            check(path, seed, 6)
            if path.read_bytes() != before:
                raise AssertionError(f"{kind}: the file is not what it was")
            yield kind


def _caught_in_the_middle(path: Path, count: int) -> tuple[bytes, bytes]:
    """Return file and journal in the middle of an import that does not fit into SQLite's cache; nothing is kept."""

    class Enough(Exception):
        """Ends the import."""

    caught: list[bytes] = []

    def rows() -> Iterator[KeyRecord]:
        for index in range(count * 2):
            if index == count:
                caught.extend((path.read_bytes(), Path(f"{path}-journal").read_bytes()))
                raise Enough
            yield record(f"9{index:07d}", "a label that is long enough to fill pages " * 4)

    with Vault.open(path) as vault:
        vault.unlock(PASSPHRASE)
        vault._file.connection.execute("PRAGMA cache_size = 8")
        vault._file.connection.execute("PRAGMA cache_spill = 8")
        with suppress(Enough):
            vault.put(rows())
    return caught[0], caught[1]


def _torn(journal: bytes, chance: random.Random) -> bytes:
    """Cut a journal anywhere, and fill the last sectors with something else, or not."""
    length = chance.randint(0, len(journal))
    kept = bytearray(journal[:length])
    if chance.random() < 0.5 and kept:
        start = chance.randrange(len(kept))
        kept[start:] = chance.randbytes(len(kept) - start)
    return bytes(kept)


def _torn_pages(before: bytes, middle: bytes, journal: bytes, chance: random.Random) -> bytes:
    """Return the file with pages old, new, half new or rubbish, where the journal has what they were."""
    torn = bytearray(middle)
    covered = set(_pages_in(journal)) | set(range(len(before) // PAGE + 1, len(middle) // PAGE + 1))
    for page in covered:
        start = (page - 1) * PAGE
        fate = chance.choice(("new", "old", "half", "rubbish"))
        old = before[start : start + PAGE].ljust(PAGE, b"\0")
        if fate == "old":
            torn[start : start + PAGE] = old
        elif fate == "half":
            torn[start + PAGE // 2 : start + PAGE] = old[PAGE // 2 :]
        elif fate == "rubbish":
            torn[start : start + PAGE] = chance.randbytes(PAGE)
    shortest = max(len(before), PAGE)
    return bytes(torn[: chance.randint(shortest // PAGE, max(shortest, len(torn)) // PAGE) * PAGE])


def _pages_in(journal: bytes) -> Iterator[int]:
    """Yield the numbers of the pages whose old content a journal holds (SQLite file format, 3)."""
    position = 0
    while journal[position : position + 8] == JOURNAL_MAGIC:
        count = int.from_bytes(journal[position + 8 : position + 12])
        sector = int.from_bytes(journal[position + 20 : position + 24])
        position += sector
        if count == 0xFFFFFFFF or count == 0:
            count = (len(journal) - position) // (PAGE + 8)
        for _ in range(count):
            yield int.from_bytes(journal[position : position + 4])
            position += PAGE + 8
        position += -position % sector


def main(arguments: list[str]) -> int:
    """Run both, and say what was done."""
    parser = argparse.ArgumentParser(prog="torture_keystore", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=13757)
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    survived = list(kills(options.kills, options.seed))
    took = time.perf_counter() - started
    sys.stdout.write(
        f"{len(survived)} processes killed, up to {max(survived, default=0)} changes in a store: every store opened, "
        f"no committed change was lost, none was half there ({took:.0f} s)\n"
    )
    started = time.perf_counter()
    kinds = list(cut_power(options.cuts, options.seed))
    took = time.perf_counter() - started
    sys.stdout.write(
        f"{len(kinds)} power cuts, {kinds.count('journal torn')} before and {kinds.count('file torn')} after the "
        f"journal was on the disk: every store was byte for byte what it had been ({took:.0f} s)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
