"""What every test may rely on: repeatable examples, no store of the user's own, and the corpora where they are."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
CONFORMANCE = ROOT.parent / "shared" / "conformance"

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session", autouse=True)
def _signals_as_on_a_terminal() -> None:
    """Let tests end the programs that they start: `nohup` and a job in the background would hand ignored signals on."""
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _apart_from_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point home and data folders at an empty one, so that no test reads or writes what is the user's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
            patch.setenv(name, str(home))
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        for name in ("FIELDTOOL_STORE", "FIELDTOOL_PASSPHRASE_FILE", "FIELDTOOL_PROFILES", "FIELDTOOL_FORMATS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def conformance_dir() -> Path:
    """The folder of corpora: `FIELDTOOL_CONFORMANCE`, else beside the project; skips where there is none."""
    folder = Path(os.environ.get("FIELDTOOL_CONFORMANCE", CONFORMANCE))
    if not folder.is_dir():
        pytest.skip("the conformance corpora are not here")
    return folder
