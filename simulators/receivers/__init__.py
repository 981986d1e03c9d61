"""Simulated receivers: the device side of each receiver family, found by name in `simulators.receivers.device`."""
