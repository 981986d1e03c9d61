"""One meter's attention over radio: every request goes out right behind a telegram of the meter, until it is answered.

A meter listens only a moment after it has sent. Once it has heard a frame it repeats its answer every two seconds, so
that requests follow each other fast; when a frame or its answer was lost, the next telegram is the next chance.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.links import LinkContext, MeterChoice
from fieldtool.actions.radio_stick import Heard, RadioStick
from protocols.errors import DecryptFailed, ProtocolError
from protocols.model import Address
from protocols.wmbus.link_timing import ACCESSIBLE, BIDIRECTIONAL, FAST_RESPONSE, opens_window, response_window
from protocols.wmbus.two_way import (
    ANSWERS,
    CI_RECORDS,
    FCB,
    TwoWayMessage,
    gateway_frame,
    parse_header,
    parse_two_way,
)

UNSOLICITED: Final = frozenset({"SND-NR", "SND-IR", "ACC-NR", "ACC-DMD"})
UNREADABLE_LIMIT: Final = 3
"""Telegrams in a row that no key opens, before the meter is given up: one may be a forgery."""

UNIDIRECTIONAL_LIMIT: Final = 3
PATIENT_S: Final = 2.5
"""A wait that is worth telling of: longer than a meter in an access takes to repeat its answer."""

TELL_EVERY_S: Final = 15.0
INTERVALS_TO_WAIT: Final = 4
NARROW_S: Final = 0.01
LONGEST_ON_AIR_S: Final = 0.05
"""How long a frame of a header alone is on the air, in any mode."""


NEARER: Final = "go closer to the meter, and close other programs that keep this computer busy"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: for the first telegram of the meter, and for the answer to one request."""

    first_s: float = 300.0
    answer_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame of the meter: as heard, and taken apart."""

    heard: Heard
    message: TwoWayMessage


class MeterRefused(LinkSilent):
    """The meter heard a request and cannot do anything with it (NACK)."""

    title = "refused"


@dataclass(slots=True)
class _Ether:
    """What was heard so far beside answers."""

    last_by_itself_s: float | None = None
    interval_s: float | None = None
    of_others: int = 0
    unreadable: int = 0
    without_window: int = 0
    told_s: float = float("-inf")


class RadioAccess:
    """Requests to one meter, one after the other; used by one thread, except `cancel`."""

    def __init__(
        self,
        stick: RadioStick,
        meter: MeterChoice,
        context: LinkContext,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.missed = 0
        self._stick = stick
        self._meter = meter
        self._context = context
        self.patience = patience or Patience()
        self._clock = clock
        self._cancelled = threading.Event()
        self._address: Address | None = None
        self._key: bytes | None = None
        self._key_known = False
        self._latest: Answer | None = None
        self._acc = secrets.randbelow(256)
        self._fcb = 0
        self._ether = _Ether()

    @property
    def address(self) -> Address | None:
        """The meter's address; None until it was heard."""
        return self._address

    @property
    def interval_s(self) -> float | None:
        """About how often the meter sends by itself; None until two telegrams were heard."""
        return self._ether.interval_s

    @property
    def open(self) -> bool:
        """Whether the last that was heard of the meter was an answer: it repeats it until it is told to end."""
        return self._latest is not None and self._latest.message.name in ANSWERS

    def cancel(self) -> None:
        """Make whatever waits end with `LinkSilent`; may be called by any thread."""
        self._cancelled.set()

    def request(self, control: int, application: bytes = b"") -> Answer:
        """Send a request until the meter has answered it, and return the answer.

        Raises `MeterRefused` for a NACK, `LinkSilent` when no answer comes within bounds, `LinkLost`.
        """
        self._acc, self._fcb = (self._acc + 1) % 256, self._fcb ^ FCB
        deadline_s, sent = self._deadline_s(), 0
        while True:
            latest = self._latest
            answering = latest is not None and self._can_answer(latest, encrypts=bool(application))
            if latest is not None and answering:
                if not sent and latest.message.acc == self._acc:
                    # What the meter repeats from before must not pass for the answer.
                    self._acc = (self._acc + 1) % 256
                self._send(control | self._fcb, application, latest)
                sent += 1
            answer = self._next(deadline_s, sent)
            if sent and answer.message.name in ANSWERS and answer.message.acc == self._acc:
                if answer.message.name == "NACK":
                    raise MeterRefused(f"meter {self._meter} refuses what was sent to it", "try again")
                return answer
            if answering:
                self._tell_missed(sent)

    def notify(self, control: int, wait_s: float) -> bool:
        """Send a frame that has no answer, in the next window within `wait_s`; whether there was one."""
        deadline_s = self._clock() + wait_s
        self._acc = (self._acc + 1) % 256
        while True:
            latest = self._latest
            if latest is not None and self._can_answer(latest, encrypts=False):
                self._send(control, b"", latest)
                self._latest = None
                self._see_off(latest)
                return True
            if self._clock() >= deadline_s:
                return False
            self._take(self._stick.listen())

    def _see_off(self, latest: Answer) -> None:
        """Leave the stick in its mode until the frame is on the air."""
        window = response_window(self._stick.mode, latest.message.cc)
        while self._clock() < latest.heard.at_s + window.closes_s + LONGEST_ON_AIR_S:
            self._stick.listen()

    def wait(self, wait_s: float) -> Answer | None:
        """Return the next frame of the meter; None when none comes in time."""
        deadline_s = self._clock() + wait_s
        while self._clock() < deadline_s and not self._cancelled.is_set():
            if self._take(self._stick.listen()):
                return self._latest
        return None

    def _deadline_s(self) -> float:
        interval_s = self._ether.interval_s or 0.0
        patience_s = self.patience.first_s if self._address is None else self.patience.answer_s
        return self._clock() + max(patience_s, INTERVALS_TO_WAIT * interval_s)

    def _can_answer(self, answer: Answer, *, encrypts: bool) -> bool:
        """Whether the window behind a telegram can still be met, and the key for it is known."""
        if not answer.heard.fresh or not opens_window(answer.message.cc) or (encrypts and not self._key_known):
            return False
        window = response_window(self._stick.mode, answer.message.cc)
        return self._stick.mode == "T2" or self._clock() - answer.heard.at_s < window.closes_s

    def _send(self, control: int, application: bytes, latest: Answer) -> None:
        key = self._key if application else None
        frame = gateway_frame(control, self._stick.address, latest.message.meter, self._acc, application, key)
        self._stick.send(frame, latest.heard)

    def _next(self, deadline_s: float, sent: int) -> Answer:
        """Wait for the next frame of the meter."""
        began_s = self._clock()
        while True:
            if self._cancelled.is_set():
                raise LinkSilent(f"cancelled while waiting for meter {self._meter}")
            if self._take(self._stick.listen()) and self._latest is not None:
                return self._latest
            now_s = self._clock()
            if now_s >= deadline_s:
                raise self._gave_up(sent)
            if now_s - began_s >= PATIENT_S and now_s - self._ether.told_s >= TELL_EVERY_S:
                self._ether.told_s = now_s
                self._context.tell(self._waiting())

    def _take(self, frames: list[Heard]) -> bool:
        """Keep the latest frame of the meter; whether there was one."""
        found = False
        for heard in frames:
            message = self._read(heard)
            if message is not None:
                self._latest = Answer(heard, message)
                found = True
        return found

    def _read(self, heard: Heard) -> TwoWayMessage | None:
        try:
            header = parse_header(heard.frame)
        except ProtocolError:
            return None
        if not self._meter.fits(header.meter) or (self._address is not None and header.meter != self._address):
            self._ether.of_others += 1
            return None
        keys = [key.value for key in self._context.keys(header.meter)]
        try:
            message = parse_two_way(heard.frame, keys)
        except DecryptFailed as error:
            self._ether.unreadable += 1
            if self._ether.unreadable < UNREADABLE_LIMIT:
                return None
            hint = "import the key of this meter; see `fieldtool keys import --help`"
            raise LinkSilent(f"no key of the keystore opens the telegrams of meter {self._meter}", hint) from error
        except ProtocolError as error:
            message_text = f"meter {self._meter} cannot be answered: {error}"
            raise LinkSilent(message_text, "use a wired or optical link") from error
        if self._key is not None and message.key is None and message.application and message.ci == CI_RECORDS:
            # A meter that encrypts does not stop: somebody else sends in its name.
            self._ether.of_others += 1
            return None
        self._learn(heard, message, keys)
        return message

    def _learn(self, heard: Heard, message: TwoWayMessage, keys: list[bytes]) -> None:
        """Address, key, pace and windows, from a frame of the meter."""
        self._address = message.meter
        self._ether.unreadable = 0
        if message.application:
            # Once it has encrypted, nothing is sent to it in clear: an error may be told in clear.
            self._key = self._key if message.key is None else keys[message.key]
            self._key_known = True
        if message.name not in UNSOLICITED:
            self._ether.last_by_itself_s = None
            return
        if heard.fresh and self._ether.last_by_itself_s is not None:
            self._ether.interval_s = heard.at_s - self._ether.last_by_itself_s
        self._ether.last_by_itself_s = heard.at_s
        self._ether.without_window = 0 if message.cc & (BIDIRECTIONAL | ACCESSIBLE) else self._ether.without_window + 1
        if self._ether.without_window >= UNIDIRECTIONAL_LIMIT:
            raise LinkSilent(f"meter {self._meter} sends, but never listens", "use a wired or optical link")

    def _waiting(self) -> str:
        interval_s, meter = self._ether.interval_s, self._meter
        if interval_s is not None:
            return f"waiting for meter {meter}: it sends about every {interval_s:.0f} s"
        heard = f" ({self._ether.of_others} telegrams of others heard)" if self._ether.of_others else ""
        if self._ether.unreadable:
            return f"meter {meter} is heard, but no key of the keystore opens its telegram; waiting for another"
        if self._address is None:
            return f"waiting for a telegram of meter {meter}{heard}"
        return f"waiting for the next telegram of meter {meter}"

    def _tell_missed(self, sent: int) -> None:
        self.missed += 1
        self._context.tell(f"meter {self._meter} did not hear answer {sent}: {self._pace()}; trying again")

    def _pace(self) -> str:
        reaction, latest = self._stick.reaction, self._latest
        window = response_window(self._stick.mode, latest.message.cc if latest is not None else FAST_RESPONSE)
        when = f"{1000 * window.opens_s:.0f} to {1000 * window.closes_s:.0f}"
        if window.closes_s - window.opens_s < NARROW_S:
            when = f"about {1000 * window.middle_s:.0f}"
        return (
            f"it listens {when} ms after its telegram, "
            f"this computer took {1000 * reaction.last_s:.0f} ms (at worst {1000 * reaction.worst_s:.0f} ms) "
            f"and the stick confirmed {1000 * reaction.confirmed_s:.0f} ms later"
        )

    def _gave_up(self, sent: int) -> LinkSilent:
        meter = self._meter
        if sent:
            times = "once" if sent == 1 else f"{sent} times"
            return LinkSilent(f"meter {meter} did not answer, asked {times}: {self._pace()}", NEARER)
        if self._address is None:
            what = f"no telegram of meter {meter} was heard within {self.patience.first_s:.0f} s"
            return LinkSilent(what, "check the number and the radio mode, and go closer to the meter")
        return LinkSilent(f"meter {meter} sends, but opened no window to answer in", "wait, or use a wired link")
