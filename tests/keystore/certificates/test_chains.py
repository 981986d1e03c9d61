"""Three verifiers, thousands of chains: ours, the library's, and OpenSSL; the flaws and their table: chain_flaws.py."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import pytest
from cryptography import x509

from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.library_check import can_be_asked, library_accepts
from keystore.certificates.revocation import RevocationList, check_list, read_list
from keystore.certificates.verification import verify_chain
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.chain_changes import AT, Chain, make_chain
from tests.keystore.certificates.chain_flaws import FLAWS

ROUNDS = int(os.environ.get("FIELDTOOL_CHAIN_ROUNDS", "13"))
"""How many chains of each flaw: about a thousand in all; FIELDTOOL_CHAIN_ROUNDS=60 makes five thousand."""


@dataclass(frozen=True, slots=True)
class Made:
    """A chain as bytes: what is handed over, what is trusted, and the lists of all issuers."""

    flaw: str
    number: int
    leaf: bytes
    pool: tuple[bytes, ...]
    anchor: bytes
    lists: tuple[bytes, ...]


def encode(chain: Chain, flaw: str) -> Made:
    encoded = [draft.encode() for draft in chain.drafts]
    pool = [data for place, data in enumerate(encoded[1:-1], 1) if place not in chain.missing]
    pool += [draft.encode() for draft in chain.decoys]
    chain.random.shuffle(pool)
    trusted = chain.anchor if chain.other_anchor is None else chain.other_anchor
    lists = []
    for place, draft in enumerate(chain.drafts[1:], 1):
        serial = int.from_bytes(chain.drafts[place - 1].serial)
        lists.append(raw.revocation_list(draft.subject, draft.key, [serial] * (place - 1 in chain.revoked), AT))
    if chain.other_anchor is not None:
        lists.append(raw.revocation_list(trusted.subject, trusted.key, [], AT))
    return Made(flaw, chain.number, encoded[0], tuple(pool), trusted.encode(), tuple(lists))


@cache
def chains() -> tuple[Made, ...]:
    made: list[Made] = []
    for name, flaw in FLAWS.items():
        for turn in range(ROUNDS):
            number = len(made)
            random = Random(f"{name} {turn}")
            longest = max(flaw.length, 4 if flaw.length < 5 else flaw.length)
            length = flaw.length if turn == 0 or "," in name else random.randint(flaw.length, longest)
            chain = make_chain(number, random, length)
            flaw.make(chain)
            made.append(encode(chain, name))
    return tuple(made)


def lists_of(made: Made) -> list[RevocationList]:
    """The lists, as far as their issuers can be read; each is checked against its issuer."""
    issuers = []
    for data in (*made.pool, made.anchor):
        try:
            issuers.append(read_certificate(data))
        except CertificateRejected:
            continue
    lists = [read_list(data) for data in made.lists]
    for revocations in lists:
        for issuer in issuers:
            if revocations.is_by(issuer) and issuer.is_ca:
                check_list(revocations, issuer)
    return lists


def our_answer(made: Made) -> RejectReason | None:
    try:
        leaf = read_certificate(made.leaf)
        pool = _readable(made.pool)
        verify_chain(leaf, pool, [read_certificate(made.anchor)], AT, lists_of(made))
    except CertificateRejected as error:
        return error.reason
    return None


def _readable(pool: tuple[bytes, ...]) -> list[FieldCertificate]:
    return [read_certificate(data) for data in pool]


def library_answer(made: Made) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of odd serial numbers, and then judges
        try:
            leaf, *pool = (x509.load_der_x509_certificate(data) for data in (made.leaf, *made.pool))
            anchor = x509.load_der_x509_certificate(made.anchor)
            return library_accepts(leaf, pool, [anchor], AT)
        except ValueError:
            return False


def pem(data: bytes, label: str = "CERTIFICATE") -> str:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def openssl_answers(made: list[Made], folder: Path) -> dict[int, bool]:
    """Ask OpenSSL about all chains at once: every chain has names of its own."""
    (folder / "anchors.pem").write_text("".join(pem(one.anchor) for one in made))
    (folder / "pool.pem").write_text("".join(pem(data) for one in made for data in one.pool) or pem(made[0].anchor))
    (folder / "lists.pem").write_text("".join(pem(data, "X509 CRL") for one in made for data in one.lists))
    names = {}
    for one in made:
        path = folder / f"{one.number}.pem"
        path.write_text(pem(one.leaf))
        names[str(path)] = one.number
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-ignore_critical", "-crl_check_all"),
            *("-no-CApath", "-no-CAstore", "-attime", str(int(AT.timestamp()))),
            *("-CAfile", str(folder / "anchors.pem"), "-untrusted", str(folder / "pool.pem")),
            *("-CRLfile", str(folder / "lists.pem"), *names),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    good = {line.removesuffix(": OK") for line in done.stdout.splitlines() if line.endswith(": OK")}
    assert good, done.stderr[:2000]
    return {number: path in good for path, number in names.items()}


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_flaw_is_seen_and_named(flaw: str) -> None:
    answers = {our_answer(made) for made in chains() if made.flaw == flaw}
    assert answers == {FLAWS[flaw].reason}


@pytest.mark.skipif(not can_be_asked(), reason="this version of the library cannot judge our extension")
def test_the_library_agrees_but_for_the_table() -> None:
    accepted = Counter(made.flaw for made in chains() if library_answer(made))
    refused = Counter(made.flaw for made in chains()) - accepted
    explained = {name for name, flaw in FLAWS.items() if flaw.library}
    assert {name for name in accepted if FLAWS[name].reason is not None} == explained
    assert [name for name in refused if FLAWS[name].reason is None] == [], "accepted by us alone"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_openssl_agrees_but_for_the_table(tmp_path: Path) -> None:
    answers = openssl_answers(list(chains()), tmp_path)
    accepted = {made.flaw for made in chains() if answers[made.number]}
    refused = {made.flaw for made in chains() if not answers[made.number]}
    explained = {name for name, flaw in FLAWS.items() if flaw.openssl}
    assert {name for name in accepted if FLAWS[name].reason is not None} == explained
    assert [name for name in refused if FLAWS[name].reason is None] == [], "accepted by us alone"


def test_the_table_of_disagreements_is_in_the_docs() -> None:
    """docs/certificates.md holds this table word for word."""
    lines = [
        "| flaw | ours says | the library accepts it: it ... | OpenSSL accepts it: it ... |",
        "| --- | --- | --- | --- |",
    ]
    for name, flaw in FLAWS.items():
        if flaw.library or flaw.openssl:
            lines.append(f"| {name} | {str(flaw.reason).replace('_', ' ')} | {flaw.library} | {flaw.openssl} |")
    table = "\n".join(lines)
    page = (Path(__file__).resolve().parents[3] / "docs" / "certificates.md").read_text(encoding="utf-8")
    assert table in page, table
