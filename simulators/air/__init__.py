"""The air: who sends when, who listens after sending, what of it arrives."""

from simulators.air.air import Air, Transmission, flip_bits
from simulators.air.hearing import good_frame

__all__ = ["Air", "Transmission", "flip_bits", "good_frame"]
