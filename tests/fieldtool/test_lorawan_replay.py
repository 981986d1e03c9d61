"""LoRaWAN captures: through several processes as through one, and on from what earlier runs have heard."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldtool.kept.session_book import DOCUMENT
from fieldtool.replay.capture import Block, open_capture
from fieldtool.replay.dealing import Dealer
from keystore.vault import KdfParameters, Vault
from protocols.captures.hex_lines import format_line
from protocols.captures.model import CaptureEntry
from protocols.lorawan.encode import Acceptance, Asked, Message, data_frame, join_accept, join_request, rejoin_request
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import RootKeys, SessionKeys, js_int_key, session_1_0, session_1_1
from protocols.lorawan.phy import MType
from protocols.model import Address, Key, Link, RawFrame
from protocols.receivers.gwmp.packets import Packet, push_body
from protocols.wmbus.encode import link_frame
from tests.fieldtool.conftest import Run
from tests.keystore.made_up import key_of
from tests.protocols.lorawan.lorawan_bench import Filed

PASSPHRASE = "correct horse battery staple"
AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
JOIN_EUI, NET_ID = "70b3d57ed0000001", "000013"
WATER = bytes.fromhex("4036006b0029350000201a006b00290000b800b900b800b800b900b800")
"""Axioma W1."""


def key(name: str) -> Key:
    return Key(key_of(name))


class Device:
    """A made-up device that joins, sends, and joins again."""

    def __init__(self, number: int, *, version: str = "1.0") -> None:
        self.dev_eui = f"8c83fc05000000{number:02x}"
        self.version = version
        self.roots = RootKeys(
            self.dev_eui,
            app_key=key(f"app {number}"),
            nwk_key=key(f"nwk {number}") if version == "1.1" else None,
        )
        self.dev_nonce = 0
        self.fcnt = 0
        self.keys: SessionKeys | None = None

    @property
    def root(self) -> Key:
        root = self.roots.nwk_key or self.roots.app_key
        assert root is not None
        return root

    def join(self, dev_addr: str) -> Iterator[bytes]:
        """Request and accept."""
        self.dev_nonce += 1
        nonce = f"{self.dev_nonce:06x}"
        yield join_request(self.root, JOIN_EUI, self.dev_eui, self.dev_nonce)
        if self.version == "1.0":
            yield join_accept(self.root, Acceptance(nonce, NET_ID, dev_addr))
            self.keys = session_1_0(self.root, nonce, NET_ID, self.dev_nonce, dev_addr, self.dev_eui)
        else:
            accept = Acceptance(nonce, NET_ID, dev_addr, opt_neg=True)
            yield join_accept(self.root, accept, js_int_key(self.root, self.dev_eui), Asked(JOIN_EUI, self.dev_nonce))
            self.keys = session_1_1(
                self.root, self.roots.app_key, nonce, JOIN_EUI, self.dev_nonce, dev_addr, self.dev_eui
            )
        self.fcnt = 0

    def send(self, payload: bytes = WATER, fport: int = 100) -> bytes:
        assert self.keys is not None
        self.fcnt += 1
        return data_frame(Message(MType.UNCONFIRMED_DATA_UP, self.fcnt, fport, payload), self.keys)


def traffic(devices: int = 9) -> list[bytes]:
    """Joins, uplinks, rejoins to addresses of others, lost accepts, replays and foreign frames, all mixed."""
    draw = random.Random(6)
    fleet = [Device(number, version="1.1" if number % 4 == 3 else "1.0") for number in range(devices)]
    fixed = Device(0xF0)
    fixed.keys = FIXED
    addresses = [f"260120{number:02x}" for number in range(devices)]
    frames: list[bytes] = []
    for device, dev_addr in zip(fleet, addresses, strict=True):
        frames += device.join(dev_addr)
    for turn in range(600):
        device = draw.choice(fleet)
        if turn % 40 == 7:
            # Any address, also one that another device has at the moment, or had.
            frames += list(device.join(draw.choice(addresses)))
        elif turn % 40 == 21:
            request, _ = device.join(draw.choice(addresses))
            device.keys = None
            frames.append(request)
            frames += list(device.join(draw.choice(addresses)))
        elif turn % 40 == 33:
            frames.append(draw.choice(frames))
        elif turn % 40 == 15:
            # The network's answer was not heard, or neither: the uplinks that follow cannot be read.
            request, _ = device.join(draw.choice((draw.choice(addresses), f"2601aa{turn % 256:02x}")))
            frames += [request] if turn % 80 == 15 else []
        elif turn % 10 == 4:
            frames.append(fixed.send())
        elif turn % 25 == 9:
            frames.append(b"\x40" + draw.randbytes(30))
        elif turn % 50 == 26:
            join = rejoin_request(device.root, 0, NET_ID, device.dev_eui, turn)
            frames.append(join)
        else:
            frames.append(device.send())
    return [*frames, frames[0]]


FIXED = SessionKeys.of_1_0("260120ff", key("fixed nwk"), key("fixed app"), "8c83fc05000000f0")


@pytest.fixture(autouse=True)
def _cheap_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))


@pytest.fixture
def store(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.vault"
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(path))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(passphrase))
    assert run("store", "create").code == 0
    table = tmp_path / "devices.csv"
    rows = ["id;dev_eui;join_eui;app_key;nwk_key;dev_addr;app_s_key;f_nwk_s_int_key;lorawan_version;model_id"]
    for number in range(9):
        device = Device(number, version="1.1" if number % 4 == 3 else "1.0")
        nwk = "" if device.roots.nwk_key is None else device.roots.nwk_key.value.hex()
        assert device.roots.app_key is not None
        rows.append(
            f"w{number};{device.dev_eui};{JOIN_EUI};{device.roots.app_key.value.hex()};{nwk};;;;"
            f"{'MAC_V1_1' if nwk else 'MAC_V1_0_3'};axioma-w1"
        )
    assert FIXED.app_s_key is not None
    assert FIXED.f_nwk_s_int_key is not None
    rows.append(
        f"fixed;{FIXED.dev_eui};;;;{FIXED.dev_addr};{FIXED.app_s_key.value.hex()};"
        f"{FIXED.f_nwk_s_int_key.value.hex()};MAC_V1_0_3;axioma-w1"
    )
    table.write_text("\n".join(rows) + "\n")
    assert run("keys", "import", table).code == 0
    return path


def written(path: Path, frames: list[bytes], begins: datetime = AT) -> Path:
    path.write_text(
        "".join(
            format_line(RawFrame(data, begins + timedelta(seconds=60 * number), mode="SF7", link=Link.LORAWAN)) + "\n"
            for number, data in enumerate(frames)
        )
    )
    return path


def kept(store: Path) -> dict[str, Any]:
    """What the store keeps of LoRaWAN devices, in one order."""
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        data = vault.receivers_documents.read(DOCUMENT)
    assert data is not None
    document: dict[str, Any] = json.loads(data)
    return {
        name: sorted(value, key=lambda one: (one["dev_eui"], one.get("dev_addr", ""))) if name != "v" else value
        for name, value in document.items()
    }


@pytest.mark.parametrize(("form", "jobs"), [(("--json",), "3"), ((), "2")])
def test_several_processes_give_what_one_gives(
    run: Run, store: Path, tmp_path: Path, form: tuple[str, ...], jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Blocks of some lines, so that what joins teach crosses from one to the next.
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", 3000)
    frames = traffic()
    path = written(tmp_path / "mixed.hex", frames)
    untouched = store.read_bytes()
    alone = run("replay", path, *form)
    of_one = kept(store)
    store.write_bytes(untouched)
    together = run("replay", path, *form, "--jobs", jobs)
    assert len(alone.lines) == len(frames)
    for one, other in zip(alone.lines, together.lines, strict=True):
        assert one == other
    assert kept(store) == of_one
    assert together.code == alone.code
    if form:
        outcomes = [json.loads(line) for line in alone.lines]
        ok = [one for one in outcomes if one["ok"] and one["readings"]]
        assert len(ok) > 300
        assert {one["lorawan"]["version"] for one in ok} == {"1.0", "1.1"}
        assert len({one["lorawan"]["dev_addr"] for one in ok}) == 10
        assert any("was used before" in json.dumps(one["verdict"]) for one in outcomes)


def test_packets_that_came_together_are_each_their_own_devices(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines with packets of several devices say what the same packets say one a line, in one process or in several."""
    monkeypatch.setattr("fieldtool.replay.capture.BLOCK_SIZE", 3000)
    draw = random.Random(3)
    packets = [
        Packet(data, -70, LoraReception(5, None, 868_100_000, 7, 125_000, 9.0), AT + timedelta(seconds=60 * number))
        for number, data in enumerate(traffic())
    ]
    untouched = store.read_bytes()
    path = tmp_path / "gateway.log"
    path.write_bytes(b"\n".join(push_body([packet]) for packet in packets))
    expected = run("replay", path, "--json")
    of_one = kept(store)
    together = []
    while packets:
        size = draw.randint(1, 6)
        together.append(push_body(packets[:size]))
        del packets[:size]
    assert len(expected.lines) > 600
    for text in (b"\n".join(together), b"[" + b",\n".join(together) + b"]"):
        path.write_bytes(text)
        for jobs in ("1", "3"):
            store.write_bytes(untouched)
            assert run("replay", path, "--json", "--jobs", jobs).lines == expected.lines
            assert kept(store) == of_one


