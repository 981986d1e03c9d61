"""The vault: key records in one encrypted, tamper-evident file (format: docs/keystore-format.md)."""

from keystore.vault.backup import BackupReport, RestoreReport, restore_backup, write_backup
from keystore.vault.kdf import KdfParameters, calibrate
from keystore.vault.keychain import Keychain, SystemKeychain
from keystore.vault.merging import PutResult, PutVerdict
from keystore.vault.sealed_file import read_sealed, write_sealed
from keystore.vault.settings import VaultInfo, VaultSettings
from keystore.vault.slot_desk import SlotInfo
from keystore.vault.slots import Credential, SlotKind
from keystore.vault.vault import Vault
from keystore.vault.verify import Problem, ProblemKind, VerifyReport
from keystore.vault.witness import History, HistoryProblem, WitnessFolder

__all__ = [
    "BackupReport",
    "Credential",
    "History",
    "HistoryProblem",
    "KdfParameters",
    "Keychain",
    "Problem",
    "ProblemKind",
    "PutResult",
    "PutVerdict",
    "RestoreReport",
    "SlotInfo",
    "SlotKind",
    "SystemKeychain",
    "Vault",
    "VaultInfo",
    "VaultSettings",
    "VerifyReport",
    "WitnessFolder",
    "calibrate",
    "read_sealed",
    "restore_backup",
    "write_backup",
    "write_sealed",
]
