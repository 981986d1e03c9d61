"""Telegrams for other programs and for people: JSON, lines, explanations."""
