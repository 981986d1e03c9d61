"""The tool's side of the guarded session: challenge, proof, result, and the question which key a meter holds.

Nothing is checked here of what the tool itself would allow: that is a safety catch of its own, before this. The lock
is the meter, which sees through every proof.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from fieldtool.actions.errors import ActionRefused, LinkSilent, WrongMeter
from fieldtool.actions.links import FieldLink, MeterChoice
from keystore.certificates.revocation import RevocationList
from keystore.certificates.wallet import Credential
from protocols.actions.list_marks import is_missing
from protocols.actions.messages import (
    MOST_LISTS,
    NO_COUNTER,
    NO_MAC,
    NO_SESSION,
    NONCE_LENGTH,
    Challenge,
    Hello,
    KeyProof,
    Message,
    Proof,
    Result,
    WhichKey,
    key_proof,
    parse_message,
    session_bytes,
    signed_bytes,
)
from protocols.errors import ProtocolError
from protocols.model import Address

AES_KEY_BYTES: Final = 16
LIST_OVERHEAD: Final = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that the meter opened: good for one proof, for a short time."""

    tool_nonce: bytes
    challenge: Challenge

    @property
    def meter(self) -> Address:
        """The meter, as it says itself."""
        return self.challenge.meter

    @property
    def reconfigurations_left(self) -> int | None:
        """How often the meter can still be set up; None when it does not count."""
        return counter_shown(self.challenge.reconfigurations_left)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a proof is made with: certificate and key, its issuers without the anchor, and lists that it is not on."""

    credential: Credential
    issuers: tuple[bytes, ...] = ()
    lists: tuple[RevocationList, ...] = ()

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The chain as it is sent, leaf first."""
        return (self.credential.certificate.data, *self.issuers)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The key that a meter proved to hold, and the version that it gives it."""

    key: bytes = field(repr=False)
    version: int


class GuardedSession:
    """Messages to one meter and back; raises `LinkLost`, `LinkSilent`, `WrongMeter`."""

    def __init__(
        self, link: FieldLink, meter: MeterChoice, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._link = link
        self._choice = meter
        self._random_bytes = random_bytes

    def hello(self) -> OpenSession:
        """Open a session, which cuts every earlier one; `ActionRefused` when the meter opens none."""
        nonce, answer = self._asked(Hello)
        if not isinstance(answer, Challenge):
            raise self._odd(answer)
        if not self._choice.fits(answer.meter):
            raise WrongMeter(f"meter {answer.meter} answers, not {self._choice}", "check which meter the link leads to")
        return OpenSession(nonce, answer)

    def prove(self, opened: OpenSession, command: bytes, evidence: Evidence) -> Result:
        """Send a command with the proof that it may be done; the result may be a refusal."""
        challenge = opened.challenge
        signature = evidence.credential.key.sign(signed_bytes(opened.tool_nonce, challenge, command))
        proof = Proof(challenge.session_id, command, evidence.certificates, (), signature)
        newer = [one for one in evidence.lists if is_missing(challenge.lists, one.issuer_key_id, one.number)]
        answer = self._exchange(self._with_lists(proof, newer))
        if not isinstance(answer, Result) or answer.session_id not in (challenge.session_id, NO_SESSION):
            raise self._odd(answer)
        return answer

    def which_key(self, meter: Address, candidates: Iterable[bytes]) -> HeldKey | None:
        """Ask which key the meter holds, which cuts every session; None when it proves none of the candidates."""
        nonce, answer = self._asked(WhichKey)
        if not isinstance(answer, KeyProof) or answer.nonce != nonce:
            raise self._odd(answer)
        for key in candidates:
            if len(key) == AES_KEY_BYTES and hmac.compare_digest(
                key_proof(key, nonce, meter, answer.key_version), answer.proof
            ):
                return HeldKey(key, answer.key_version)
        return None

    def _with_lists(self, proof: Proof, newer: Iterable[RevocationList]) -> Proof:
        """Send lists along that the meter does not have, the newest first; what the link cannot carry is left out."""
        room = self._link.longest_message - len(proof.to_bytes())
        sent: list[bytes] = []
        for one in sorted(newer, key=lambda one: one.this_update, reverse=True)[:MOST_LISTS]:
            length = len(one.data) + LIST_OVERHEAD
            if length > room:
                _log.info("revocation list %d is too long for this link", one.number)
                continue
            room -= length
            sent.append(one.data)
        return replace(proof, lists=tuple(sent))

    def _asked(self, question: type[Hello] | type[WhichKey]) -> tuple[bytes, Message]:
        """Ask what changes nothing, and return the nonce with the answer; `ActionRefused`."""
        nonce = self._random_bytes(NONCE_LENGTH)
        answer = self._exchange(question(nonce))
        if isinstance(answer, Result):
            raise refusal(self._choice, answer)
        return nonce, answer

    def _exchange(self, message: Hello | Proof | WhichKey) -> Message:
        answer = self._link.exchange(message.to_bytes())
        try:
            return parse_message(answer)
        except ProtocolError as error:
            raise LinkSilent(
                f"meter {self._choice} sent an answer that cannot be read: {error}",
                "try again; is it this kind of meter?",
            ) from error

    def _odd(self, answer: Message) -> LinkSilent:
        what = type(answer).__name__
        return LinkSilent(f"meter {self._choice} answers with a {what} that was not asked for", "start again")


def is_authentic(result: Result, opened: OpenSession, keys: Collection[bytes]) -> bool | None:
    """Whether a result was made with one of the keys, in this session; None without a MAC where no key is filed."""
    if result.mac == NO_MAC and not keys:
        return None
    session = session_bytes(opened.tool_nonce, opened.challenge)
    return any(
        len(key) == AES_KEY_BYTES and hmac.compare_digest(result.mac_of(key, session), result.mac) for key in keys
    )


def refusal(meter: MeterChoice | Address, result: Result) -> ActionRefused:
    """The error of a result that is none of success: the meter's code, its reason and what to do."""
    name = f"{meter.manufacturer} {meter.number}" if isinstance(meter, Address) else str(meter)
    detail = f": {result.detail}" if result.detail else ""
    return ActionRefused(
        f"refused by meter {name} (code {int(result.code)}): it {result.code.words}{detail}",
        result.code.hint,
        int(result.code),
    )


def counter_shown(reconfigurations_left: int) -> int | None:
    """Return the counter of a message; None when the meter does not count."""
    return None if reconfigurations_left == NO_COUNTER else reconfigurations_left
