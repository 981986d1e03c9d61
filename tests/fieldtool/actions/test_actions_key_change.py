"""The change of a meter's key: whatever is cut, lost or refused, vault and meter end with the same key or say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fieldtool.actions.errors import ActionRefused, KeyNotTaken, KeyUnsettled, LinkLost, LinkSilent
from fieldtool.actions.plan import Held
from fieldtool.errors import AccessError
from keystore.certificates.errors import NotPermitted
from keystore.errors import StorageFailed
from keystore.model import KeyStatus, key_check_value
from keystore.vault import Vault
from protocols.actions.messages import KeyProof, Result, parse_message
from protocols.actions.results import ResultCode
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench

PROOF = 3
NEW = bytes(range(100, 116))


pytestmark = pytest.mark.usefixtures("serviced")


def old_key(bench: Bench) -> bytes:
    assert bench.lock.state.key is not None
    return bench.lock.state.key


def in_step(bench: Bench) -> bool:
    """The vault's first key is the meter's, and nothing is open."""
    first = bench.vault.keys_for(bench.meter.address)[0].value
    return first == bench.lock.state.key and not bench.vault.key_changes.pending()


def test_both_sides_change_together(bench: Bench) -> None:
    old = old_key(bench)
    outcome = bench.change_key()
    new = old_key(bench)
    assert new != old
    assert in_step(bench)
    assert bench.keys == {new: KeyStatus.ACTIVE, old: KeyStatus.SUPERSEDED}
    record = bench.vault.find(bench.meter.address.number)[0]
    assert (record.source.system, record.key_version) == ("key_change", 2)
    assert outcome.ok
    assert key_check_value(new) in outcome.after
    assert bench.became == ["begun", "key change settled", "done"]
    assert bench.vault.verify().ok


def test_a_key_of_ones_own_is_taken(bench: Bench) -> None:
    bench.change_key(NEW)
    assert old_key(bench) == NEW
    assert in_step(bench)
    with pytest.raises(AccessError, match="holds the new key already"):
        bench.change_key(NEW)
    assert in_step(bench)


def test_no_key_is_sent_shown_or_logged(bench: Bench) -> None:
    old = old_key(bench)
    plan = bench.service.plan("change-key", bench.choice, {}, NEW)
    outcome = bench.service.execute(plan)
    told = f"{plan!r} {outcome!r} {plan.written} {plan.parameter} {bench.log}"
    for key in (old, NEW):
        assert key.hex() not in told.lower()
        assert repr(key)[2:-1] not in told
        assert not any(key in message for message in bench.link.heard)


@pytest.mark.parametrize(("point", "took_new"), [("received", False), ("applied", True)])
def test_a_cable_pulled_in_the_middle_is_mended_by_asking(bench: Bench, point: str, took_new: bool) -> None:
    old = old_key(bench)
    bench.lock.faults.cut_after = point
    with pytest.raises(LinkLost, match="not known yet, both are kept") as lost:
        bench.change_key()
    assert "fieldtool meter recover" in lost.value.hint
    (change,) = bench.vault.key_changes.pending()
    assert {key.value for key in bench.vault.keys_for(bench.meter.address)} == {change.old_key, change.new_key}
    assert bench.lock.state.key == (change.new_key if took_new else old)
    with pytest.raises(LinkLost):
        bench.service.recover(bench.choice)
    assert bench.vault.key_changes.pending() == (change,)

    bench.link.unplugged = False
    settled = bench.service.recover(bench.choice)
    assert settled is not None
    assert settled.took_new is took_new
    assert in_step(bench)
    other = change.old_key if took_new else change.new_key
    assert bench.keys[other] is (KeyStatus.SUPERSEDED if took_new else KeyStatus.REVOKED)
    assert bench.service.recover(bench.choice) is None
    assert bench.became[-1] == "key change settled"


def test_an_open_change_survives_the_end_of_the_program(bench: Bench, tmp_path: Path) -> None:
    bench.lock.faults.cut_after = "applied"
    with pytest.raises(LinkLost):
        bench.change_key()
    bench.vault.close()
    bench.link.unplugged = False
    with Vault.open(tmp_path / "keys.vault") as vault:
        vault.unlock(PASSPHRASE)
        again = replace(bench, vault=vault)
        assert again.vault.key_changes.pending()
        assert again.service.recover(again.choice) is not None
        assert in_step(again)


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_lost_message_is_settled_at_once(bench: Bench, lost: str) -> None:
    old = old_key(bench)

    def lose(message: bytes) -> None:
        if message[0] == PROOF:
            setattr(bench.link, f"lost_{lost}s", 1)

    plan = bench.service.plan("change-key", bench.choice, {})
    bench.link.before = lose
    if lost == "answer":
        outcome = bench.service.execute(plan)
        assert any("answer was lost" in note for note in outcome.notes)
        assert old_key(bench) != old
    else:
        with pytest.raises(LinkSilent, match="holds the old key as before"):
            bench.service.execute(plan)
        assert old_key(bench) == old
    assert in_step(bench)


def test_a_refusal_leaves_the_old_key(bench: Bench) -> None:
    old = old_key(bench)
    plan = bench.service.plan("change-key", bench.choice, {}, NEW)

    def other_key(message: bytes) -> bytes:
        if message[0] == PROOF:
            bench.lock.state = replace(bench.lock.state, key=bytes(16))
        return message

    bench.link.tamper = lambda m: m[:-1] + bytes((m[-1] ^ 1,)) if m[0] == PROOF else m
    with pytest.raises(ActionRefused) as refused:
        bench.service.execute(plan)
    assert refused.value.code == ResultCode.BAD_SIGNATURE
    assert old_key(bench) == old
    assert bench.keys == {old: KeyStatus.ACTIVE, NEW: KeyStatus.REVOKED}
    assert in_step(bench)
    assert bench.became == ["begun", "key change settled", "refused by the meter"]

    bench.link.tamper = other_key
    with pytest.raises(KeyUnsettled, match="proves neither the old key nor the new one; both are kept"):
        bench.change_key()
    assert len(bench.vault.key_changes.pending()) == 1
    assert bench.became[-1] == "key change not settled"
    with pytest.raises(KeyUnsettled):
        bench.do("customer-number", number="4711")

    bench.vault.put([replace(bench.vault.find(bench.meter.address.number)[0], value=bytes(16))])
    settled = bench.service.recover(bench.choice)
    assert settled is not None
    assert settled.held is Held.OTHER
    assert in_step(bench)


def test_a_level_that_is_too_low_opens_no_change(bench: Bench) -> None:
    bench.enrol("commissioner")
    with pytest.raises(NotPermitted):
        bench.change_key()
    assert bench.vault.key_changes.pending() == ()
    assert len(bench.keys) == 1


def test_a_proof_under_way_is_cut_before_the_meter_is_asked(bench: Bench) -> None:
    """A proof that arrives after the question which key holds must not change the answer."""
    late: list[bytes] = []

    def hold_back(message: bytes) -> None:
        if message[0] == PROOF:
            late.append(message)
            bench.link.lost_questions = 1

    old = old_key(bench)
    plan = bench.service.plan("change-key", bench.choice, {})
    bench.link.before = hold_back
    with pytest.raises(LinkSilent):
        bench.service.execute(plan)
    answer = parse_message(bench.lock.receive(late[0], bench.clock()))
    assert isinstance(answer, Result)
    assert answer.code is ResultCode.NO_SESSION
    assert old_key(bench) == old
    assert in_step(bench)


def test_a_meter_that_only_says_done_is_not_believed(bench: Bench) -> None:
    honest = bench.link.exchange

    def liar(message: bytes) -> bytes:
        if message[0] == PROOF:
            return Result(message[1:5], ResultCode.DONE).sealed(bench.lock.state.key).to_bytes()
        return honest(message)

    bench.link.exchange = liar  # type: ignore[method-assign]
    with pytest.raises(KeyNotTaken, match="proves the old key"):
        bench.change_key()
    assert in_step(bench)


def test_a_key_proof_for_another_question_is_refused(bench: Bench) -> None:
    honest = bench.link.exchange
    recorded: list[bytes] = []

    def replay(message: bytes) -> bytes:
        answer = honest(message)
        if isinstance(parse_message(answer), KeyProof):
            recorded.append(answer)
            return recorded[0]
        return answer

    bench.link.exchange = replay  # type: ignore[method-assign]
    with pytest.raises(LinkSilent, match="not asked for"):
        bench.change_key()
    assert len(bench.vault.key_changes.pending()) == 1
    bench.link.exchange = honest  # type: ignore[method-assign]
    bench.service.recover(bench.choice)
    assert in_step(bench)


def test_an_open_change_is_settled_before_any_other_action(bench: Bench) -> None:
    bench.lock.faults.cut_after = "applied"
    with pytest.raises(LinkLost):
        bench.change_key()
    bench.link.unplugged = False
    plan = bench.service.plan("customer-number", bench.choice, {"number": "4711"})
    assert plan.unsettled
    outcome = bench.service.execute(plan)
    assert outcome.authentic
    assert any("holds the new key" in note for note in outcome.notes)
    assert in_step(bench)


def test_a_change_begins_only_with_a_key_that_the_meter_proves(bench: Bench) -> None:
    bench.lock.state = replace(bench.lock.state, key=bytes(range(16)))
    with pytest.raises(AccessError, match=r"proves none of the keys filed for it \(1 key\)"):
        bench.change_key()
    bench.vault.remove(bench.meter.address.number)
    with pytest.raises(AccessError, match="no key is filed"):
        bench.change_key()
    assert bench.vault.key_changes.pending() == ()


def test_a_store_that_cannot_be_written_sends_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = bench.service.plan("change-key", bench.choice, {})

    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(bench.vault.key_changes, "begin", full)
    with pytest.raises(StorageFailed):
        bench.service.execute(plan)
    assert not any(message[0] == PROOF for message in bench.link.heard)


def test_a_store_that_fails_after_the_change_leaves_it_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.vault.key_changes, "settle", full)
        with pytest.raises(StorageFailed):
            bench.change_key()
    assert len(bench.vault.key_changes.pending()) == 1
    assert bench.service.recover(bench.choice) is not None
    assert in_step(bench)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (bytes(16), "all zero"),
        (bytes.fromhex("10002345" * 4), "meter's number"),
        (bytes.fromhex("000102030405060708090A0B0C0D0E0F"), "counts up"),
        (bytes.fromhex("5C1E0A77F0D94B3E8812C6A5907B34DF"), ""),
    ],
    ids=["zeros", "number", "counting", "random"],
)
def test_a_new_key_that_protects_nothing_is_told_before_anything_is_asked(bench: Bench, key: bytes, words: str) -> None:
    plan = bench.service.plan("change-key", bench.choice, {}, key)
    told = [note for note in plan.notes if "random one" in note]
    assert len(told) == bool(words)
    assert words in "".join(told)
    assert key.hex() not in "".join(plan.notes).lower()