def test_the_devices_are_dealt_to_all_processes() -> None:
    fleet = [Device(number) for number in range(6)]
    keys = Filed(tuple(device.roots for device in fleet))
    lines = []
    for number, device in enumerate(fleet):
        lines += [f";;SF7;{data.hex()}" for data in device.join(f"260120{number:02x}")]
    lines += [f";;SF7;{device.send().hex()}" for _ in range(20) for device in fleet]
    dealer = Dealer(3, lambda: LorawanFollower(keys))
    deal = dealer.deal(Block(1, "\n".join(lines).encode(), "x", begins=True))
    # Joins, and the first uplink of each session, are heard by all.
    assert [len(heard) for heard in deal.heard_only] == [12, 12, 12]
    assert [deal.owners.count(process) for process in range(3)] == [44, 44, 44]
    for number in range(6):
        uplinks = {owner for owner, line in zip(deal.owners, lines, strict=True) if line[8:16] == f"{number:02x}200126"}
        assert len(uplinks) == 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_next_replay_goes_on(run: Run, store: Path, tmp_path: Path, jobs: str) -> None:
    device = Device(1)
    first = [*device.join("26012001"), device.send()]
    second = [device.send(), device.send()]
    day, next_day = tmp_path / "1.hex", tmp_path / "2.hex"
    written(day, first)
    written(next_day, second, AT + timedelta(days=1))
    refused = run("replay", next_day, "--json", "--jobs", jobs)
    assert {json.loads(line)["outcome"] for line in refused.lines} == {"no_key"}
    assert run("replay", day, "--jobs", jobs).code == 0
    ran = run("replay", next_day, "--json", "--jobs", jobs)
    facts = [json.loads(line)["lorawan"] for line in ran.lines]
    assert [(one["fcnt"], one["fcnt_source"]) for one in facts] == [(2, "session"), (3, "session")]
    again = run("replay", next_day, "--json", "--jobs", jobs)
    assert [json.loads(line)["ok"] for line in again.lines] == [True, True]
    assert "does not go on" not in again.out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_given_keys_follow_joins_and_leave_the_store_alone(run: Run, store: Path, tmp_path: Path, jobs: str) -> None:
    device = Device(2)
    path = written(tmp_path / "1.hex", [*device.join("26012001"), device.send(b"\1", 9)])
    untouched = store.read_bytes()
    ran = run("replay", path, "--json", "--jobs", jobs, "--key", device.root.value.hex())
    assert [json.loads(line)["lorawan"]["mic_ok"] for line in ran.lines] == [True, True, True]
    assert store.read_bytes() == untouched


