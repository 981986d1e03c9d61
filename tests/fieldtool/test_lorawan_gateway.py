"""LoRaWAN from end to end: simulated devices and gateway, UDP, imported CSV, vault, pipeline, rows."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fieldtool.errors import PortBusy, UsageError
from fieldtool.kept.session_book import DOCUMENT, SessionBook
from fieldtool.kept.session_document import decode_sessions, encode_sessions
from fieldtool.keys.key_import import import_files, read_key_file
from fieldtool.keys.lorawan_keys import FiledLorawanKeys, given_lorawan_keys
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.sources.gateway import GatewaySource
from fieldtool.sources.registry import open_source
from keystore.formats import ReadOptions
from keystore.model import KeyRecord, KeyRole, Provenance
from keystore.vault import KdfParameters, Vault
from protocols.learned import LearnedDecoder
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.sessions import Sessions
from protocols.model import Address, Key, Outcome, Telegram
from simulators.bench import Bench
from simulators.portals.the_things_stack import export_devices
from simulators.ports import UdpPort
from simulators.receivers.gwmp import GATEWAY, PacketForwarder
from simulators.scenario import Faults, Scenario
from tests.simulators.lora_scenarios import axioma, dev_eui

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
CHEAP = KdfParameters(memory_kib=8 * 1024, iterations=1, lanes=1)
PATIENCE_S = 20.0

SCENARIO = "".join(
    (
        axioma("rollover", 1, interval_s=10, jitter=0.0, rejoin_after=8, unheard=65533),
        axioma("wrong", 2, interval_s=20, key="wrong"),
    )
)
ROLLOVER, WRONG = dev_eui(1), dev_eui(2)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    scenario = Scenario.parse(SCENARIO, "x")
    (file,) = export_devices(scenario, STARTS)
    path = tmp_path / file.file_name
    path.write_bytes(file.data)
    with Vault.create(tmp_path / "keys.vault", "correct horse battery", CHEAP) as made:
        import_files(made, [read_key_file(path, ReadOptions(), lambda _: "")])
        yield made


def listen(vault: Vault, seconds: float, speed: float, wanted: int) -> tuple[Listening, list[Telegram]]:
    """Listen to the simulated gateway until `wanted` telegrams came."""
    scenario = replace(Scenario.parse(SCENARIO, "x"), faults=Faults())
    source = GatewaySource("127.0.0.1", 0, lambda: datetime.now(UTC))
    follower = LorawanFollower(FiledLorawanKeys(vault.device_records))
    book = SessionBook(lambda: vault.receivers_documents)
    listening = Listening([source], LearnedDecoder(vault.keys_for, lorawan=follower), session_book=book)
    listening.start()
    heard: list[Telegram] = []
    with Bench(scenario, PacketForwarder(), UdpPort(source.bound_port), starts=STARTS, speed=speed):
        deadline = time.monotonic() + seconds
        while len(heard) < wanted and time.monotonic() < deadline:
            news = listening.next(0.2)
            if isinstance(news, Heard):
                heard.append(news.telegram)
    listening.stop()
    return listening, heard


def test_joins_rollover_rejoin_and_a_wrong_key(vault: Vault) -> None:
    listening, heard = listen(vault, PATIENCE_S, 100.0, 36)
    own = [one for one in heard if one.lorawan is not None and one.lorawan.dev_eui == ROLLOVER]
    assert {one.outcome for one in own} == {Outcome.OK}
    counters = [one.lorawan.fcnt for one in own if one.lorawan is not None and one.lorawan.fport is not None]
    first_session = counters[: counters.index(65533, 1)]
    assert first_session == list(range(65533, 65541))
    requests = [one for one in own if one.lorawan is not None and one.lorawan.mtype == "JoinRequest"]
    assert len(requests) >= 2
    refused = next(one for one in heard if one.lorawan is not None and one.lorawan.dev_eui == WRONG)
    assert refused.outcome is Outcome.WRONG_KEY
    assert "the MIC does not fit AppKey" in (refused.problem or "")
    row = listening.reception.row(ROLLOVER)
    assert row is not None
    assert (row.medium, row.mode, row.profile) == ("water", "SF7", "axioma-w1")
    assert row.main_reading is not None
    assert row.main_reading.name == "total_volume"
    assert own[-1].frame.source == f"gwmp {GATEWAY}"


def test_a_session_outlives_the_program_sealed_in_the_vault(vault: Vault) -> None:
    _, heard = listen(vault, PATIENCE_S, 100.0, 6)
    assert any(one.ok and one.readings for one in heard)
    kept = vault.receivers_documents.read(DOCUMENT)
    assert kept is not None
    sessions = decode_sessions(kept)
    assert encode_sessions(sessions) == kept
    (session,) = sessions.of_device(ROLLOVER)
    assert session.fcnt_up is not None
    assert session.fcnt_up >= 65533
    assert 1 in sessions.device(ROLLOVER).dev_nonces
    follower = LorawanFollower(FiledLorawanKeys(vault.device_records))
    book = SessionBook(lambda: vault.receivers_documents)
    book.follow(follower)
    uplink = next(one for one in reversed(heard) if one.ok and one.readings)
    assert follower.decode(uplink.frame).readings == uplink.readings


def test_locking_takes_the_sessions_away_and_unlocking_brings_them_back(vault: Vault) -> None:
    listen(vault, PATIENCE_S, 100.0, 6)
    follower = LorawanFollower()
    shelf = [vault.receivers_documents]
    book = SessionBook(lambda: shelf[0] if shelf else None)
    book.follow(follower)
    assert list(follower.sessions.sessions)
    shelf.clear()
    book.follow(follower)
    assert not list(follower.sessions.sessions)
    shelf.append(vault.receivers_documents)
    book.follow(follower)
    assert list(follower.sessions.sessions)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"v": 2}', b'{"v":1,"sessions":[{}],"devices":[]}', b"\xff"])
def test_what_is_no_sessions_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no sessions"):
        decode_sessions(data)
    assert encode_sessions(decode_sessions(encode_sessions(Sessions()))) == encode_sessions(Sessions())


def test_a_port_in_use_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        source = open_source(f"gwmp://127.0.0.1:{taken.getsockname()[1]}")
        listening = Listening([source], LearnedDecoder())
        with pytest.raises(PortBusy, match="UDP port"):
            listening.start()


@pytest.mark.parametrize("url", ["gwmp://127.0.0.1:x", "gwmp://127.0.0.1:70000", "gwmp://127.0.0.1:"])
def test_a_port_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="port"):
        open_source(url)


def test_given_keys_are_tried_as_root_and_as_session_keys() -> None:
    keys = given_lorawan_keys([Key(bytes(16)), Key(bytes(8)), Key(b"\1" * 16)])
    assert len(keys.root_keys("any")) == 2
    assert len(keys.session_keys("any")) == 2


def meter_of(record: KeyRecord) -> Address | None:
    """The meter's address that goes with the root keys of one record."""
    (roots,) = FiledLorawanKeys(lambda _: [record]).root_keys(record.dev_eui)
    return roots.meter


def test_the_meter_behind_a_device_is_known_where_its_whole_address_is_filed() -> None:
    source = Provenance("csv", imported_at=STARTS)
    record = KeyRecord("53784349", KeyRole.LORAWAN_APP_KEY, bytes(16), manufacturer="KAM", version=60, medium_code=22,
                       dev_eui="0004a30b000000c1", source=source)  # fmt: skip
    for filed, meter in ((record, Address.of("KAM", "53784349", 60, 22)), (replace(record, version=None), None)):
        assert meter_of(filed) == meter
    assert meter_of(replace(record, number="21N001052")) is None
