"""Meter profiles: what is known of one meter family."""
