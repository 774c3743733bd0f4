"""Engines for the tests: small programs that answer well or badly, and the commands that start them and ours."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# A GTP engine that plays the first legal move it is told of, until `misdeed` happens at its second genmove.
SCRIPT = r"""
import os, subprocess, sys, time
misdeed, moves, asked = sys.argv[1], sys.argv[2:], 0
if misdeed == "deaf": time.sleep(1000)
if misdeed == "stillborn": sys.exit(3)
if misdeed == "parent": subprocess.Popen(["sleep", "1000"])
for line in sys.stdin:
    words = line.split()
    if words[0] == "quit": break
    if words[0] != "genmove":
        print("= x\n", flush=True)
        continue
    asked += 1
    if misdeed in ("hang", "parent"): time.sleep(1000)
    if misdeed == "crash": os._exit(7)
    if misdeed == "illegal": print("= a1\n", flush=True)
    if misdeed == "nonsense": print("= \xff\x00banana\n", flush=True)
    if misdeed == "no sign": print("hello\n", flush=True)
    if misdeed == "error": print("? out of ideas\n", flush=True)
    if misdeed == "resign": print("= resign\n", flush=True)
    if misdeed == "pass": print("= pass\n", flush=True)
    if misdeed == "unfinished": sys.stdout.write("= d3\n"); sys.stdout.flush(); time.sleep(1000)
    if misdeed == "drip":
        while True: sys.stdout.write("\n"); sys.stdout.flush(); time.sleep(0.001)
    if misdeed == "flood":
        while True: sys.stdout.write("= d3\n" * 1000)
    if misdeed == "one line":
        for _ in range(1000): sys.stdout.write("=" * 1000000)
    if misdeed == "closed": os.close(1); time.sleep(1000)
"""


def bad_engine(folder: Path, misdeed: str) -> str:
    """The player spec of an engine that does `misdeed` when it is first asked for a move, or before."""
    script = folder / "engine.py"
    script.write_text(SCRIPT)
    return "gtp:" + shlex.join([sys.executable, "-S", "-E", str(script), misdeed])


def our_engine(protocol: str, checkpoint: Path, simulations: int = 8, size: int = 8) -> str:
    """The command that serves our agent by "gtp", "nboard" or "cassio"."""
    call = f"main({simulations}, {str(checkpoint)!r}, {size})"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from othello.serve import {protocol} as p; p.{call}"
    return shlex.join([sys.executable, "-c", program])


def grhino() -> str:
    """The path of gtp-rhino; without it the test is skipped, or fails where `CI` is set."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/games"])
    if found := shutil.which("gtp-rhino", path=path):
        return found
    if os.environ.get("CI"):
        pytest.fail("gtp-rhino is missing: apt-get install grhino")
    pytest.skip("gtp-rhino is missing; for this test: apt-get install grhino")
