"""The way to the keys: which store, what opens it, what is remembered of it, and new passphrases for it."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldtool.errors import AccessError, ConfigError
from keystore.errors import KeychainUnavailable, RecoveryKeyMistyped, WrongPassphrase
from keystore.passphrase_policy import PassphrasePolicy, judge
from keystore.vault import SlotKind, SystemKeychain, Vault, VaultSettings, WitnessFolder

STORE_VARIABLE: Final = "FIELDTOOL_STORE"
PASSPHRASE_FILE_VARIABLE: Final = "FIELDTOOL_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
HOW_TO_UNLOCK: Final = f"to use its keys, give --passphrase-file FILE or set {PASSPHRASE_FILE_VARIABLE}"
"""What to do where a store is locked, and nobody sits at a terminal to be asked."""

STORE_NAME: Final = "keys.vault"
PASSPHRASE_FILE_LIMIT: Final = 4096
ATTEMPTS: Final = 3
IDLE_LOCK_S: Final = 600.0
"""How long a store stays unlocked in the screens when nobody touches them."""


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """Which store was asked for, and where its passphrase comes from; `chosen` when the user named the store."""

    path: Path
    chosen: bool
    passphrase_file: Path | None


def choose_store(store: str | None, passphrase_file: str | None) -> StoreChoice:
    """Settle store and passphrase file: option, else environment, else the platform's data folder and no file."""
    named = store or os.environ.get(STORE_VARIABLE)
    file = passphrase_file or os.environ.get(PASSPHRASE_FILE_VARIABLE)
    return StoreChoice(
        path=Path(named).expanduser() if named else _default_path(),
        chosen=bool(named),
        passphrase_file=Path(file).expanduser() if file else None,
    )


def vault_settings(idle_lock_s: float | None = None) -> VaultSettings:
    """Return what surrounds a store of this user; commands end by themselves, so only screens lock when idle."""
    import platformdirs

    folder = Path(platformdirs.user_state_dir("fieldtool", appauthor=False)) / "witness"
    return VaultSettings(idle_lock_s=idle_lock_s, actor=user_name(), witness=WitnessFolder(folder))


