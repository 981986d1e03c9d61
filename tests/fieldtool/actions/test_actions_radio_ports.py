"""The radio link over real ports and in real time: stick on TCP and on a pseudo terminal, air, and the lock."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from fieldtool.actions.errors import LinkLost
from fieldtool.actions.links import LinkContext, MeterChoice, open_link
from fieldtool.actions.radio_link import RadioLink
from fieldtool.actions.service import ActionService
from fieldtool.cli.main import main
from fieldtool.errors import PortGone, UsageError
from protocols.decode import decode
from protocols.model import Key
from simulators.bench import Bench as StickBench
from simulators.field_meter.radio_bench import radio_bench
from tests.fieldtool.actions.action_bench import Bench, RunningClock, open_bench, share_lock

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are POSIX")


Start = Callable[[str], tuple[Bench, StickBench]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as running:

        def begin(at: str) -> tuple[Bench, StickBench]:
            bench = running.enter_context(open_bench(tmp_path / "vault", RunningClock()))
            lock = share_lock(bench, 2)
            return bench, running.enter_context(radio_bench(lock, at, starts=bench.clock()))

        yield begin


def test_a_guarded_action_over_tcp(start: Start) -> None:
    bench, stick = start("tcp")
    bench.enrol("Installer")
    said: list[str] = []
    context = LinkContext(bench.vault.keys_for, said.append)
    with closing(open_link(stick.url("c2"), bench.choice, context)) as link:
        service = ActionService(bench.vault, link, bench.clock)
        outcome = service.execute(service.plan("customer-number", bench.choice, {"number": "C-4711"}))
        assert isinstance(link, RadioLink)
        assert 0 < link.stick.reaction.last_s <= link.stick.reaction.worst_s
        assert link.stick.reaction.confirmed_s > 0
    assert outcome.ok
    assert outcome.authentic
    assert bench.lock.state.customer_number == "C-4711"


@posix_only
def test_a_read_out_over_a_pseudo_terminal(start: Start) -> None:
    bench, stick = start("pty")
    with closing(open_link(stick.url("c2"), bench.choice, LinkContext(bench.vault.keys_for))) as link:
        frames = link.read_out()
        key = bench.lock.state.key
        assert key is not None
        assert [decode(frame, lambda _: [Key(key)]).outcome.value for frame in frames] == ["ok"] * 3
        stick.unplug()
        with pytest.raises(LinkLost, match="the stick was unplugged"):
            link.read_out()


@pytest.mark.parametrize(
    ("text", "meter", "words"),
    [
        ("im871a:///dev/null?mode=t2", MeterChoice("10002345"), "2 to 3 ms after their telegram"),
        ("im871a:///dev/null?mode=c1,t1", MeterChoice("10002345"), "no meter can be answered in mode 'c1,t1'"),
        ("im871a:///dev/null", MeterChoice(primary=5), "no primary addresses over radio"),
    ],
)
def test_what_cannot_be_is_said_before_the_port_is_opened(text: str, meter: MeterChoice, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_link(text, meter)


def test_a_port_that_is_not_there_is_said() -> None:
    with pytest.raises(PortGone):
        open_link("im871a+socket://127.0.0.1:1", MeterChoice("10002345"))


def test_a_simulated_meter_on_a_wire_and_on_the_air(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "meter", "--at", "tcp:0", "--radio", "tcp:0", "--seconds", "0.1"]
    assert main([*words, "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["url"].startswith("mbus+socket://127.0.0.1:")
    assert facts["radio_url"].startswith("im871a+socket://127.0.0.1:")
    assert facts["radio_url"].endswith("?mode=c2")
    assert main(words) == 0
    assert "once its radio has been started (start-radio)" in capfd.readouterr().err
    assert main(["simulate", "meter", "--at", "tcp:0", "--radio", "udp:1"]) == 2
    assert "a simulated stick cannot be reached at" in capfd.readouterr().err
