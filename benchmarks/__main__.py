"""`python -m benchmarks`, as `make bench` runs it: all quick measurements."""

from __future__ import annotations

import sys

from benchmarks import replay, start

if __name__ == "__main__":
    sys.exit(replay.main(sys.argv[1:]) or start.main([]))
