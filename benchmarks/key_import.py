"""How long imports of key files take, and how much memory: `python -m benchmarks.key_import [--rows N] [--devices N]`.

Each measurement runs in a process of its own, so that the memory is its own too.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fieldtool.keys.key_import import KeyFile, import_files
from keystore.formats import KemDevice, KemKey, KemVariant, ReadOptions, write_kem
from keystore.vault import KdfParameters, Vault

ROWS = 1_000_000
DEVICES = 10_000
PASSWORD = "Portal-1234"  # noqa: S105 - of a made-up file
CHEAP = KdfParameters(memory_kib=64, iterations=1, lanes=1)
"""Unlocking is measured elsewhere."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one import took; memory is the process's peak, the file included."""

    keys: int
    wall_s: float
    cpu_s: float
    peak_mib: int
    file_mib: float
    store_mib: float


def table(rows: int) -> bytes:
    """A portal's list of made-up meters, as its writer makes it."""
    header = "Serial number;Manufacturer;Device type;Claim status;Label;Batch reference;DevEUI;JoinEUI;AppKey;OMS key"
    lines = [header]
    for number in range(rows):
        key = hashlib.blake2b(number.to_bytes(4), digest_size=16).hexdigest().upper()
        lines.append(f'"{number:08d}";KAM;MULTICAL 21;claimed;flat {number};B7;"";"";;"{key}"')
    return "\r\n".join(lines).encode()


def kem2(devices: int) -> bytes:
    """A KEM2 file of made-up meters."""
    made = [
        KemDevice(f"{number:08d}", (KemKey("DEK", hashlib.md5(number.to_bytes(4)).hexdigest()),), name="MC21")  # noqa: S324
        for number in range(devices)
    ]
    return write_kem(made, PASSWORD, KemVariant.KEM2)


def measure(make: Callable[[int], bytes], count: int) -> Measured:
    """Import a file into a new store, in another process."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name, context.Pool(1) as pool:
        folder = Path(name)
        pool.apply(_make, (make, count, folder / "keys"))
        with context.Pool(1) as fresh:
            return fresh.apply(_import, (folder,))


def _make(make: Callable[[int], bytes], count: int, path: Path) -> None:
    path.write_bytes(make(count))


def _import(folder: Path) -> Measured:
    path = folder / "keys"
    with Vault.create(folder / "keys.vault", "made-up passphrase", CHEAP) as vault:
        began, used = time.perf_counter(), time.process_time()
        file = KeyFile(path, path.read_bytes(), ReadOptions(password=PASSWORD), datetime.now(UTC))
        imported, _ = import_files(vault, [file])
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    keys = imported[0].put.new
    store = sum(one.stat().st_size for one in folder.glob("keys.vault*"))
    return Measured(keys, wall_s, cpu_s, _peak_mib(), path.stat().st_size / 2**20, store / 2**20)


def _peak_mib() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the CSV table")
    parser.add_argument("--devices", type=int, default=DEVICES, help="devices of the KEM2 file")
    arguments = parser.parse_args()
    for name, make, count in (("CSV", table, arguments.rows), ("KEM2", kem2, arguments.devices)):
        result = measure(make, count)
        sys.stdout.write(
            f"{name}: {result.keys} keys in {result.wall_s:.1f} s ({result.cpu_s:.1f} s of processor time), "
            f"peak {result.peak_mib} MiB, file {result.file_mib:.1f} MiB, store {result.store_mib:.1f} MiB\n"
        )


if __name__ == "__main__":
    main()
