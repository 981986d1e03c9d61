"""Requests to a meter over radio, in virtual time: a stick, its air and a small meter without a lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from fieldtool.actions.errors import LinkLost, LinkSilent
from fieldtool.actions.links import LinkContext, MeterChoice
from fieldtool.actions.radio_access import MeterRefused, Patience, RadioAccess
from fieldtool.actions.radio_stick import Heard, RadioStick
from fieldtool.errors import ReceiverSilent
from protocols.model import Key
from protocols.receivers.im871a.settings import LinkMode
from protocols.wmbus.two_way import REQ_UD2, SND_NKE, SND_UD, carry, meter_frame
from simulators.bench.lockstep import Lockstep
from simulators.field_meter.radio import RadioMeter, RadioSettings
from simulators.receivers.im871a import Im871aStick
from simulators.scenario import Faults
from tests.fieldtool.actions.action_bench import one_meter_air
from tests.simulators.small_meter import KEY, METER, OTHER, SmallMeter

STARTS = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@dataclass
class Set:
    """Everything that takes part."""

    application: SmallMeter
    meter: RadioMeter
    stick: Im871aStick
    port: Lockstep
    host: RadioStick
    access: RadioAccess
    said: list[str]


Build = Callable[..., Set]


def build(
    application: SmallMeter | None = None,
    settings: RadioSettings | None = None,
    *,
    faults: Faults | None = None,
    mode: str = "c2",
    reaction_s: float = 0.005,
    keys: tuple[bytes, ...] = (KEY,),
    choice: MeterChoice | None = None,
    seed: int = 1,
    patience: Patience | None = None,
) -> Set:
    application = application or SmallMeter()
    air = one_meter_air(STARTS, seed=seed, faults=faults)
    meter = RadioMeter(application, STARTS, settings or RadioSettings(mode=mode.upper()), seed=seed)
    air.join(meter)
    air.join(RadioMeter(SmallMeter(OTHER, key=None, interval_s=5.0), STARTS, RadioSettings(), seed=seed))
    stick = Im871aStick(seed=seed)
    port = Lockstep(air, stick, STARTS, reaction_s=reaction_s)
    said: list[str] = []
    context = LinkContext(keys=lambda _: [Key(key) for key in keys], tell=said.append)
    host = RadioStick(port, mode, port.clock)
    host.connect()
    chosen = choice or MeterChoice(METER.number)
    return Set(
        application,
        meter,
        stick,
        port,
        host,
        RadioAccess(host, chosen, context, patience=patience, clock=port.clock),
        said,
    )


def data_of(told: bytes) -> bytes:
    return told.rstrip(b"\x2f")


def test_a_command_reaches_the_meter_and_is_acknowledged() -> None:
    the = build()
    answer = the.access.request(SND_UD, carry(b"hello"))
    assert answer.message.name == "ACK"
    assert answer.message.meter == METER
    assert [data_of(told) for told in the.application.told] == [carry(b"hello")]
    assert the.access.missed == 0


def test_requests_follow_each_other_within_the_access() -> None:
    the = build()
    the.access.request(SND_UD, carry(b"0"))
    began_s = the.port.clock()
    for number in range(1, 20):
        the.access.request(SND_UD, carry(bytes((number,))))
    assert the.port.clock() - began_s < 19 * 0.3
    assert [data_of(told)[3:] for told in the.application.told] == [b"0", *(bytes((n,)) for n in range(1, 20))]
    assert the.application.accesses == 1


def test_slow_meters_take_a_second_a_step() -> None:
    the = build(settings=RadioSettings(fast=False))
    the.access.request(SND_UD, carry(b"0"))
    began_s = the.port.clock()
    the.access.request(REQ_UD2)
    assert 2.0 < the.port.clock() - began_s < 2.2
    assert the.access.missed == 0


def test_reading_asks_for_new_data_every_time() -> None:
    the = build()
    answers = [the.access.request(REQ_UD2).message for _ in range(3)]
    assert [answer.name for answer in answers] == ["RSP-UD"] * 3
    assert [answer.application[9] for answer in answers] == [1, 2, 3]
    assert all(answer.key == 0 for answer in answers)


@pytest.mark.parametrize("seed", range(6))
def test_loss_of_a_third_of_all_frames_only_takes_longer(seed: int) -> None:
    the = build(faults=Faults(loss=0.3), seed=seed)
    for number in range(30):
        the.access.request(SND_UD, carry(bytes((number,))))
    assert [data_of(told)[3:] for told in the.application.told] == [bytes((n,)) for n in range(30)]
    assert the.access.missed > 0
    assert the.port.clock() < 300


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_are_noticed_by_the_crcs(seed: int) -> None:
    the = build(faults=Faults(bit_errors=0.3), seed=seed)
    for number in range(20):
        the.access.request(SND_UD, carry(bytes((number,))))
    assert [data_of(told)[3:] for told in the.application.told] == [bytes((n,)) for n in range(20)]
    assert the.meter.counters.damaged > 0


def test_a_host_that_is_too_slow_misses_the_window_and_is_told_so() -> None:
    the = build(reaction_s=0.15, patience=Patience(first_s=60, answer_s=60))
    with pytest.raises(LinkSilent, match=r"did not answer, asked \d+ times") as caught:
        the.access.request(SND_UD, carry(b"x"))
    assert "listens about 100 ms after its telegram" in caught.value.message
    assert "this computer took 150 ms" in caught.value.message
    assert the.application.told == []
    assert the.meter.counters.unheard == the.access.missed + 1 == len(the.stick.sent)
    assert any("did not hear answer 1" in line for line in the.said)


def test_a_slow_meter_waits_for_a_slow_host() -> None:
    the = build(settings=RadioSettings(fast=False), reaction_s=0.5)
    the.access.request(SND_UD, carry(b"x"))
    assert the.access.missed == 0


def test_mode_s2_is_met_by_a_quick_host_only() -> None:
    quick = build(mode="s2", reaction_s=0.002)
    quick.access.request(SND_UD, carry(b"x"))
    assert quick.access.missed == 0
    slow = build(mode="s2", reaction_s=0.06, patience=Patience(60, 60))
    with pytest.raises(LinkSilent, match="listens 3 to 50 ms"):
        slow.access.request(SND_UD, carry(b"x"))


def test_mode_t2_cannot_be_met() -> None:
    the = build(mode="t2", reaction_s=0.001, patience=Patience(60, 60))
    with pytest.raises(LinkSilent, match="listens about 2 ms"):
        the.access.request(SND_UD, carry(b"x"))
    assert the.application.told == []


def test_what_is_sent_in_a_listening_mode_reaches_nobody() -> None:
    the = build()
    the.stick.config = the.stick.config.merged(type(the.stick.config)(link_mode=LinkMode.C1_B))
    the.access.patience = Patience(40, 40)
    with pytest.raises(LinkSilent):
        the.access.request(SND_UD, carry(b"x"))
    assert the.application.told == []


def test_only_some_telegrams_have_a_window() -> None:
    the = build(settings=RadioSettings(window_every=3))
    the.access.request(SND_UD, carry(b"x"))
    assert the.access.notify(SND_NKE, 3)
    the.port.pass_time(20)
    the.access.request(SND_UD, carry(b"y"))
    assert the.access.missed == 0
    assert len(the.application.told) == 2


def test_the_access_ends_when_it_is_told_to() -> None:
    the = build()
    the.access.request(SND_UD, carry(b"x"))
    assert the.access.notify(SND_NKE, 3.0)
    sent = the.meter.counters.sent
    the.port.pass_time(10.0)
    assert the.meter.counters.sent == sent
    assert not the.meter.in_access


def test_the_access_times_out() -> None:
    the = build()
    the.access.request(SND_UD, carry(b"y"))
    sent = the.meter.counters.sent
    the.port.pass_time(29.0)
    # One repetition every two seconds, and nothing else meanwhile.
    assert the.meter.counters.sent - sent == 14
    the.port.pass_time(20.0)
    assert not the.meter.in_access


def test_repetitions_are_answered_and_not_executed_again() -> None:
    the = build()
    the.access.request(SND_UD, carry(b"x"))
    frame = the.stick.sent[-1]
    for _ in range(3):
        heard = the.host.listen()
        while not heard:
            heard = the.host.listen()
        the.host.send(bytes((len(frame),)) + frame, heard[-1])
    the.port.pass_time(0.5)
    assert the.meter.counters.repeated == 3
    assert len(the.application.told) == 1


def test_a_refusal_is_an_error() -> None:
    the = build(SmallMeter(takes=False))
    with pytest.raises(MeterRefused, match="10002345 refuses"):
        the.access.request(SND_UD, carry(b"x"))


def test_a_meter_that_loses_its_power_answers_nothing() -> None:
    the = build(SmallMeter(takes=None), patience=Patience(60, 60))
    with pytest.raises(LinkSilent, match="did not answer"):
        the.access.request(SND_UD, carry(b"x"))


def test_a_meter_with_a_key_takes_nothing_in_clear() -> None:
    the = build()
    the.access.request(REQ_UD2)
    the.access._key = None
    with pytest.raises(MeterRefused):
        the.access.request(SND_UD, carry(b"x"))
    assert the.application.told == []


def test_a_telegram_in_clear_that_somebody_made_up_opens_nothing() -> None:
    the = build()
    the.access.request(REQ_UD2)
    spoofed = meter_frame(0x08, METER, the.access._acc, cc=0x80, link_acc=1, application=carry(b"made up"))
    assert not the.access._take([Heard(spoofed, the.port.clock(), fresh=True)])
    the.access.request(SND_UD, carry(b"x"))
    assert [data_of(told) for told in the.application.told] == [carry(b"x")]


def test_a_meter_without_a_key_is_told_in_clear() -> None:
    the = build(SmallMeter(key=None), keys=())
    the.access.request(SND_UD, carry(b"plain"))
    assert the.application.told == [carry(b"plain")]


def test_the_key_is_the_one_that_opens_the_meters_telegrams() -> None:
    the = build(keys=(bytes(16), KEY))
    the.access.request(SND_UD, carry(b"x"))
    assert len(the.application.told) == 1


def test_without_a_key_that_fits_it_is_said() -> None:
    the = build(keys=(bytes(16),))
    with pytest.raises(LinkSilent, match="no key of the keystore opens the telegrams of meter 10002345"):
        the.access.request(SND_UD, carry(b"x"))


def test_a_meter_out_of_reach_ends_in_a_clear_line() -> None:
    the = build(choice=MeterChoice("77777777"), patience=Patience(first_s=60))
    with pytest.raises(LinkSilent, match="no telegram of meter 77777777 was heard within 60 s"):
        the.access.request(REQ_UD2)
    assert any("telegrams of others heard" in line for line in the.said)


def test_waiting_tells_how_often_the_meter_sends() -> None:
    the = build(SmallMeter(interval_s=40.0), settings=RadioSettings(window_every=4), seed=3)
    the.meter._periodic = 1
    the.access.request(SND_UD, carry(b"x"))
    assert "waiting for meter 10002345: it sends about every 40 s" in the.said or any(
        "about every 39 s" in line or "about every 41 s" in line for line in the.said
    )


def test_what_piled_up_is_not_answered() -> None:
    the = build()
    the.access.request(REQ_UD2)
    sent = len(the.stick.sent)
    the.port.pass_time(5.0)
    the.access.request(REQ_UD2)
    assert len(the.stick.sent) == sent + 1
    assert the.access.missed == 0


def test_cancelling_ends_the_wait() -> None:
    the = build(choice=MeterChoice("77777777"))
    the.access.cancel()
    with pytest.raises(LinkSilent, match="cancelled"):
        the.access.request(REQ_UD2)


def test_what_a_meter_repeats_from_before_is_not_taken_for_an_answer() -> None:
    the = build(faults=Faults(), seed=4)
    before = the.access.request(SND_UD, carry(b"x")).message.acc
    the.access._acc = (before - 1) % 256
    again = the.access.request(SND_UD, carry(b"y"))
    assert again.message.acc != before
    assert len(the.application.told) == 2


def test_a_stick_that_refuses_to_send_is_said() -> None:
    the = build()
    the.access.request(REQ_UD2)
    the.stick._outbox.put = lambda frame, link_mode: False  # type: ignore[method-assign]
    with pytest.raises(LinkSilent, match="the stick refuses to send"):
        the.access.request(REQ_UD2)


def test_an_unplugged_stick_is_one_clear_line() -> None:
    the = build()
    the.access.request(REQ_UD2)
    the.port.unplugged = True
    with pytest.raises(LinkLost, match="the stick was unplugged"):
        the.access.request(REQ_UD2)
    the.host.close()


def test_the_stick_is_left_as_it_was_found() -> None:
    the = build()
    assert the.stick.config.link_mode == LinkMode.C2_B
    the.host.close()
    assert the.stick.config.link_mode == LinkMode.T1
    assert the.port.closed


def test_a_port_without_a_stick_is_said() -> None:
    class Silent:
        target = "nothing"
        now_s = 0.0

        def read(self) -> bytes:
            self.now_s += 0.1
            return b""

        def write(self, data: bytes) -> None:
            self.now_s += 0.0

        def close(self) -> None:
            return None

    port = Silent()
    with pytest.raises(ReceiverSilent, match="no iM871A answered"):
        RadioStick(port, "c2", lambda: port.now_s).connect()
