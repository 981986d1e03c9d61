"""What sets an RN2483 to a channel."""

from __future__ import annotations

from protocols.receivers.lora_channel import BANDWIDTH_HZ, Channel


def commands(channel: Channel) -> tuple[str, ...]:
    """Return what sets a module to the channel, each answered by `ok`."""
    return (
        "radio set mod lora",
        f"radio set freq {channel.frequency_hz}",
        f"radio set sf sf{channel.spreading_factor}",
        f"radio set bw {BANDWIDTH_HZ // 1000}",
        "radio set cr 4/5",
        "radio set sync 34",
        "radio set crc on",
        f"radio set iqi {'on' if channel.inverted else 'off'}",
        "radio set wdt 0",
    )
