"""Passphrase to key: Argon2id with calibrated cost when a store is made, and capped cost when one is read."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from keystore.errors import Damaged, KeystoreError, WorkFactorTooHigh

KDF_NAME = "argon2id"
KEY_BYTES = 32
SALT_BYTES = 16

TARGET_S = 0.5
"""What an unlock may cost the honest user; an attacker pays it for every guess."""

FLOOR_MEMORY_KIB = 64 * 1024
FLOOR_ITERATIONS = 3
LANES = 4
MAX_MEMORY_KIB = 2 * 1024 * 1024
MAX_LANES = 64
MAX_WORK_KIB = 16 * 1024 * 1024
"""Memory times passes a reader accepts: about eight seconds on two cores; above it a file is hostile, not careful."""


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """The cost of one Argon2id run: memory in KiB, passes over it, lanes."""

    memory_kib: int
    iterations: int
    lanes: int

    def check(self) -> None:
        """Raise `WorkFactorTooHigh` above the caps and `Damaged` where Argon2id is not defined."""
        if not (1 <= self.lanes <= MAX_LANES and self.iterations >= 1 and self.memory_kib >= 8 * self.lanes):
            raise Damaged("the store's unlock parameters make no sense", "restore the store from a backup")
        if self.memory_kib > MAX_MEMORY_KIB or self.memory_kib * self.iterations > MAX_WORK_KIB:
            raise WorkFactorTooHigh(
                f"the store asks for {self.memory_kib // 1024} MiB and {self.iterations} passes to unlock",
                "no store of this program asks for that much: check where the file came from",
            )


FLOOR = KdfParameters(FLOOR_MEMORY_KIB, FLOOR_ITERATIONS, LANES)


def passphrase_bytes(passphrase: str) -> bytes:
    """Return the bytes that are stretched: NFC, so that an umlaut typed on another keyboard still opens the store."""
    return unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")


def derive(passphrase: str, salt: bytes, parameters: KdfParameters) -> bytes:
    """Return the 32-byte key of a passphrase; parameters are checked against the caps first."""
    return derive_bytes(passphrase_bytes(passphrase), salt, parameters)


def derive_bytes(secret: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
    """Return the 32-byte key of `passphrase_bytes`; parameters are checked against the caps first."""
    parameters.check()
    kdf = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=parameters.iterations,
        lanes=parameters.lanes,
        memory_cost=parameters.memory_kib,
    )
    try:
        return kdf.derive(secret)
    except MemoryError:
        raise KeystoreError(
            f"unlocking needs {parameters.memory_kib // 1024} MiB of free memory", "close other programs and try again"
        ) from None


def measure_s(parameters: KdfParameters) -> float:
    """Return how long one run takes here and now."""
    started = time.perf_counter()
    derive("calibration", bytes(SALT_BYTES), parameters)
    return time.perf_counter() - started


def calibrate(measure: Callable[[KdfParameters], float] = measure_s) -> KdfParameters:
    """Return parameters that take about `TARGET_S` here, never below the floor of 64 MiB and 3 passes.

    Only passes are raised: with 64 MiB a small field computer opens the store too, and reading a capture with its keys
    stays below 150 MB.
    """
    cost_s = max(measure(FLOOR), 1e-3)
    passes = min(int(FLOOR_ITERATIONS * TARGET_S / cost_s), MAX_WORK_KIB // FLOOR_MEMORY_KIB // 2)
    return KdfParameters(FLOOR_MEMORY_KIB, max(FLOOR_ITERATIONS, passes), LANES)
