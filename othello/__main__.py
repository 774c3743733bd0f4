"""`python -m othello` is the command `othello`; by name, since this package knows nothing of the command line."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("app", run_name="__main__", alter_sys=True)
