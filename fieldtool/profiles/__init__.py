"""Meter profiles of the user's own: read from a folder, and checked before they are used."""
