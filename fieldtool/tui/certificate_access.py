"""The way of the screens to the certificates of a store: what was seen of them last, as text without any key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fieldtool import enrolment
from fieldtool.enrolment import Enrolment
from fieldtool.export.certificate_text import (
    anchor_line,
    certificate_facts,
    issuer_name,
    list_line,
    request_facts,
    standing_facts,
)
from fieldtool.tui.cells import Cell
from fieldtool.tui.signs import ALARM_GLYPH
from keystore.certificates.certificate_store import CertificateStore
from keystore.certificates.clock import ClockJudgement
from keystore.certificates.levels import level_table
from keystore.errors import KeystoreError, Locked
from protocols.plural import counted
from protocols.text import safe_text

if TYPE_CHECKING:
    from keystore.vault import Vault

Facts = Mapping[str, object]
"""What `fieldtool.export.certificate_text` says of one thing."""


@dataclass(frozen=True, slots=True)
class CertificatesSeen:
    """Everything about the certificates of a store at one moment, in words.

    `days_left` is that of the certificate in use; `why_not` says of every action that the level does not allow why.
    """

    level: str
    tag: str = ""
    days_left: int | None = None
    organisation: str = ""
    scope: str = ""
    actions: tuple[str, ...] = ()
    why_not: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    certificates: tuple[Facts, ...] = ()
    requests: tuple[Facts, ...] = ()
    anchors: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """True when a certificate is chosen and does not give its level, or will soon cease to."""
        return bool(self.tag and (self.reasons or self.warnings))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The level in use in a few words, for a title."""
        if not self.needs_attention:
            return ("level ", "muted"), (self.level, "strong")
        left = "" if self.days_left is None else f", {counted(self.days_left, 'day')} left"
        return (f"{ALARM_GLYPH} ", "warning"), ("level ", "muted"), (f"{self.level}{left}", "warning")


class CertificateAccess:
    """The certificates of the store that `vault` gives; None there means that there is no store.

    `seen` costs nothing and is None while the store is locked or nobody looked; `look` takes some milliseconds or, when
    another process writes, seconds: it is for other threads than the UI's. Only text is kept: no key outlives a lock.
    """

    def __init__(self, vault: Callable[[], Vault | None]) -> None:
        self._vault = vault
        self._seen: CertificatesSeen | None = None
        self.problem = ""

    @property
    def is_locked(self) -> bool:
        """True while the store is locked, or there is none."""
        vault = self._vault()
        return vault is None or vault.is_locked

    @property
    def seen(self) -> CertificatesSeen | None:
        """What the last look saw; None while the store is locked."""
        return None if self.is_locked else self._seen

    @property
    def vault(self) -> Vault:
        """The store; raises `Locked` when there is none."""
        vault = self._vault()
        if vault is None:
            raise Locked("there is no keystore", "make one with: fieldtool store create")
        return vault

    @property
    def unlocked(self) -> Vault:
        """The store, to be worked with now; raises `Locked`."""
        if self.is_locked:
            raise Locked(f"keystore {self.vault.path.name} is locked", "unlock it: press u")
        return self.vault

    def open(self) -> Enrolment:
        """Return the certificates to change them, at this moment; raises `Locked`."""
        return Enrolment(self.unlocked, enrolment.now())

    def open_key_changes(self) -> tuple[str, ...]:
        """Return the meters whose key change is not settled; puts off the store's lock, as what a person does."""
        try:
            return tuple(change.meter_text for change in self.unlocked.key_changes.pending())
        except KeystoreError as error:
            self.problem = safe_text(error.message)
            return ()

    def attend_clock(self) -> ClockJudgement:
        """Judge this computer's clock, and remember it when it can be trusted; raises `KeystoreError`."""
        return self.open().attend_clock()

    def look(self) -> None:
        """Look anew; does not put off the store's lock. What stands in the way is in `problem`."""
        vault = self._vault()
        if vault is None or vault.is_locked:
            self._seen = None
            return
        try:
            self._seen, self.problem = look_at(vault), ""
        except KeystoreError as error:
            self._seen, self.problem = None, safe_text(error.message)


def look_at(vault: Vault) -> CertificatesSeen:
    """Return what there is to see of an unlocked store's certificates; raises `KeystoreError`."""
    at, wallet = enrolment.now(), CertificateStore(vault.receivers_documents).load()
    standing = enrolment.standing_in(vault, wallet, at)
    allowed = standing_facts(standing)["actions"]
    actions = [name for name in level_table().actions if isinstance(allowed, list) and name in allowed]
    return CertificatesSeen(
        level=standing.title,
        tag="" if standing.credential is None else safe_text(standing.credential.tag),
        days_left=standing.days_left,
        organisation=safe_text(standing.grant.scope.organisation or ""),
        scope=safe_text(standing.grant.scope.text),
        actions=tuple(actions),
        why_not={
            name: safe_text(standing.why_not(action, None, None, ""), 400)
            for name, action in level_table().actions.items()
            if name not in actions
        },
        reasons=tuple(safe_text(reason) for reason in standing.reasons),
        warnings=tuple(safe_text(warning) for warning in standing.warnings),
        certificates=tuple(certificate_facts(one, wallet, at) for one in wallet.credentials),
        requests=tuple(request_facts(one) for one in wallet.requests),
        anchors=tuple(safe_text(anchor_line(one)) for one in wallet.anchors),
        lists=tuple(safe_text(list_line(one, issuer_name(wallet, one), at)) for one in wallet.lists),
    )
