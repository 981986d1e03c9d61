"""The fast path gives what the general decoder gives, value for value, and leaves to it what it does not know."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from protocols.lorawan.decoder import decode_lorawan
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import SessionKeys
from protocols.lorawan.learned import LorawanSighting
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Link, RawFrame, Telegram
from tests.protocols.lorawan.lorawan_bench import DEV_ADDR, SESSION_1_0, SESSION_1_1, Filed

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of meter with a payload of made-up values; bytes at `free` may be any."""

    profile: str
    fport: int
    payload: str
    free: tuple[tuple[int, int], ...]


DEVICES = (
    Device("elvaco-cmi4110", 2, "000c06748823000c14099850000b2d0801000b3b6201000a5a54090a5e79030c788851276702fd170000",
           ((3, 7), (9, 13), (40, 42))),
    Device("integra-aquastream", 2,
           "2d44b42509930310050e7221535104b4250107010000200413e02e00008410130000000002fd17000002fd74cb16",
           ((19, 20), (25, 29), (39, 41))),
    Device("integra-topas-sonic-lw", 2,
           "2944b4251122334401077a050000200413611e000084101305000000025a8e0002fd17080102fd74b80b",
           ((11, 12), (17, 21), (35, 37))),
    Device("axioma-w1", 100, "4036006b0029350000201a006b00290000b800b900b800", ((4, 5), (5, 9), (17, 23))),
    Device("arad-sonata", 1, "0600005a00037f71070000000100080e43070000", ((6, 9),)),
    Device("sontex-sc5", 2, "0406100000000414200000000259200a025d2a0a", ((2, 6), (8, 12))),
)  # fmt: skip


def frames(device: Device, keys: SessionKeys, count: int = 60) -> list[RawFrame]:
    draw = random.Random(device.profile)
    found = []
    fcnt = 65_500
    for _ in range(count):
        fcnt += draw.choice((1, 1, 1, 2, 40, 0))
        payload = bytearray.fromhex(device.payload)
        for first, last in device.free:
            if draw.random() < 0.8:
                payload[first:last] = draw.randbytes(last - first)
        if draw.random() < 0.1:
            payload[draw.randrange(len(payload))] ^= 1 << draw.randrange(8)
        mtype = draw.choice((MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP))
        fopts = b"\x02" if draw.random() < 0.05 else b""
        data = data_frame(Message(mtype, fcnt, device.fport, bytes(payload), fopts), keys)
        if draw.random() < 0.05:
            data = data[:-1] + bytes((data[-1] ^ 1,))
        lora = LoraReception(profile=device.profile)
        found.append(RawFrame(data, NOON, link=Link.LORAWAN, lora=lora))
    return found


def check(seen: LorawanSighting, general: Telegram) -> None:
    facts = general.lorawan
    assert facts is not None
    assert general.ok
    assert (seen.fcnt, seen.plaintext) == (facts.fcnt, facts.plaintext)
    assert [(each.value, each.quality) for each in general.readings] == seen.readings
    template = seen.plan.template
    assert [each.name for each in general.readings] == [each.name for each in template.readings]
    assert [each.unit for each in general.readings] == [each.unit for each in template.readings]
    assert seen.status == general.status
    assert general.notes == template.notes


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.profile)
def test_sightings_are_what_the_general_decoder_reads(device: Device) -> None:
    filed = Filed(sessions=(SESSION_1_0,))
    follower, sessions, fast = LorawanFollower(filed), Sessions(), 0
    for frame in frames(device, SESSION_1_0):
        heard = decode_lorawan(frame, filed, sessions)
        sessions = heard.sessions
        seen = follower.sight(frame)
        if isinstance(seen, LorawanSighting):
            fast += 1
            check(seen, heard.telegram)
        else:
            assert seen == heard.telegram or seen.verdict == heard.telegram.verdict
    assert follower.sessions.at(DEV_ADDR) == sessions.at(DEV_ADDR)
    assert fast > 5


def test_1_1_devices_are_read_in_full() -> None:
    follower = LorawanFollower(Filed(sessions=(SESSION_1_1,)))
    for frame in frames(DEVICES[0], SESSION_1_1, 5):
        assert isinstance(follower.sight(frame), Telegram)


def test_forgetting_drops_the_keys() -> None:
    follower = LorawanFollower(Filed(sessions=(SESSION_1_0,)))
    device = DEVICES[3]
    data = [data_frame(Message(MType.UNCONFIRMED_DATA_UP, fcnt, 1, bytes.fromhex(device.payload)), SESSION_1_0)
            for fcnt in range(3)]  # fmt: skip
    lora = LoraReception(profile=device.profile)
    raw = [RawFrame(each, link=Link.LORAWAN, lora=lora) for each in data]
    assert isinstance(follower.sight(raw[0]), Telegram)
    assert isinstance(follower.sight(raw[1]), LorawanSighting)
    follower.forget()
    assert isinstance(follower.sight(raw[2]), Telegram)
    assert [session.fcnt_up for session in follower.sessions.at(DEV_ADDR)] == [2]
