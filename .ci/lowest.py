"""Print constraints that hold every dependency at the least version that pyproject.toml declares.

python .ci/lowest.py >lowest.txt && pip install -c lowest.txt -e .[test]
pytest tests -m "not long" -W ignore::DeprecationWarning    # an old package uses what a new one warns of
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]
NEEDED = re.compile(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)(?:,<[\w.]+)?(;.*)?")


def lowest() -> list[str]:
    """A line for each dependency of the project and of its extras, with its marker."""
    every = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [NEEDED.fullmatch(each.replace(" ;", ";")) for part in every for each in part]
    return sorted({f"{one[1]}=={one[2]}{one[3] or ''}" for one in found if one})


if __name__ == "__main__":
    print(*lowest(), sep="\n")
