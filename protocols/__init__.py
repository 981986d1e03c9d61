"""Protocols of utility meters, sans-IO: bytes in, values out, and back."""
