"""The meter's own judgement of a proof: certificates, revocation, signature, level and scope.

It believes nothing of what the tool says about itself: the table of levels is the meter's own, and the command is the
one that was signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.levels import level_table, level_title
from keystore.certificates.revocation import RevocationList, check_list, check_newer, read_list
from keystore.certificates.verification import VerifiedChain, verify_authority, verify_chain
from protocols.actions.commands import Command, parse_command
from protocols.actions.list_marks import MOST_MARKS, ListMark
from protocols.actions.messages import Proof
from protocols.actions.results import ResultCode
from protocols.errors import ProtocolError, Unsupported
from simulators.field_meter.meter import FieldMeter
from simulators.field_meter.obey import Refused

_CODES: Final[dict[RejectReason, ResultCode]] = {
    RejectReason.EXPIRED: ResultCode.NOT_VALID_NOW,
    RejectReason.NOT_YET: ResultCode.NOT_VALID_NOW,
    RejectReason.REVOKED: ResultCode.REVOKED,
}
"""Every other reason is `UNTRUSTED`; the detail names it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A command that was let through, and on whose certificate."""

    command: Command
    chain: VerifiedChain


class Gate:
    """Judges proofs at one moment by the meter's clock, with the lists that the meter holds (DER, already checked)."""

    def __init__(
        self, meter: FieldMeter, anchors: Sequence[FieldCertificate], at: datetime, lists: Sequence[bytes]
    ) -> None:
        self._meter = meter
        self._anchors = tuple(anchors)
        self._at = at
        self._lists = [read_list(one) for one in lists]

    @property
    def lists(self) -> tuple[bytes, ...]:
        """The lists that the meter holds now, one an issuer."""
        return tuple(one.data for one in self._lists)

    @property
    def marks(self) -> tuple[ListMark, ...]:
        """What a challenge says of them; of too many the newest."""
        newest = sorted(self._lists, key=lambda one: one.this_update, reverse=True)[:MOST_MARKS]
        return tuple(ListMark.of(one.issuer_key_id, one.number) for one in newest)

    def certificates(self, data: Sequence[bytes]) -> tuple[FieldCertificate, ...]:
        """Read certificates, the leaf first; raises `Refused`."""
        try:
            return tuple(read_certificate(one) for one in data)
        except CertificateRejected as error:
            raise _refused(error) from None

    def take_list(self, data: bytes, issuers: Sequence[FieldCertificate]) -> RevocationList | None:
        """Take a newer list of one of these issuers or of an anchor; None when it is held already.

        Raises `Refused` for a list that goes back, or that nobody trusted has signed.
        """
        try:
            offered = read_list(data)
            return offered if self._take_list(offered, issuers) else None
        except CertificateRejected as error:
            raise _refused(error) from None

    def _take_list(self, offered: RevocationList, issuers: Sequence[FieldCertificate]) -> bool:
        known = [*self._anchors, *issuers]
        by = [one for one in known if offered.is_signed_by(one)] or [one for one in known if offered.is_by(one)]
        if not by:
            raise CertificateRejected(RejectReason.UNTRUSTED, "the revocation list is from an unknown issuer")
        verify_authority(by[0], known, self._anchors, self._at, self._lists)
        check_list(offered, by[0])
        for position, held in enumerate(self._lists):
            if held.is_signed_by(by[0]):
                if not check_newer(offered, held):
                    return False
                self._lists[position] = offered
                return True
        self._lists.append(offered)
        return True

    def admit(self, proof: Proof, certificates: Sequence[FieldCertificate], signed: bytes) -> Admitted:
        """Return the command that may be obeyed; raises `Refused` with the meter's reason."""
        try:
            chain = verify_chain(certificates[0], certificates[1:], self._anchors, self._at, self._lists)
        except CertificateRejected as error:
            raise _refused(error) from None
        try:
            chain.leaf.public_key.verify(proof.signature, signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise Refused(ResultCode.BAD_SIGNATURE) from None
        command = _read_command(proof.command)
        self._check_grant(command, chain)
        return Admitted(command, chain)

    def _check_grant(self, command: Command, chain: VerifiedChain) -> None:
        table = level_table()
        action = table.actions.get(command.action)
        if action is None:
            raise Refused(ResultCode.UNKNOWN_COMMAND, command.action)
        if action.needs not in chain.grant.capabilities:
            levels = " or ".join(level.title for level in table.levels_allowing(action))
            raise Refused(ResultCode.LEVEL_TOO_LOW, f"needs {levels}, proved {level_title(chain.grant.capabilities)}")
        address = self._meter.address
        why = chain.grant.scope.why_not(address.manufacturer, self._meter.family, address.number)
        if why:
            raise Refused(ResultCode.OUT_OF_SCOPE, why)


def _read_command(application: bytes) -> Command:
    try:
        return parse_command(application)
    except Unsupported as error:
        raise Refused(ResultCode.UNKNOWN_COMMAND, str(error)) from None
    except ProtocolError as error:
        raise Refused(ResultCode.BAD_PARAMETER, str(error)) from None


def _refused(error: CertificateRejected) -> Refused:
    code = _CODES.get(error.reason, ResultCode.UNTRUSTED)
    return Refused(code, f"{error.reason}: {error.message}")
