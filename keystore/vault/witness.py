"""What is remembered of a store outside of it: how far its history went, and what happened while it was locked.

An older copy of a whole store is consistent in itself. Only something that did not go back with it can tell. After
every write the store's place in its own history is written to a small file of the user's; the next unlock asks the
store for the same place. The file is MACed with a key of the store: without that key it can be deleted, or replaced by
an older one of its own, but not made to say anything else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from keystore.audit import AuditAction
from keystore.time_text import time_of, time_text
from keystore.vault import primitives
from keystore.vault.primitives import DIGEST_BYTES, Subkeys
from protocols.text import safe_text

MAX_FILE_BYTES: Final = 64 * 1024
MAX_EVENTS: Final = 500
WHILE_LOCKED: Final = frozenset({AuditAction.UNLOCK_FAILED, AuditAction.RESTORED})
"""What can happen to a locked store: whoever writes the file of events can put nothing else into the audit log."""
_PRIVATE: Final = 0o600


class HistoryProblem(StrEnum):
    """What is wrong with a store's place in its history."""

    OLDER = "older"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a store's history went: generation, audit entries, and the link of the last of them."""

    generation: int
    audit_entries: int
    audit_head: bytes


@dataclass(frozen=True, slots=True)
class History:
    """A store that is not what was last seen here: older, or with another history since; `seen` is what was seen."""

    problem: HistoryProblem
    seen: Place
    found: int

    @property
    def text(self) -> str:
        """The problem in a sentence."""
        if self.problem is HistoryProblem.OLDER:
            return f"it has {self.found} writes behind it, and had {self.seen.generation} when it was last used here"
        return f"its history is not the one that was seen here up to write {self.seen.generation}"


@dataclass(frozen=True, slots=True)
class LockedEvent:
    """Something that happened to a store while nobody had its keys: what and when."""

    action: str
    at: datetime
    detail: str = ""


class WitnessFolder:
    """Witnesses of stores in a folder of the user's, two small files for each store and path.

    Nothing here stops work: what cannot be read is absent, what cannot be written is not remembered, and `faults`
    says so.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.faults: list[str] = []

    def read(self, store_id: bytes, path: Path, keys: Subkeys) -> Place | None:
        """Return what was last seen of a store, None when nothing was, or the file is not the store's own."""
        document = self._document(self._file(store_id, path, "witness"))
        try:
            body = bytes.fromhex(document["body"])
            if not primitives.same_bytes(primitives.mac(keys.witness, body), bytes.fromhex(document["mac"])):
                return None
        except (KeyError, ValueError, TypeError):
            return None
        return Place(int.from_bytes(body[:8]), int.from_bytes(body[8:16]), body[16 : 16 + DIGEST_BYTES])

    def write(self, store_id: bytes, path: Path, keys: Subkeys, place: Place) -> None:
        """Remember how far a store went."""
        body = place.generation.to_bytes(8) + place.audit_entries.to_bytes(8) + place.audit_head
        document = {"body": body.hex(), "mac": primitives.mac(keys.witness, body).hex()}
        self._replace(self._file(store_id, path, "witness"), json.dumps(document))

    def forget(self, store_id: bytes, path: Path) -> None:
        """Expect nothing of a store any more: it was put there on purpose."""
        try:
            self._file(store_id, path, "witness").unlink(missing_ok=True)
        except OSError as error:
            self._fault(error)

    def add_event(self, store_id: bytes, path: Path, event: LockedEvent) -> None:
        """Remember what happened while the store was locked, for its audit log; the newest are kept."""
        file = self._file(store_id, path, "events")
        events = [*self._events(file), {"action": event.action, "at": time_text(event.at), "detail": event.detail}]
        self._replace(file, json.dumps(events[-MAX_EVENTS:]))

    def events(self, store_id: bytes, path: Path) -> Sequence[LockedEvent]:
        """Return what happened while the store was locked; not authenticated, so what cannot have been is left out."""
        found = []
        for one in self._events(self._file(store_id, path, "events")):
            with suppress(KeyError, ValueError, TypeError):
                event = LockedEvent(str(one["action"]), time_of(str(one["at"])), safe_text(str(one.get("detail", ""))))
                if event.action in WHILE_LOCKED:
                    found.append(event)
        return found

    def forget_events(self, store_id: bytes, path: Path) -> None:
        """Forget them, once they are in the audit log."""
        try:
            self._file(store_id, path, "events").unlink(missing_ok=True)
        except OSError as error:
            self._fault(error)

    def _events(self, file: Path) -> list[dict[str, object]]:
        events = self._document(file)
        return [one for one in events if isinstance(one, dict)] if isinstance(events, list) else []

    def _document(self, file: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
        try:
            with file.open("rb") as stream:
                return json.loads(stream.read(MAX_FILE_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._fault(error)
            return {}

    def _replace(self, file: Path, text: str) -> None:
        fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # What somebody left under this name, a link perhaps, is not written through.
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as stream:
                stream.write(text)
            fresh.replace(file)
        except OSError as error:
            self._fault(error)

    def _file(self, store_id: bytes, path: Path, kind: str) -> Path:
        """Name a store's file: copies of one store in several places have histories of their own."""
        place = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
        return self._folder / f"{store_id.hex()}-{place}.{kind}"

    def _fault(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else "it cannot be read"
        self.faults.append(f"the witness in {self._folder} cannot be used: {reason}")
