"""Wireless M-Bus (EN 13757-4, OMS Vol. 2): link layer up to security."""
