"""Simulated meters: one file a kind, found by name in `simulators.meters.model.KINDS`."""
