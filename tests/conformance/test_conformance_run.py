"""The conformance run notices drops, lines out of order and a decoder that fails; it never lowers what it keeps."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conformance import run

# A scorer of the same shape as the corpora's own, for cases that expect one number.
SCORER = """
def run(cases, decoded, verbose=False, strict=False, by="class", out=None):
    by_id = {telegram.get("id"): telegram for telegram in decoded}
    found = []
    for case in cases:
        telegram = by_id.get(case["id"]) or {}
        error = "error" in case["expected"]
        right = (not telegram.get("ok")) if error else telegram.get("value") == case["expected"]["value"]
        header = [0, 0] if error or "maker" not in telegram else [int(telegram["maker"] == case["header"]["mfct"]), 1]
        found.append((case, {"full": right, "m": int(right), "n": 1, "sm": 0, "sn": 0, "media": None,
                             "hdr": header, "errcase": error}))
    return {}, found
"""

CASES = (
    {"id": "a", "hex": "00", "class": "standard", "header": {"mfct": "KAM"}, "expected": {"value": 1}},
    {"id": "b", "hex": "01", "class": "standard", "header": {"mfct": "KAM"}, "expected": {"value": 2}},
    {"id": "c", "hex": "02", "class": "error", "variant": "wrong-key", "expected": {"error": "wrong key"}},
)
RIGHT = (
    {"id": "a", "ok": True, "value": 1, "maker": "KAM"},
    {"id": "b", "ok": True, "value": 2, "maker": "KAM"},
    {"id": "c", "ok": False},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    (corpora / "score.py").write_text(SCORER, encoding="utf-8")
    (corpora / "some.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES), encoding="utf-8")
    return corpora


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "expected.toml"


def printing(*telegrams: dict[str, object], code: int = 0, talk: str = "") -> list[str]:
    """A decoder that reads its input and prints these telegrams whatever it was sent."""
    out = "".join(json.dumps(telegram) + "\n" for telegram in telegrams)
    program = f"import sys; sys.stdin.read(); print({out!r}, end=''); sys.stderr.write({talk!r}); sys.exit({code})"
    return [sys.executable, "-c", program]


def test_scores_are_counted_by_group(folder: Path) -> None:
    (only,) = run.runs_of(folder)
    scored = run.score(only, [dict(telegram) for telegram in RIGHT], run.load_scorer(folder))
    rows = scored.rows
    assert scored.missed == ()
    assert rows["all"] == {"full": (3, 3), "fields": (3, 3), "status": (0, 0), "media": (0, 0), "header": (2, 2)}
    assert rows["error wrong-key"]["full"] == (1, 1)
    assert rows["standard"]["full"] == (2, 2)


def test_a_header_that_is_not_decoded_counts_as_missed(folder: Path) -> None:
    (only,) = run.runs_of(folder)
    scored = run.score(only, [{"id": "a", "ok": True, "value": 1}, dict(RIGHT[1])], run.load_scorer(folder))
    assert scored.rows["standard"]["header"] == (1, 2)


def test_cases_that_are_missed_are_explained_or_named(
    folder: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main([str(folder)], decoder=printing({**RIGHT[0], "value": 7}, *RIGHT[1:]), kept=kept)
    assert "  missed a: NOT EXPLAINED" in capsys.readouterr().out
    assert run.explained(["case-17"], {"case-1": "off by one"}) == "  missed case-17: off by one"


def test_reasons_can_be_read_and_each_is_a_sentence() -> None:
    reasons = run.read_reasons(run.BELIEVED_WRONG)
    assert set(reasons[False]) < set(reasons[True])
    assert all(len(reason.split()) > 3 for reason in reasons[True].values())


def test_payloads_in_the_clear_are_sent_with_a_word_about_it() -> None:
    lines = b'{"id": "a", "predecrypted": true}\n{"id": "b"}\nno json\n'
    sent = run.asked(lines).split(b"\n")
    assert json.loads(sent[0]) == {"id": "a", "predecrypted": True, "already_decrypted": True}
    assert sent[1:] == lines.split(b"\n")[1:]


def test_an_update_keeps_what_was_reached_and_a_later_drop_fails(folder: Path, kept: Path) -> None:
    assert run.main([str(folder), "--update"], decoder=printing(*RIGHT, code=1), kept=kept) == 0
    assert run.read_expected(kept)["some.jsonl"]["standard"]["full"] == (2, 2)
    worse = (RIGHT[0], {**RIGHT[1], "value": 9}, RIGHT[2])
    assert run.main([str(folder)], decoder=printing(*worse), kept=kept) == 1
    before = kept.read_text(encoding="utf-8")
    assert run.main([str(folder), "--update"], decoder=printing(*worse), kept=kept) == 1
    assert kept.read_text(encoding="utf-8") == before
    assert run.main([str(folder)], decoder=printing(*RIGHT), kept=kept) == 0


def test_the_drop_is_named(folder: Path, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.main([str(folder), "--update"], decoder=printing(*RIGHT), kept=kept)
    run.main([str(folder)], decoder=printing(RIGHT[0], {**RIGHT[1], "value": 9}, RIGHT[2]), kept=kept)
    assert "some.jsonl, standard: fields dropped from 2 to 1 of 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("telegrams", "code", "talk", "said"),
    [
        (RIGHT[:2], 0, "", "3 lines went in, 2 came out"),
        ((RIGHT[1], RIGHT[0], RIGHT[2]), 0, "", "output line 1 has the id 'b' where 'a' went in"),
        (RIGHT, 3, "receiver lost", "the decoder ended with exit code 3: receiver lost"),
        (RIGHT, 1, "Traceback (most recent call last):\nKeyError: 1", "the decoder printed a traceback: KeyError: 1"),
    ],
    ids=["line missing", "out of order", "exit code", "traceback"],
)
def test_a_decoder_that_breaks_the_rules_fails_and_updates_nothing(
    folder: Path,
    kept: Path,
    capsys: pytest.CaptureFixture[str],
    telegrams: tuple[dict[str, object], ...],
    code: int,
    talk: str,
    said: str,
) -> None:
    decoder = printing(*telegrams, code=code, talk=talk)
    assert run.main([str(folder), "--update"], decoder=decoder, kept=kept) == 1
    assert said in capsys.readouterr().err
    assert not kept.exists()


def test_output_that_is_not_json_is_a_problem(folder: Path) -> None:
    decoder = [sys.executable, "-c", "import sys; sys.stdin.read(); print('metre'); print('[]'); print('{}')"]
    decoded = run.decode(folder / "some.jsonl", decoder)
    assert decoded.problems[:2] == ("output line 1 is not a JSON object", "output line 2 is not a JSON object")
    assert len(decoded.telegrams) == 3


def test_a_corpus_that_is_not_kept_is_scored_without_being_compared(
    folder: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([str(folder)], decoder=printing(*RIGHT), kept=kept) == 0
    assert "nothing was compared" in capsys.readouterr().out


def test_a_kept_corpus_that_is_gone_is_a_drop() -> None:
    row = {"full": (1, 1)}
    expected = {"gone.jsonl": {"all": row}, "here.jsonl": {"all": row}}
    assert run.drops(expected, {"here.jsonl": {"all": row}}) == [
        "gone.jsonl: expected.toml keeps its scores, but it is not in the folder"
    ]


def test_a_corpus_that_has_grown_is_taken_only_by_an_update() -> None:
    expected = {"x.jsonl": {"all": {"full": (5, 5)}}}
    grown = {"x.jsonl": {"all": {"full": (5, 8)}}}
    assert run.drops(expected, grown) == ["x.jsonl, all: full counted out of 8, was 5: use --update"]
    assert run.drops(run.raised(expected, grown), grown) == []


def test_encrypted_corpora_are_scored_strictly_too(tmp_path: Path) -> None:
    for name in ("dev.jsonl", "dev.encrypted.jsonl", "lora.dev.jsonl", "wired.jsonl"):
        (tmp_path / name).touch()
    assert [each.name for each in run.runs_of(tmp_path)] == [
        "dev.encrypted.jsonl",
        "dev.encrypted.jsonl --strict",
        "dev.jsonl",
        "wired.jsonl",
    ]


def test_kept_scores_survive_writing_and_reading(tmp_path: Path) -> None:
    scores: run.Scores = {
        "x.jsonl --strict": {"all": {"full": (1, 2), "fields": (3, 4)}, 'odd "name"': {"full": (0, 1)}}
    }
    run.write_expected(tmp_path / "expected.toml", scores)
    assert run.read_expected(tmp_path / "expected.toml") == scores


def test_the_scores_kept_in_the_project_can_be_read() -> None:
    kept = run.read_expected(run.EXPECTED)
    assert "dev.encrypted.jsonl" in kept
    assert all(
        reached <= total for groups in kept.values() for row in groups.values() for reached, total in row.values()
    )


def test_a_folder_that_cannot_be_scored_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_corpora_at_hand_have_the_totals_that_are_kept(conformance_dir: Path) -> None:
    scorer = run.load_scorer(conformance_dir)
    for each in run.runs_of(conformance_dir):
        rows = run.score(each, [], scorer).rows
        kept = run.read_expected(run.EXPECTED)[each.name]
        assert {group: row["fields"][1] for group, row in rows.items()} == {
            group: row["fields"][1] for group, row in kept.items()
        }
