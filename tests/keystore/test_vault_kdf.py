"""The cost of an unlock: calibrated when written, capped when read."""

from __future__ import annotations

import pytest

from keystore.errors import Damaged, WorkFactorTooHigh
from keystore.vault import KdfParameters, calibrate
from keystore.vault.kdf import FLOOR, MAX_WORK_KIB, TARGET_S, derive


def simulated_machine(s_per_gib_pass: float) -> float:
    return s_per_gib_pass / (1 << 20)


@pytest.mark.parametrize("s_per_gib_pass", [0.01, 0.1, 0.43, 1.0, 5.0, 100.0])
def test_calibration_aims_at_the_target_and_never_below_the_floor(s_per_gib_pass: float) -> None:
    def measure(parameters: KdfParameters) -> float:
        return parameters.memory_kib * parameters.iterations * simulated_machine(s_per_gib_pass)

    chosen = calibrate(measure)
    chosen.check()
    assert chosen.memory_kib >= 64 * 1024
    assert chosen.iterations >= 3
    assert chosen.memory_kib * chosen.iterations <= MAX_WORK_KIB
    if chosen != FLOOR:
        assert measure(chosen) <= TARGET_S * 1.01
    if measure(FLOOR) < TARGET_S / 2 and chosen.memory_kib * chosen.iterations < MAX_WORK_KIB // 4:
        assert measure(chosen) > TARGET_S / 2


def test_calibration_measures_the_real_machine() -> None:
    chosen = calibrate()
    chosen.check()
    assert chosen.memory_kib >= FLOOR.memory_kib


def test_argon2id_agrees_with_the_rfc() -> None:
    # RFC 9106, 5.3 uses a secret and associated data, which a store has not; this is the version 0x13 vector of the
    # reference implementation's test.c: password "password", salt "somesalt", t=2, m=2^8, p=1, 32 bytes.
    expected = "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
    assert derive("password", b"somesalt", KdfParameters(256, 2, 1)).hex() == expected


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (KdfParameters(3 * 1024 * 1024, 1, 4), WorkFactorTooHigh),
        (KdfParameters(2 * 1024 * 1024, 9, 4), WorkFactorTooHigh),
        (KdfParameters(64, 1 << 30, 1), WorkFactorTooHigh),
        (KdfParameters(65536, 3, 65), Damaged),
        (KdfParameters(65536, 0, 4), Damaged),
        (KdfParameters(7, 1, 1), Damaged),
    ],
)
def test_what_is_read_is_capped(parameters: KdfParameters, error: type[Exception]) -> None:
    with pytest.raises(error):
        derive("x", bytes(16), parameters)
