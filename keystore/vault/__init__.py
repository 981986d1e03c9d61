"""The vault: key records in one encrypted, tamper-evident file (format: docs/keystore-format.md)."""

from keystore.vault.book import PutResult, PutVerdict
from keystore.vault.kdf import KdfParameters, calibrate
from keystore.vault.vault import Vault, VaultInfo
from keystore.vault.verify import Problem, ProblemKind, VerifyReport

__all__ = [
    "KdfParameters",
    "Problem",
    "ProblemKind",
    "PutResult",
    "PutVerdict",
    "Vault",
    "VaultInfo",
    "VerifyReport",
    "calibrate",
]
