"""The terminal UI: the reception list and, one key away, everything about one meter."""
