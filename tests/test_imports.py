"""The three packages import in one direction, and commands import no more than they need."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {  # package -> packages of this project it may import
    "lrp": {"lrp"},
    "othello": {"othello"},
    "app": {"app", "lrp", "othello"},
}
FOREIGN_FOR_LRP = {"torch"}
OPTIONAL = {"lrp/baselines.py": {"captum"}}  # an extra, imported only when it is called
ALLOWED_IN_APP = {  # part of app -> parts of app it may import
    "app.models": {"app.explain"},
    "app.explain": {"app.models"},
    "app.game": {"app.explain", "app.models"},
    "app.present": {"app.explain"},
    "app.desktop": {"app.explain", "app.game", "app.present"},
    "app.experiments": {"app.explain", "app.models", "app.present"},
    "app.commands": {"app.*"},
    "app.cli": {"app.commands"},
    "app.web": {"app.experiments", "app.explain", "app.game", "app.models", "app.present"},
}
LIGHT = {  # command line -> modules it must not import
    ("--help",): ("torch", "numba", "streamlit", "pygame", "matplotlib"),
    ("perft", "3"): ("torch", "streamlit", "pygame", "matplotlib"),
    ("solve", "-XO- O", "--json"): ("torch", "streamlit", "pygame"),
    ("match", "random", "greedy", "--games", "2"): ("torch", "streamlit", "pygame"),
    ("train", "--resume", "--run", "no-such-run"): ("streamlit", "pygame"),
}


def imports_of(path: Path) -> set[str]:
    """The modules a file names in import statements, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_downwards(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        used = {name.split(".")[0] for name in imports_of(path)} & ALLOWED.keys()
        assert used <= ALLOWED[package], (
            f"{path.relative_to(ROOT)} imports {used - ALLOWED[package]}"
        )


def test_lrp_imports_torch_and_the_standard_library_only() -> None:
    for path in sorted((ROOT / "lrp").rglob("*.py")):
        foreign = (
            {name.split(".")[0] for name in imports_of(path)}
            - set(sys.stdlib_module_names)
            - {"lrp", ""}
        )
        foreign -= OPTIONAL.get(path.relative_to(ROOT).as_posix(), set())
        assert foreign <= FOREIGN_FOR_LRP, f"{path.relative_to(ROOT)} imports {foreign}"


def part_of(module: str) -> str:
    """`app.web` of `app.web.views.play`."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("part", ALLOWED_IN_APP)
def test_parts_of_the_app_import_as_the_graph_allows(part: str) -> None:
    place = ROOT / part.replace(".", "/")
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    allowed = ALLOWED_IN_APP[part] | {part}
    for path in files:
        used = {part_of(name) for name in imports_of(path) if name.startswith("app.")}
        assert "app.*" in allowed or used <= allowed, (
            f"{path.relative_to(ROOT)} imports {used - allowed}"
        )


UNDER = ["app/explain", "app/game", "app/present", "app/models.py"]


@pytest.mark.parametrize("part", UNDER)
def test_what_lies_under_both_front_ends_knows_neither(part: str) -> None:
    place = ROOT / part
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        assert not {name.split(".")[0] for name in imports_of(path)} & {
            "streamlit",
            "pygame",
            "typer",
        }, path


@pytest.mark.parametrize("line", LIGHT, ids=" ".join)
def test_commands_load_only_what_they_need(line: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom app.cli import run\ncode = run(sys.argv[2:])\n"
        "print('LOADED', sorted(set(sys.argv[1].split(',')) & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(LIGHT[line]), *line],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "LOADED []" in done.stderr, done.stderr[-500:]
