"""Simulated portals: where the keys of a scenario's meters are fetched from."""
