"""What runs simulated receivers and meters: in real time at a port, or in step with their host."""

from simulators.bench.receiver_bench import Bench

__all__ = ["Bench"]
