"""The host side of an iM871A: probe, identify, set the link mode, verify, and then frames."""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.errors import ProtocolError
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.im871a.envelope import Envelope, EnvelopeStream, Rejected
from protocols.receivers.im871a.management import (
    AesDecryptionErrorIndication,
    DeviceInfoRequest,
    DeviceInfoResponse,
    GetConfigRequest,
    GetConfigResponse,
    SetConfigRequest,
    SetConfigResponse,
)
from protocols.receivers.im871a.message import Message
from protocols.receivers.im871a.messages import OtherMessage, parse_message
from protocols.receivers.im871a.radio import ReceiveIndication
from protocols.receivers.im871a.settings import (
    ALL_MODES,
    FIRMWARE_WITH_C1_T1,
    LISTENING_MODES,
    Config,
    DeviceInfo,
    DeviceType,
    LinkMode,
    rssi_dbm,
)
from protocols.receivers.modes import normal_mode
from protocols.receivers.open_request import OpenRequest, Patience
from protocols.receivers.standstill import Standstill

STALE_S: Final = 0.5
"""A frame takes 46 ms at 57600 baud; one that has not ended after this time never will."""


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    INFO = "device information"
    CONFIG = "configuration"
    SET = "confirmation of the link mode"
    VERIFY = "configuration with the new link mode"
    LISTENING = "frames"
    FAILED = "nothing any more"


class HostSession:
    """One session with a stick: `start`, then `receive` and `tick` until `Failed`.

    `mode` names the radio modes to listen to (`c1`, `t1`, `c1,t1`, ...); `ValueError` when no module knows it.
    Indications that arrive before `Ready` belong to an earlier setting and are skipped.
    """

    def __init__(self, mode: str = "c1,t1", patience: Patience | None = None) -> None:
        self.mode = normal_mode(mode, ALL_MODES)
        self._stream = EnvelopeStream(require_fcs=True)
        self._step = Step.NEW
        self._request = OpenRequest(patience)
        self._info: DeviceInfo | None = None
        self._link_mode = -1
        self._damage_run = DamageRun()
        self._standstill = Standstill()

    @property
    def listening(self) -> bool:
        """True from `Ready` until `Failed`."""
        return self._step is Step.LISTENING

    def start(self) -> bytes:
        """Return the probe."""
        return self._ask(Step.INFO, DeviceInfoRequest()).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        self._standstill.end()
        events: list[HostEvent] = []
        for piece in self._stream.feed(data):
            self._take(piece, events)
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request whose time is over, and a frame that never ended."""
        events: list[HostEvent] = []
        self._check_stale(now_s, events)
        return [*events, *self._request.tick(now_s, self._no_answer)]

    def _check_stale(self, now_s: float, events: list[HostEvent]) -> None:
        if not self._stream.pending:
            self._standstill.end()
        elif self._standstill.seconds(now_s) >= STALE_S:
            self._standstill.end()
            for piece in self._stream.resync():
                self._take(piece, events)

    def _take(self, piece: Envelope | Rejected, events: list[HostEvent]) -> None:
        if self._step is Step.FAILED:
            return
        if isinstance(piece, Rejected):
            self._damaged(Damaged(piece.reason.value, piece.raw), events)
            return
        try:
            message = parse_message(piece)
        except ProtocolError as error:
            self._damaged(Damaged(str(error), piece.to_bytes()), events)
            return
        self._damage_run.end()
        # A stick that confirmed the mode listens already while it is asked whether it took it.
        if self._step is Step.LISTENING or (self._step is Step.VERIFY and isinstance(message, ReceiveIndication)):
            self._listen(message, piece, events)
        else:
            events.extend(self._advance(message))

    def _damaged(self, event: Damaged, events: list[HostEvent]) -> None:
        # Before the stick has answered, whatever is left in its line is of no interest.
        if self._step is not Step.LISTENING:
            return
        events.append(event)
        if reason := self._damage_run.add(event):
            hint = "close and reopen the port; check the baud rate and that no other program reads from it"
            events.append(self._fail(reason, hint))

    def _listen(self, message: Message | OtherMessage, envelope: Envelope, events: list[HostEvent]) -> None:
        if isinstance(message, ReceiveIndication):
            if message.data:
                level = None if message.rssi_raw is None else rssi_dbm(message.rssi_raw)
                events.append(Frame(message.frame, level, message.timestamp_s))
            else:
                self._damaged(Damaged("receive indication without a frame", envelope.to_bytes()), events)
        elif isinstance(message, AesDecryptionErrorIndication):
            reason = "the stick itself holds a key for this meter, and it does not fit"
            self._damaged(Damaged(reason, envelope.to_bytes()), events)

    def _advance(self, message: Message | OtherMessage) -> list[HostEvent]:
        match self._step, message:
            case Step.INFO, DeviceInfoResponse(info=info):
                return [self._on_info(info)]
            case Step.CONFIG, GetConfigResponse():
                return [self._ask(Step.SET, SetConfigRequest(Config.listening(self._link_mode)))]
            case Step.SET, SetConfigResponse() if message.ok:
                return [self._ask(Step.VERIFY, GetConfigRequest())]
            case Step.SET, SetConfigResponse():
                reason = f"the stick refused link mode {self.mode}"
                return [self._fail(reason, "unplug it, plug it in again, and retry")]
            case Step.VERIFY, GetConfigResponse(config=config) if config.link_mode == self._link_mode:
                # A late answer to the earlier request shows the old mode and is passed over.
                return self._on_verified()
        return []

    def _on_info(self, info: DeviceInfo) -> HostEvent:
        self._info = info
        modes = LISTENING_MODES.get(info.device_type, {})
        if self.mode not in modes:
            known = ", ".join(sorted(modes)) or "none that this program knows"
            return self._fail(f"{info.model} {info.serial} cannot listen to {self.mode}", f"it can do: {known}")
        if modes[self.mode] == LinkMode.C1_T1 and _lacks_c1_t1(info):
            return self._fail(
                f"{info.model} {info.serial} has firmware {info.firmware_version}, which cannot listen to C1 and T1 "
                "at once",
                "choose mode=c1 or mode=t1, or update the stick to firmware 1.4",
            )
        self._link_mode = modes[self.mode]
        return self._ask(Step.CONFIG, GetConfigRequest())

    def _on_verified(self) -> list[HostEvent]:
        self._step = Step.LISTENING
        self._request.close()
        info = self._info
        if info is None:
            return []
        return [Ready(ReceiverInfo(info.model, info.serial, info.firmware_version, self.mode))]

    def _ask(self, step: Step, request: Message) -> Send:
        self._step = step
        return self._request.ask(request.to_bytes())

    def _no_answer(self) -> list[HostEvent]:
        waited_s = self._request.patience.total_s
        if self._step is Step.INFO:
            reason = f"no iM871A answered within {waited_s:g} s"
            hint = "check that this is the stick's port, at 57600 baud, and that no other program uses it"
        else:
            reason = f"the stick fell silent: no {self._step.value} within {waited_s:g} s"
            hint = "unplug it, plug it in again, and retry"
        return [self._fail(reason, hint)]

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=self._info is not None)


def _lacks_c1_t1(info: DeviceInfo) -> bool:
    return info.device_type == DeviceType.IM871A and info.firmware < FIRMWARE_WITH_C1_T1
