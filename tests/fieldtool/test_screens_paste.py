"""What is pasted on the screens is decoded with the user's keys: without a store, with a locked one, beside a demo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fieldtool.cli import screens
from fieldtool.demo import running_demo
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.pipeline.pipeline import PASTED
from fieldtool.pipeline.reception import MeterRow
from fieldtool.tui.session import Session
from keystore.model import KeyRecord
from keystore.vault import Vault
from protocols.crypto import aes_ctr
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, Link, Outcome, RawFrame, Telegram
from protocols.wmbus.security.ctr_extended_link import counter_block
from tests.fieldtool.conftest import PASSPHRASE, Run
from tests.fieldtool.paste_bench import CLEAR, PATIENCE_S, wait_for

METER = Address.of("KAM", "70009001", 0x1B, 0x16)
KEY = bytes(range(16))


def _sealed() -> RawFrame:
    """A telegram of a meter that nobody simulates: 12.345 m³ under `KEY`."""
    payload = bytes.fromhex("78 0413 39300000")
    session, plain = bytes.fromhex("03A00F20"), crc16_en13757(payload).to_bytes(2, "little") + payload
    ciphered = aes_ctr(KEY, counter_block(METER, 0x20, int.from_bytes(session, "little")), plain)
    body = b"\x44" + METER.to_wire() + bytes.fromhex("8D2011") + session + ciphered
    return RawFrame(bytes((len(body),)) + body, source=PASTED)


SEALED = _sealed()


@pytest.fixture
def filed(store: Path) -> Path:
    """A store in which the meter's key is."""
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        vault.put([KeyRecord(METER.number, value=KEY, manufacturer=METER.manufacturer)])
    return store


def _look(monkeypatch: pytest.MonkeyPatch, look: Callable[[Session], None]) -> list[Session]:
    """Let `look` be what is done at the screens."""
    shown: list[Session] = []

    def run(session: Session) -> None:
        shown.append(session)
        look(session)

    monkeypatch.setattr(screens, "_need_terminal", lambda: None)
    monkeypatch.setattr(screens, "run", run)
    return shown


def _pasted(session: Session, *frames: RawFrame) -> list[Telegram]:
    assert session.paste is not None
    return list(session.paste([replace(frame) for frame in frames]))


def test_without_a_store_and_without_a_receiver(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("FIELDTOOL_STORE", raising=False)
    monkeypatch.setattr("fieldtool.access._default_path", lambda: tmp_path / "none.vault")
    seen: list[Telegram] = []
    shown = _look(monkeypatch, lambda session: seen.extend(_pasted(session, CLEAR, SEALED)))
    assert run().code == 0
    assert [telegram.outcome for telegram in seen] == [Outcome.OK, Outcome.NO_KEY]
    assert not shown[0].can_be_unlocked
    assert shown[0].reception.counters.received == 2


def test_with_a_locked_store_it_is_read_when_the_store_is_unlocked(
    run: Run, filed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")

    def look(session: Session) -> None:
        (telegram,) = _pasted(session, SEALED)
        assert telegram.outcome is Outcome.NO_KEY
        assert session.can_be_unlocked
        assert session.unlock_keystore is not None
        session.unlock_keystore(PASSPHRASE)
        wait_for(lambda: session.reception.telegrams(METER)[-1].ok)

    shown = _look(monkeypatch, look)
    assert run().code == 0
    assert len(shown) == 1


@pytest.mark.parametrize("locked", [False, True])
def test_beside_simulated_meters_with_the_own_keys(filed: Path, locked: bool) -> None:
    own = LazyKeys(str(filed), None, idle_lock_s=600)
    own.open_locked() if locked else own.open()
    try:
        with running_demo(news_size=0, own=own) as demo:
            (telegram,) = demo.listening.paste([replace(SEALED)], PATIENCE_S)
            assert telegram.outcome is (Outcome.NO_KEY if locked else Outcome.OK)
            if locked:
                own.unlock(PASSPHRASE)
            wait_for(lambda: demo.listening.reception.telegrams(METER)[-1].ok)
            wait_for(lambda: demo.listening.reception.counters.shown > 1)
    finally:
        own.close()


def test_a_telegram_of_a_simulated_meter_is_read_in_the_demo() -> None:
    with running_demo(news_size=0) as demo:
        wait_for(lambda: any(_is_decrypted(row) for row in demo.listening.reception.rows()))
        heard = next(row for row in demo.listening.reception.rows() if _is_decrypted(row))
        (telegram,) = demo.listening.paste([RawFrame(heard.last.data, source=PASTED)], PATIENCE_S)
        assert telegram.ok


def _is_decrypted(row: MeterRow) -> bool:
    return row.last.ok and row.key_check_value is not None and row.last.frame.link is Link.MBUS
