"""The way to the keys: which store, which passphrase, and the look-up that the decoder asks."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldtool.errors import AccessError, ConfigError
from keystore.errors import WrongPassphrase
from keystore.vault import Vault

STORE_VARIABLE: Final = "FIELDTOOL_STORE"
PASSPHRASE_FILE_VARIABLE: Final = "FIELDTOOL_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
STORE_NAME: Final = "keys.vault"
PASSPHRASE_FILE_LIMIT: Final = 4096
ATTEMPTS: Final = 3


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


def open_store(choice: StoreChoice) -> Vault:
    """Open and unlock a store, asking for the passphrase on the terminal when no file gives it.

    Raises `ConfigError` for the passphrase file, `AccessError` when nobody can be asked, and what `Vault` raises.
    """
    vault = Vault.open(choice.path)
    try:
        if choice.passphrase_file is not None:
            vault.unlock(read_passphrase(choice.passphrase_file))
        else:
            _unlock_by_asking(vault, choice.path)
    except BaseException:
        vault.close()
        raise
    return vault


def open_for_listening(choice: StoreChoice) -> tuple[Vault | None, str]:
    """Open the store for a command that can also do without: (None, reason) when there is none, or no one to ask.

    A store that was named must be there; a passphrase that was given must fit.
    """
    if not choice.path.exists() and not choice.chosen:
        return None, f"no keystore at {choice.path}; make one with `fieldtool store create`"
    if choice.passphrase_file is None and not sys.stdin.isatty() and choice.path.exists():
        return None, f"keystore {choice.path} stays locked; give --passphrase-file to use its keys"
    return open_store(choice), ""


def read_passphrase(path: Path) -> str:
    """Return the first line of a passphrase file; raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            data = file.read(PASSPHRASE_FILE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(
            f"passphrase file {path}: {error.strerror}", "check its name and whether you may read it"
        ) from error
    if len(data) > PASSPHRASE_FILE_LIMIT:
        raise ConfigError(
            f"passphrase file {path} is longer than {PASSPHRASE_FILE_LIMIT} bytes", "is it the right file?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The error would carry the file's content: leave it behind.
        raise ConfigError(f"passphrase file {path} is no UTF-8 text", "save it as UTF-8") from None
    passphrase = text.split("\n", 1)[0].rstrip("\r")
    if not passphrase:
        raise ConfigError(f"passphrase file {path} is empty", "write the passphrase into its first line")
    return passphrase


def ask_passphrase(prompt: str, reason: str) -> str:
    """Ask on the terminal without echo; `AccessError` with `reason` when there is none."""
    if not sys.stdin.isatty():
        raise AccessError(f"{reason}, and there is no terminal to ask for it", "give --passphrase-file FILE")
    return getpass.getpass(prompt)


def new_passphrase(choice: StoreChoice) -> str:
    """Return the passphrase for a new store: from the file, else asked twice on the terminal."""
    if choice.passphrase_file is not None:
        return read_passphrase(choice.passphrase_file)
    first = ask_passphrase("new passphrase: ", "a new keystore needs a passphrase")
    if getpass.getpass("the same again: ") != first:
        raise AccessError("the two passphrases differ", "try again")
    return first


def _unlock_by_asking(vault: Vault, path: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            vault.unlock(ask_passphrase(f"passphrase of {path}: ", f"keystore {path} needs its passphrase"))
        except WrongPassphrase as error:
            if attempt == ATTEMPTS:
                raise
            sys.stderr.write(f"{error.message}\n")
        else:
            return


def _default_path() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("fieldtool", appauthor=False)) / STORE_NAME
