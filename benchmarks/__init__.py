"""Benchmarks, each run as `python -m benchmarks.NAME`; all of them measure one thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before any library reads it
