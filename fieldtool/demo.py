"""The whole chain without hardware: portal export, keystore, import, simulated receiver, driver, decoder."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.kept.session_book import SessionBook
from fieldtool.keys.joined_keys import JoinedKeys
from fieldtool.keys.key_import import Imported, import_files, read_key_file
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.keys.lorawan_keys import FiledLorawanKeys
from fieldtool.pipeline.listening import Listening
from fieldtool.sources.simulated import KIND, SimulatedSource, load_scenario, make_bench
from keystore.formats import ReadOptions
from keystore.vault import KdfParameters, Vault, VaultSettings
from protocols.learned import LearnedDecoder
from protocols.lorawan.follower import LorawanFollower
from protocols.plural import counted
from simulators.portals.kamstrup import export_keys
from simulators.portals.the_things_stack import export_devices
from simulators.scenario import Scenario

SPEED: Final = 3.0
"""How fast the meters' time runs: every meter is heard every two seconds or so."""

MODE: Final = "c1,t1"
KEM_PASSWORD_BYTES: Final = 6
"""12 hex digits; a KEM file takes 16 bytes at most."""

CHEAP_KDF: Final = KdfParameters(memory_kib=8 * 1024, iterations=1, lanes=1)
"""The store of the demonstration lives for seconds and holds made-up keys."""

NEVER_LOCKS: Final = VaultSettings(idle_lock_s=None)


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demonstration: what it simulates, what was imported, and what listens."""

    scenario: Scenario
    imported: tuple[Imported, ...]
    listening: Listening

    @property
    def keystore_text(self) -> str:
        """The state of the keystore in a few words."""
        keys = sum(len(imported.put.verdicts) for imported in self.imported)
        return f"temporary store, {counted(keys, 'key')}"


@contextmanager
def running_demo(speed: float = SPEED, news_size: int = 10_000, own: LazyKeys | None = None) -> Iterator[Demo]:
    """Run the demonstration; its folder, threads and ports are gone at the end. Raises `FieldToolError`.

    `own` are keys beside those of the simulated meters, for telegrams of real meters that are pasted.
    """
    scenario = load_scenario(None)
    with tempfile.TemporaryDirectory(prefix="fieldtool-demo-") as name:
        folder = Path(name)
        password = secrets.token_hex(KEM_PASSWORD_BYTES)
        files = []
        at = datetime.now(UTC)
        for file in (*export_keys(scenario, password, at), *export_devices(scenario, at)):
            path = folder / file.file_name
            path.write_bytes(file.data)
            files.append((path, file.password))
        passphrase = secrets.token_urlsafe()
        with Vault.create(folder / "keys.vault", passphrase, CHEAP_KDF, settings=NEVER_LOCKS) as vault:
            key_files = [
                read_key_file(path, ReadOptions(password=file_password), _never_ask) for path, file_password in files
            ]
            imported = tuple(import_files(vault, key_files)[0])
            bench = make_bench(scenario, KIND, "", speed=speed)
            source = SimulatedSource(bench, MODE, lambda: datetime.now(UTC))
            keys = vault.keys_for if own is None else JoinedKeys(vault.keys_for, own)
            decoder = LearnedDecoder(keys, lorawan=LorawanFollower(_lorawan_keys(vault, own)))
            book = SessionBook(lambda: vault.receivers_documents)
            listening = Listening(
                [source],
                decoder,
                news_size=news_size,
                keys_epoch=lambda: 0 if own is None else own.epoch,
                session_book=book,
            )
            listening.start()
            try:
                yield Demo(scenario, imported, listening)
            finally:
                listening.stop()


def _lorawan_keys(vault: Vault, own: LazyKeys | None) -> FiledLorawanKeys:
    if own is None:
        return FiledLorawanKeys(vault.device_records)
    return FiledLorawanKeys(lambda name: (*vault.device_records(name), *own.device_records(name)), own)


def _never_ask(question: str) -> str:
    raise AssertionError(f"the demonstration knows its own password: {question}")