def test_a_search_for_formats_does_not_follow_devices_before_their_time(run: Run, store: Path, tmp_path: Path) -> None:
    """A compact frame whose format nobody knows makes a replay read the whole capture ahead."""
    compact = link_frame(0x44, Address.of("KAM", "63001460", 0x1B, 0x16), bytes.fromhex("79 1122 3344 7100 0500"))
    device = Device(1)
    path = tmp_path / "ahead.hex"
    written(path, [*device.join("26012001"), device.send(), device.send()])
    path.write_text(f"{compact.hex()}\n{path.read_text()}")
    ran = run("replay", path, "--json")
    facts = [json.loads(line) for line in ran.lines[1:]]
    assert [one["ok"] for one in facts] == [True] * 4
    assert not any("used before" in json.dumps(one) or "does not go on" in json.dumps(one) for one in facts)


@pytest.mark.parametrize("low", [0x00, 0x44, 0x46, 0xC4])
def test_what_was_recorded_stays_lorawan_whatever_its_address(tmp_path: Path, low: int) -> None:
    """The lowest byte of a DevAddr stands where a wireless M-Bus frame has its C field."""
    device = Device(1)
    _ = list(device.join(f"260120{low:02x}"))
    path = written(tmp_path / "one.hex", [device.send(bytes(size)) for size in range(60)])
    frames = [item.frame for item in open_capture(path) if isinstance(item, CaptureEntry)]
    assert {(frame.link, frame.mode) for frame in frames} == {(Link.LORAWAN, "SF7")}
    assert frames[0].lora is not None
    assert frames[0].lora.spreading_factor == 7


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_locked_store_and_revoked_keys_are_told_as_such(
    run: Run, store: Path, tmp_path: Path, jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed, device = Device(0xF0), Device(1)
    fixed.keys = FIXED
    path = written(tmp_path / "1.hex", [fixed.send(), *device.join("26012001")])

    def told() -> list[str]:
        lines = [json.loads(line) for line in run("replay", path, "--json", "--jobs", jobs).lines[:2]]
        assert {one["outcome"] for one in lines} == {"no_key"}
        return [f"{one['problem']}; {next(s['next'] for s in one['verdict'] if s['next'])}" for one in lines]

    for name in (FIXED.dev_eui, device.dev_eui):
        assert run("keys", "mark", name, "--status", "revoked").code == 0
    for sentence in told():
        assert "revoked; import the new keys of the device" in sentence
    monkeypatch.delenv("FIELDTOOL_PASSPHRASE_FILE")
    for sentence in told():
        assert "no key can be looked up: store locked; to use its keys, give --passphrase-file" in sentence
