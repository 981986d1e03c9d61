"""What to tell of an uplink whose session cannot be known, because a join was heard in part or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from protocols.lorawan.diagnosis import Mistake
from protocols.lorawan.identifiers import DevAddr
from protocols.lorawan.phy import DataFrame
from protocols.lorawan.sessions import PendingJoin, Session, Sessions

FIRST_UPLINKS: Final = 16
"""Uplinks that a device may send at once after its join; afterwards at most one a second is believed."""

MAX_NAMED: Final = 3
BOTH_WAYS: Final = (
    "listen to downlinks too (a gateway that reports them, or a second stick with /down after its mode) "
    "and let the device join again, or import the session keys from its network server"
)


def missed_accept(sessions: Sessions, frame: DataFrame, at: datetime | None) -> Mistake | None:
    """Name the joins whose request was heard and whose accept was not, if the frame may belong to one of them."""
    waiting = [join for join in sessions.pending if _may_be(join, frame, at)]
    if not waiting:
        return None
    named = ", ".join(f"DevEUI {join.dev_eui}{_before(join, at)}" for join in waiting[:MAX_NAMED])
    more = f" and {len(waiting) - MAX_NAMED} others" if len(waiting) > MAX_NAMED else ""
    return Mistake(
        f"no session is known for DevAddr {frame.dev_addr}; it may be that of a join whose request was heard and whose "
        f"accept was not: {named}{more}",
        BOTH_WAYS,
    )


def missed_join(frame: DataFrame) -> Mistake:
    """Say of an address of which nothing was heard and nothing is filed what it takes to follow it."""
    address = DevAddr.of(frame.dev_addr)
    network = f" of {address.network}" if address is not None else ""
    return Mistake(
        f"no session keys are filed for DevAddr {frame.dev_addr}{network}, and no join request "
        "that fits a filed key waits for its accept",
        "import its NwkSKey and AppSKey; or import its AppKey, listen to downlinks too, and let the device join again",
    )


def maybe_rejoined(
    sessions: Sessions, candidates: Sequence[Session], frame: DataFrame, at: datetime | None
) -> str | None:
    """Say that a device of these sessions asked to join again, and the answer was not heard."""
    known = {session.keys.dev_eui for session in candidates if session.keys.dev_eui}
    for join in sessions.pending:
        if join.dev_eui in known and _may_be(join, frame, at):
            return f"DevEUI {join.dev_eui} asked to join again{_before(join, at)}, and the accept was not heard"
    return None


def _may_be(join: PendingJoin, frame: DataFrame, at: datetime | None) -> bool:
    """Whether a session that began with this join can have come as far as the frame's counter."""
    if join.answered or not frame.uplink:
        return False
    if at is None or join.at is None:
        return frame.fcnt <= FIRST_UPLINKS
    return join.at <= at and frame.fcnt <= FIRST_UPLINKS + (at - join.at) / timedelta(seconds=1)


def _before(join: PendingJoin, at: datetime | None) -> str:
    if at is None or join.at is None:
        return ""
    seconds = round((at - join.at).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f" {seconds // size} {unit} before"
    return f" {seconds} s before"
