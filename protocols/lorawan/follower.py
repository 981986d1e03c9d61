"""A decoder that follows LoRaWAN devices from frame to frame; the state is a value that its owner may keep."""

from __future__ import annotations

from typing import Final

from protocols.lorawan.counter import USUAL_HALVES
from protocols.lorawan.decoder import NO_KEYS, NO_SESSIONS, decode_lorawan, no_mbus_keys
from protocols.lorawan.keys import LorawanKeys
from protocols.lorawan.learned import Ahead, LorawanSighting, Plan, follow_plan, learn_plan, plan_name
from protocols.lorawan.meters.registry import find_meter
from protocols.lorawan.sessions import Sessions
from protocols.model import KeyLookup, Link, RawFrame, Telegram

MAX_PLANS: Final = 50_000
"""Plans kept, one for each device, port and size of payload; beyond it all are learned anew."""


class LorawanFollower:
    """Decodes one frame after the other and goes on with `sessions`; belongs to one thread.

    `keys` must give the same keys for a device as long as it is used: call `forget()` when they change.
    """

    def __init__(
        self,
        keys: LorawanKeys = NO_KEYS,
        sessions: Sessions = NO_SESSIONS,
        *,
        halves: int = USUAL_HALVES,
    ) -> None:
        self.keys = keys
        self._sessions = sessions
        self._halves = halves
        self._ahead: dict[str, Ahead] = {}
        self._plans: dict[bytes, Plan] = {}

    @property
    def sessions(self) -> Sessions:
        """What was heard so far, as a value."""
        for ahead in self._ahead.values():
            self._sessions = self._sessions.with_session(ahead.session)
        self._ahead.clear()
        return self._sessions

    def resume(self, sessions: Sessions) -> None:
        """Go on with other sessions than those heard so far, as after the keys were locked or unlocked."""
        self._ahead.clear()
        self._plans.clear()
        self._sessions = sessions

    def forget(self) -> None:
        """Drop all plans, and with them the keys they hold; sessions stay."""
        self._plans.clear()

    def decode(self, frame: RawFrame, mbus_keys: KeyLookup = no_mbus_keys) -> Telegram:
        """Decode a frame in full, and learn from it."""
        before = self.sessions
        heard = decode_lorawan(frame, self.keys, before, mbus_keys=mbus_keys, halves=self._halves)
        self._sessions = heard.sessions
        self._learn(heard.telegram, before)
        return heard.telegram

    def sight(self, frame: RawFrame, mbus_keys: KeyLookup = no_mbus_keys) -> Telegram | LorawanSighting:
        """Decode by a plan where one fits, else in full."""
        name = plan_name(frame.data) if frame.link is Link.LORAWAN else None
        plan = None if name is None else self._plans.get(name)
        if plan is not None and said_profile(frame) == said_profile(plan.template.frame):
            ahead = self._ahead.get(plan.dev_addr) or self._begin(plan)
            sighting = None if ahead is None else follow_plan(plan, frame, ahead)
            if sighting is not None:
                return sighting
        return self.decode(frame, mbus_keys)

    def _begin(self, plan: Plan) -> Ahead | None:
        """Take up the only session of the plan's address; two devices of one address need the general decoder."""
        sessions = self._sessions.at(plan.dev_addr)
        if len(sessions) != 1:
            return None
        ahead = self._ahead[plan.dev_addr] = Ahead(sessions[0])
        return ahead

    def _learn(self, telegram: Telegram, before: Sessions) -> None:
        name = plan_name(telegram.data) if telegram.frame.link is Link.LORAWAN else None
        facts = telegram.lorawan
        if name is None or facts is None or facts.dev_addr is None or facts.fcnt is None:
            return
        self._plans.pop(name, None)
        sessions = self._sessions.at(facts.dev_addr)
        heard = before.at(facts.dev_addr)
        # Of a repetition and of a counter that goes back, notes are made that belong to that frame alone.
        goes_on = not heard or heard[0].fcnt_up is None or heard[0].fcnt_up < facts.fcnt
        if len(sessions) != 1 or not telegram.ok or not goes_on:
            return
        session = sessions[0]
        profile = said_profile(telegram.frame) or session.keys.profile
        plan = learn_plan(telegram, session, find_meter(facts.dev_eui, profile))
        if plan is None:
            return
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[name] = plan


def said_profile(frame: RawFrame) -> str | None:
    """The meter's profile that the receiver names."""
    return None if frame.lora is None else frame.lora.profile
