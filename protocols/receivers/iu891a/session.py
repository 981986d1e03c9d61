"""The host side of an iU891A: wake and identify it, set its link mode, verify, and then frames.

Only the active configuration is set, which is forgotten when the module loses its power; a module that was reset
says nothing and may hear something else, so its configuration is read again now and then.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.errors import ProtocolError
from protocols.model import FrameFormat
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.iu891a.codes import STATUS_TEXTS, Device, Gateway, Service, Status, response
from protocols.receivers.iu891a.indication import ReceiveIndication
from protocols.receivers.iu891a.settings import LISTENING_MODES, Config, DeviceInfo, FirmwareInfo, LinkMode
from protocols.receivers.modes import normal_mode
from protocols.receivers.open_request import LINE_END, OpenRequest, Patience
from protocols.receivers.slip import WAKE_UP, Message, SlipStream
from protocols.wmbus.link import MIN_LENGTH

TITLE: Final = "IMST iU891A-XL"

OPTIONAL_PATIENCE: Final = Patience(attempts=2)
"""For what is good to know and not needed."""

SET_PATIENCE: Final = Patience(attempts=6)
"""The first configuration after power-up was seen to restart a module, which then needs some time."""

CHECK_S: Final = 60.0
"""How often the configuration is read again."""

SCAN_OFF: Final = b"\0"
FORMAT_B_MODE: Final = "C1"
"""Of the modes C and T only C has frames of format B."""


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    DEVICE = "device information"
    FIRMWARE = "firmware information"
    SCAN = "the end of scan mode"
    CONFIG = "its configuration"
    SET = "confirmation of the link mode"
    VERIFY = "its configuration with the new link mode"
    LISTENING = "frames"
    CHECK = "its configuration, read again"
    FAILED = "nothing any more"


_REQUESTS: Final[dict[Step, Message]] = {
    Step.DEVICE: Message(Service.DEVICE_MANAGEMENT, Device.DEVICE_INFO),
    Step.FIRMWARE: Message(Service.DEVICE_MANAGEMENT, Device.FIRMWARE_INFO),
    Step.SCAN: Message(Service.GATEWAY, Gateway.SCAN_MODE, SCAN_OFF),
    Step.CONFIG: Message(Service.GATEWAY, Gateway.GET_CONFIG),
    Step.SET: Message(Service.GATEWAY, Gateway.SET_CONFIG),
    Step.VERIFY: Message(Service.GATEWAY, Gateway.GET_CONFIG),
    Step.CHECK: Message(Service.GATEWAY, Gateway.GET_CONFIG),
}
_OPTIONAL: Final = {Step.FIRMWARE: Step.SCAN, Step.SCAN: Step.CONFIG}
"""Steps that may fail, and what comes behind them."""

_HEARING: Final = (Step.VERIFY, Step.LISTENING, Step.CHECK)
"""A module that confirmed the link mode listens already while it is asked whether it took it."""


class HostSession:
    """One session with a module: `start`, then `receive` and `tick` until `Failed`.

    `mode` names the radio modes to listen to (`c1`, `t1`, `c1,t1`, ...); `ValueError` when the module has no such mode.
    Frames that arrive before the link mode is confirmed belong to an earlier setting and are skipped.
    """

    def __init__(self, mode: str = "c1,t1", patience: Patience | None = None) -> None:
        self.mode = normal_mode(mode, LISTENING_MODES)
        self._link_mode = LISTENING_MODES[self.mode]
        self._patience = patience or Patience()
        self._stream = SlipStream()
        self._step = Step.NEW
        self._request = OpenRequest(self._patience)
        self._device: DeviceInfo | None = None
        self._firmware = ""
        self._config: Config | None = None
        self._said = ""
        self._ready = False
        self._damage_run = DamageRun()
        self._check_at_s: float | None = None

    def start(self) -> bytes:
        """Return what wakes the module, and the probe."""
        return self._ask(Step.DEVICE).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        events: list[HostEvent] = []
        for piece in self._stream.feed(data):
            if self._step is Step.FAILED:
                break
            events.extend(self._damage(piece) if isinstance(piece, Damaged) else self._take(piece))
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request that was not answered in time; read the configuration again now and then."""
        if self._step is not Step.LISTENING:
            return self._request.tick(now_s, self._no_answer)
        if self._check_at_s is None:
            self._check_at_s = now_s + CHECK_S
        if now_s < self._check_at_s:
            return []
        return [self._ask(Step.CHECK)]

    def _take(self, message: Message) -> list[HostEvent]:
        try:
            if (message.endpoint, message.code) == (Service.GATEWAY, Gateway.RECEIVED):
                return self._hear(message)
            if (message.endpoint, message.code) == (Service.GATEWAY, Gateway.SCANNED):
                return self._scanned(message)
            self._damage_run.end()
            return self._answered(message)
        except ProtocolError as error:
            return self._damage(Damaged(str(error), message.to_bytes()))

    def _hear(self, message: Message) -> list[HostEvent]:
        if self._step not in _HEARING:
            return []
        heard = ReceiveIndication.from_body(message.payload)
        size = len(heard.frame)
        if size <= MIN_LENGTH:
            return self._damage(Damaged(f"a telegram of {size} bytes, too short for any", message.to_bytes()))
        if size != heard.frame[0] + 1:
            reason = f"a telegram of {size} bytes whose L field says {heard.frame[0] + 1}"
            return self._damage(Damaged(reason, message.to_bytes()))
        self._damage_run.end()
        both = self._link_mode is LinkMode.C_T
        mode = (FORMAT_B_MODE if heard.frame_format is FrameFormat.B else None) if both else ""
        return [Frame(heard.frame, heard.rssi_dbm, heard.time_s, mode=mode)]

    def _scanned(self, message: Message) -> list[HostEvent]:
        """A module in scan mode tells that there was a telegram, and keeps it."""
        if self._step not in _HEARING:
            return []
        kept = Damaged("the stick is in scan mode and hands over no telegrams", message.to_bytes())
        return [Send(_REQUESTS[Step.SCAN].to_bytes()), *self._damage(kept)]

    def _answered(self, message: Message) -> list[HostEvent]:
        request = _REQUESTS.get(self._step)
        if request is None or not message.payload:
            return []
        if (message.endpoint, message.code) != (request.endpoint, response(request.code)):
            return []
        status, body = message.payload[0], message.payload[1:]
        if status == Status.OK:
            return self._advance(body)
        if self._step in _OPTIONAL:
            return [self._ask(_OPTIONAL[self._step])]
        self._said = STATUS_TEXTS.get(status, f"status {status}")
        # One that is busy is asked again when its time is over.
        return [] if status == Status.BUSY else [self._refused()]

    def _advance(self, body: bytes) -> list[HostEvent]:
        match self._step:
            case Step.DEVICE:
                return self._on_device(DeviceInfo.from_body(body))
            case Step.FIRMWARE:
                self._firmware = FirmwareInfo.from_body(body).text
                return [self._ask(Step.SCAN)]
            case Step.SCAN:
                return [self._ask(Step.CONFIG)]
            case Step.CONFIG:
                self._config = Config.from_body(body)
                return [self._ask(Step.SET)]
            case Step.SET:
                return [self._ask(Step.VERIFY)]
            case _:
                return self._on_config(Config.from_body(body))

    def _on_device(self, device: DeviceInfo) -> list[HostEvent]:
        if not device.is_gateway:
            reason = f"no wireless M-Bus gateway answered, but a module of type 0x{device.module_type:02X}"
            return [self._fail(reason, "a WiMOD with LoRa firmware is reached as wimod://")]
        self._device = device
        return [self._ask(Step.FIRMWARE)]

    def _on_config(self, config: Config) -> list[HostEvent]:
        if config.listens(self._link_mode):
            return self._on_verified()
        self._config = config
        if self._step is Step.CHECK:
            return [self._ask(Step.SET)]
        # Behind a change this may be a late answer to an earlier request: it is asked again when its time is over.
        self._said = f"it stays in link mode {config.link_mode}, options {config.options:#06x}"
        return []

    def _on_verified(self) -> list[HostEvent]:
        self._step, self._check_at_s = Step.LISTENING, None
        self._request.close()
        if self._ready or self._device is None:
            return []
        self._ready = True
        return [Ready(ReceiverInfo(self._device.model, self._device.serial, self._firmware, self.mode))]

    def _ask(self, step: Step) -> Send:
        self._step, self._said = step, ""
        message, patience = _REQUESTS[step], self._patience
        if step is Step.SET and self._config is not None:
            wanted = self._config.listening(self._link_mode)
            message, patience = Message(message.endpoint, message.code, wanted.to_body()), SET_PATIENCE
        elif step in _OPTIONAL:
            patience = OPTIONAL_PATIENCE
        data = message.to_bytes()
        return self._request.ask(WAKE_UP + data if step is Step.DEVICE else data, patience)

    def _damage(self, event: Damaged) -> list[HostEvent]:
        # Before the module listens as asked, whatever is left in its line is of no interest.
        if not self._ready:
            return []
        reason = self._damage_run.add(event)
        if not reason:
            return [event]
        hint = "close and reopen the port; check the baud rate (115200) and that no other program reads from it"
        return [event, self._fail(reason, hint)]

    def _no_answer(self) -> list[HostEvent]:
        if self._step in _OPTIONAL:
            return [self._ask(_OPTIONAL[self._step])]
        if self._said:
            return [self._refused()]
        waited_s = self._request.patience.total_s
        if self._step is Step.DEVICE:
            reason = f"no iU891A answered within {waited_s:g} s"
            hint = "check that this is the stick's port, at 115200 baud, and that no other program uses it"
            return [Send(LINE_END), self._fail(reason, hint)]
        reason = f"{self._name()} fell silent: not {self._step.value} within {waited_s:g} s"
        hint = "unplug it, plug it in again, and retry; its firmware must be that of a wireless M-Bus gateway"
        return [self._fail(reason, hint)]

    def _refused(self) -> Failed:
        reason = f"{self._name()} refuses to give {self._step.value}: {self._said}"
        hint = "unplug it, plug it in again, and retry; its firmware must be that of a wireless M-Bus gateway"
        return self._fail(reason, hint)

    def _name(self) -> str:
        name = "the stick" if self._device is None else f"{self._device.model} {self._device.serial}"
        return f"{name} (firmware {self._firmware})" if self._firmware else name

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=self._device is not None)
