"""Run tests where they are not at home: in another order, side by side, in another locale and time zone, without a
home, without Chromium, without root.

    python .ci/conditions.py                    some quick files under every condition
    python .ci/conditions.py tests              every test but the long ones, under every condition
    python .ci/conditions.py --only order,root tests/lrp
    python .ci/conditions.py --only order+chromium+root tests    all three at once
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = (
    "tests/lrp/test_rules_against_twins.py",
    "tests/othello/rules",
    "tests/othello/records",
    "tests/othello/solver",
    "tests/othello/test_atomic.py",
    "tests/app/present",
    "tests/test_reliability.py",
)
NOBODY = "65534"
AS_NOBODY = (
    "setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups",
    "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search",
)  # fmt: skip
"""Reads what root can, where Python itself lies in root's home, and writes nothing but its own files."""
CONDITIONS: dict[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    # in front of the command, what the environment says, further arguments of pytest
    "order": ((), {"SHUFFLED": "1"}, ()),
    "beside": ((), {}, ("-n", "2")),
    "place": ((), {"LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Chatham", "PYTHONUTF8": "0"}, ()),
    "home": ((), {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}, ()),
    "chromium": ((), {"CHROMIUM": "none", "PLAYWRIGHT_BROWSERS_PATH": "/nonexistent"}, ()),
    "root": (AS_NOBODY, {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}, ()),
}


class Shuffled:
    """A pytest plugin: the files in any order, and the tests of each."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        generator = random.Random(self.seed)
        rank = {file: generator.random() for file in sorted({item.path for item in items})}
        items.sort(key=lambda item: (rank[item.path], generator.random()))


def without_chromium(folder: str) -> str:
    """A PATH of links to all programs but browsers."""
    for place in reversed(os.environ.get("PATH", os.defpath).split(os.pathsep)):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = Path(folder, program.name)
            if "chrom" not in program.name and not link.is_symlink():
                link.symlink_to(program)
    return folder


def ended(name: str, tests: list[str], seed: int) -> int:
    """pytest's exit code under a condition, or under several joined by +."""
    parts = name.split("+")
    front, more = [], []
    with tempfile.TemporaryDirectory(prefix="conditions-") as folder:
        os.chmod(folder, 0o777)
        environment = {**os.environ, "TMPDIR": folder}
        if "chromium" in parts:
            environment["PATH"] = without_chromium(folder)
        for part in parts:
            first, says, further = CONDITIONS[part]
            if part != "root" or somebody_else():
                front += first
            environment |= says
            more += further
        if "order" in parts:
            more += ["--seed", str(seed)]
        command = [*front, sys.executable, __file__, "--here", *tests, *more]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def somebody_else() -> bool:
    """Whether a command can run as another user."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which(AS_NOBODY[0]) is not None


def main() -> int:
    """The number of conditions under which a test failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default=",".join(CONDITIONS), help="conditions, by commas or joined by +"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked, tests = parser.parse_known_args()
    if asked.here:
        import pytest

        plugins = [Shuffled(asked.seed)] if "SHUFFLED" in os.environ else []
        quiet = ["-q", "-m", "not long", "-p", "no:cacheprovider"]
        return int(pytest.main([*quiet, *tests], plugins=plugins))
    failed = []
    for name in asked.only.split(","):
        print(f"--- {name}" + f", seed {asked.seed}" * ("order" in name), flush=True)
        if ended(name, tests or list(SAMPLE), asked.seed):
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all green")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