def user_name() -> str:
    """Return the user's name on this computer, empty where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def open_store(choice: StoreChoice, *, idle_lock_s: float | None = None) -> Vault:
    """Open and unlock a store: by passphrase file, else by the system's keychain, else by asking on the terminal.

    Raises `ConfigError` for the passphrase file, `AccessError` when nobody can be asked, and what `Vault` raises.
    """
    with _to_unlock(choice, idle_lock_s) as vault:
        if choice.passphrase_file is not None:
            vault.unlock(read_passphrase(choice.passphrase_file))
        elif not _unlocked_by_keychain(vault):
            _unlock_by_asking(vault, choice.path)
    return vault


def open_locked(choice: StoreChoice, *, idle_lock_s: float | None = None) -> Vault:
    """Open a store for screens that ask for its passphrase themselves; raises what `Vault.open` raises."""
    with _to_unlock(choice, idle_lock_s) as vault:
        return vault


def open_with_credential(choice: StoreChoice) -> tuple[Vault, str]:
    """Open and unlock a store with what also wraps its root key anew: passphrase or recovery key, never the keychain.

    Raises as `open_store` does.
    """
    with _to_unlock(choice) as vault:
        if choice.passphrase_file is not None:
            credential = read_passphrase(choice.passphrase_file)
            vault.unlock(credential)
        else:
            credential = _unlock_by_asking(vault, choice.path)
    return vault, credential


def somebody_would_be_asked(choice: StoreChoice) -> bool:
    """Whether to open a store may mean to ask for its passphrase at the terminal."""
    return choice.passphrase_file is None and sys.stdin.isatty()


def open_for_listening(
    choice: StoreChoice, *, idle_lock_s: float | None = None, may_ask: bool = True
) -> tuple[Vault | None, str]:
    """Open the store for a command that can also do without: (None, reason) when there is none, or no one to ask.

    A store that was named must be there; a passphrase that was given must fit. Without `may_ask` nobody is asked.
    """
    if not choice.path.exists() and not choice.chosen:
        return None, f"no keystore at {choice.path}; make one with `fieldtool store create`"
    may_ask = may_ask and somebody_would_be_asked(choice)
    if choice.passphrase_file is None and not may_ask and choice.path.exists():
        with _to_unlock(choice, idle_lock_s) as vault:
            is_unlocked = _unlocked_by_keychain(vault)
        if is_unlocked:
            return vault, ""
        vault.close()
        return None, f"keystore {choice.path} stays locked; {HOW_TO_UNLOCK}"
    return open_store(choice, idle_lock_s=idle_lock_s), ""


@contextmanager
def _to_unlock(choice: StoreChoice, idle_lock_s: float | None = None) -> Iterator[Vault]:
    """Open a store that the body may unlock, and stays open; a body that fails closes it."""
    vault = Vault.open(choice.path, settings=vault_settings(idle_lock_s))
    try:
        _forbid_core_dumps()
        yield vault
        _tell_history(vault)
    except BaseException:
        vault.close()
        raise


def read_passphrase(path: Path, what: str = "passphrase") -> str:
    """Return the first line of a passphrase file, or of another secret's; raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            data = file.read(PASSPHRASE_FILE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(
            f"{what} file {path}: {error.strerror}", "check its name and whether you may read it"
        ) from error
    if len(data) > PASSPHRASE_FILE_LIMIT:
        raise ConfigError(f"{what} file {path} is longer than {PASSPHRASE_FILE_LIMIT} bytes", "is it the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The error would carry the file's content: leave it behind.
        raise ConfigError(f"{what} file {path} is not UTF-8 text", "save it as UTF-8") from None
    passphrase = text.split("\n", 1)[0].rstrip("\r")
    if not passphrase:
        raise ConfigError(f"{what} file {path} is empty", f"write the {what} into its first line")
    return passphrase


def ask_passphrase(prompt: str, reason: str) -> str:
    """Ask on the terminal without echo; `AccessError` with `reason` when there is none."""
    if not sys.stdin.isatty():
        raise AccessError(f"{reason}, and there is no terminal to ask for it", "give --passphrase-file FILE")
    return getpass.getpass(prompt)


def new_passphrase(file: Path | None, policy: PassphrasePolicy, what: str = "a new keystore") -> str:
    """Return a new passphrase: from a file, else asked twice on the terminal, judged while it is typed.

    A weak one that the policy allows is taken, and said to be weak. Raises `ConfigError`, `AccessError`; whether the
    policy allows it is for the store to say.
    """
    from fieldtool.passphrase_prompt import ask_judged

    names = (user_name(),)
    if file is not None:
        passphrase = read_passphrase(file)
    else:
        if not sys.stdin.isatty():
            raise AccessError(
                f"{what} needs a passphrase, and there is no terminal to ask for it", "give a file with it"
            )
        passphrase = ask_judged(f"new passphrase for {what}: ", policy, names)
        allowed = judge(passphrase, policy, names).ok
        if allowed and getpass.getpass("repeat it: ") != passphrase:
            raise AccessError("the two passphrases differ", "try again")
    judgement = judge(passphrase, policy, names)
    if judgement.ok and judgement.is_weak:
        sys.stderr.write(f"the passphrase is weak: {judgement.line}\n")
    return passphrase


def _unlocked_by_keychain(vault: Vault) -> bool:
    """Unlock by the system's keychain where the store has such a slot; what stands in the way is said and passed by."""
    if SlotKind.KEYCHAIN not in vault.info.slots:
        return False
    try:
        return vault.unlock_from(SystemKeychain())
    except KeychainUnavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return False


def _unlock_by_asking(vault: Vault, path: Path) -> str:
    """Ask until it fits, three times; return what did."""
    for attempt in range(1, ATTEMPTS + 1):
        typed = ask_passphrase(f"passphrase of {path}: ", f"keystore {path} needs its passphrase")
        try:
            vault.unlock(typed)
        except (WrongPassphrase, RecoveryKeyMistyped) as error:
            if attempt == ATTEMPTS:
                raise
            sys.stderr.write(f"{error.message}\n")
        else:
            return typed
    raise AssertionError("the last attempt returns or raises")


def _tell_history(vault: Vault) -> None:
    if vault.history is not None:
        sys.stderr.write(
            f"warning: keystore {vault.path} is not the one that was last used here: {vault.history.text}\n"
            "  if you put an older copy back yourself: fieldtool store verify --accept; if not, ask who did, and\n"
            "  import again what was imported since\n"
        )


def _forbid_core_dumps() -> None:
    """Keep the keys out of files that a crash would leave behind, where the system can be told so."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _default_path() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("fieldtool", appauthor=False)) / STORE_NAME
