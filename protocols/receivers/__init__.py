"""Receivers: one sans-IO codec a family, host side and device side."""
