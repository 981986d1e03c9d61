"""A process killed in the middle of a write: the store opens, no committed batch is lost, none is half there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keystore.vault import Vault
from tests.keystore.made_up import CHEAP, PASSPHRASE, record_of

ROOT = Path(__file__).resolve().parents[2]
BATCH = 400
KILLS = 5

# Puts batches for ever and says after each that it is committed; batch b holds the numbers b * BATCH and up.
WRITER = f"""
import sys
from pathlib import Path
from keystore.vault import Vault
from tests.keystore.made_up import PASSPHRASE, record_of
vault = Vault.open(Path(sys.argv[1]))
vault.unlock(PASSPHRASE)
batch = int(sys.argv[2])
print("ready", flush=True)
while True:
    vault.put(record_of(batch * {BATCH} + index) for index in range({BATCH}))
    print(batch, flush=True)
    batch += 1
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_killed_writers_leave_whole_batches(store_path: Path) -> None:
    Vault.create(store_path, PASSPHRASE, CHEAP).close()
    seeded = random.Random(13757)
    committed = -1
    for _ in range(KILLS):
        arguments = [sys.executable, "-c", WRITER, str(store_path), str(committed + 1)]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(seeded.uniform(0.0, 0.06))
            writer.kill()
            said = [int(line) for line in writer.stdout.read().splitlines() if line.isdigit()]
        with Vault.open(store_path) as vault:
            vault.unlock(PASSPHRASE)
            count = vault.count
            assert count % BATCH == 0
            # The last batch may have been committed without the time to say so.
            assert count // BATCH - 1 - max([committed, *said]) in {0, 1}
            committed = count // BATCH - 1
            assert {int(record.number) for record in vault.records()} == set(range(count))
            assert vault.verify().ok
    assert committed >= 0
    # A journal that was cut before it mattered stays until the next write.
    with Vault.open(store_path) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([record_of("99999999")])
    assert [file.name for file in store_path.parent.iterdir()] == [store_path.name]
