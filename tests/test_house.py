"""The rules of the house: which folder may import which, and how large and how dense code may be.

Where code does not hold a rule yet, it stands by name in house_debt.py; its lists may only shrink: an entry that is no
longer needed fails the test too.
"""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.house_debt import (
    CIRCLES,
    DENSITY,
    INNER_IMPORTS,
    LONG_FILES,
    LONG_FUNCTIONS,
    NESTED_PER_1000,
    SAME_NAMES,
    WALL_CLOCK,
    WIDE_FUNCTIONS,
)

ROOT = Path(__file__).parents[1]
PACKAGES = ("othello", "lrp", "app")
WALL_CLOCKS = {"time.time()", "time.monotonic()", "time.perf_counter()"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

GRAPH = {  # folder -> folders of this project it may import, besides itself
    "othello": "othello.rules",
    "othello.rules": "othello",
    "othello.records": "othello othello.rules",
    "othello.base": "othello othello.records othello.rules",
    "othello.solver": "othello othello.rules",
    "othello.network": "othello othello.network.cpu othello.rules",
    "othello.network.cpu": "othello othello.network othello.rules",
    "othello.search": "othello othello.network othello.rules othello.solver",
    "othello.engines": "othello othello.records othello.rules",
    "othello.players": (
        "othello othello.engines othello.network othello.rules othello.search othello.solver"
    ),
    "othello.serve": (
        "othello othello.network othello.players othello.records othello.rules othello.search "
        "othello.solver"
    ),
    "othello.strength": (
        "othello othello.engines othello.players othello.records othello.rules othello.search "
        "othello.solver"
    ),
    "othello.training": (
        "othello othello.network othello.network.cpu othello.rules othello.search othello.solver"
    ),
    "othello.training.configs": "",
    "lrp": "lrp.ops lrp.tracing",
    "lrp.tracing": "lrp",
    "lrp.ops": "lrp lrp.tracing",
    "lrp.interop": "lrp",
    "app": "othello othello.network othello.players othello.rules",
    "app.explain": "app lrp othello othello.rules othello.search",
    "app.explain.reasons": (
        "app app.explain othello othello.network othello.rules othello.search othello.solver"
    ),
    "app.game": (
        "app app.explain app.explain.reasons othello othello.base othello.network othello.players "
        "othello.records othello.rules othello.search othello.solver othello.strength"
    ),
    "app.present": "app.explain app.game othello.rules othello.search othello.strength",
    "app.desktop": (
        "app.explain app.game app.present lrp othello othello.records othello.rules othello.search"
    ),
    "app.web": (
        "app app.explain app.game app.present app.web.components lrp othello "
        "othello.network othello.players othello.rules"
    ),
    "app.web.components": "app.explain app.present othello.rules",
    "app.web.views": (
        "app app.experiments app.explain app.explain.reasons app.game app.present app.web "
        "app.web.components app.web.views.inspect lrp othello othello.base othello.players "
        "othello.records othello.rules othello.search othello.strength othello.training"
    ),
    "app.web.views.inspect": (
        "app app.experiments.maps app.explain app.present app.web app.web.components app.web.views "
        "othello othello.records othello.rules"
    ),
    "app.experiments": (
        "app app.explain app.present lrp othello othello.network othello.players othello.rules "
        "othello.search othello.solver othello.training"
    ),
    "app.experiments.maps": "app app.experiments app.explain othello othello.rules",
    "app.experiments.studies": (
        "app app.experiments app.explain app.explain.reasons lrp othello.network "
        "othello.rules othello.search othello.solver"
    ),
    "app.experiments.studies.inside": (
        "app app.experiments app.experiments.maps app.explain app.explain.reasons lrp othello "
        "othello.network othello.players othello.rules othello.strength othello.training"
    ),
    "app.commands": (
        "app app.desktop app.experiments app.experiments.maps app.explain app.explain.reasons "
        "app.game app.present othello othello.base othello.network othello.players "
        "othello.records othello.rules othello.search othello.serve othello.solver "
        "othello.strength othello.training"
    ),
}
FOREIGN_FOR_LRP = {"torch"}
OPTIONAL = {  # extras, imported only when they are called
    "lrp/baselines.py": {"captum"},
    "lrp/interop/captum.py": {"captum"},
    "lrp/plot.py": {"matplotlib"},
}
UNDER_BOTH_FRONT_ENDS = ("app/explain", "app/game", "app/present", "app/models.py")
LIGHT = {  # command line -> modules it must not import
    ("--help",): ("torch", "numba", "streamlit", "pygame", "matplotlib"),
    ("perft", "3"): ("torch", "streamlit", "pygame", "matplotlib"),
    ("solve", "-XO- O", "--json"): ("torch", "streamlit", "pygame"),
    ("match", "random", "greedy", "--games", "2"): ("torch", "streamlit", "pygame"),
    ("train", "--resume", "--run", "no-such-run"): ("streamlit", "pygame"),
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """`app.web` for app/web/__init__.py, `app.web.state` for app/web/state.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for package in PACKAGES for path in sources(package)}


def folder_of(module: str) -> str:
    return ".".join(MODULES[module].relative_to(ROOT).parent.parts)


def imports(path: Path) -> set[str]:
    """Modules and foreign packages that a file imports, wherever the statement stands."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                found.add(member if member in MODULES else str(node.module))
    return found


def functions(package: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sources(package):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node


def is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {
        part.id
        for deco in node.decorator_list
        for part in ast.walk(deco)
        if isinstance(part, ast.Name)
    }
    return bool(names & {"kernel", "intrinsic"})


def docstring_lines(module: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(module):
        has_prose = isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        )
        if has_prose and ast.get_docstring(node, clean=False) is not None:
            lines.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor comment nor docstring."""
    prose = docstring_lines(tree(path))
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and n not in prose
        for n, line in lines
    )


def held(what: str, found: dict[str, int], known: dict[str, int]) -> None:
    """Every offender is known and no larger than it was; no known one has been mended unnoticed."""
    worse = {name: size for name, size in found.items() if size > known.get(name, 0)}
    mended = {name for name, size in known.items() if found.get(name, 0) < size}
    assert not worse, f"{what}: {worse}"
    assert not mended, (
        f"{what}: mended, so shorten the list: { {name: found.get(name, 0) for name in mended} }"
    )


@pytest.mark.parametrize("folder", sorted({folder_of(module) for module in MODULES}))
def test_a_folder_imports_what_the_graph_allows(folder: str) -> None:
    used: set[str] = set()
    for module, path in MODULES.items():
        if folder_of(module) == folder:
            used.update(folder_of(name) for name in imports(path) if name in MODULES)
    used.discard(folder)
    assert used == set(GRAPH.get(folder, "").split()), (
        f"{folder}: the graph above and the imports differ"
    )


def test_no_module_is_in_a_circle_that_is_not_known() -> None:
    arrows = {module: imports(path) & MODULES.keys() - {module} for module, path in MODULES.items()}

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            new = arrows[todo.pop()] - seen
            seen |= new
            todo.extend(new)
        return seen

    beyond = {module: reachable(module) for module in MODULES}
    circles = set()
    for module in MODULES:
        if module in beyond[module]:
            circles.add(
                " ".join(sorted(other for other in beyond[module] if module in beyond[other]))
            )
    assert circles == CIRCLES


def test_no_private_name_is_imported_from_another_module() -> None:
    found = []
    for path in MODULES.values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
                found += [
                    f"{path.name}: {alias.name}"
                    for alias in node.names
                    if alias.name.startswith("_")
                ]
    assert not found


def test_files_and_folders_are_small() -> None:
    sizes = {}
    for package in (*PACKAGES, "benchmarks"):
        for path in sources(package):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > 350:
                sizes[path.relative_to(ROOT).as_posix()] = lines
    held("files over 350 lines", sizes, LONG_FILES)
    folders = Counter(path.parent for package in PACKAGES for path in sources(package))
    assert {folder: count for folder, count in folders.items() if count > 19} == {}, (
        "18 files and a face"
    )


def test_functions_are_short_and_narrow() -> None:
    long: dict[str, int] = {}
    wide: dict[str, int] = {}
    for package in (*PACKAGES, "benchmarks"):
        for name, node in functions(package):
            lines = (node.end_lineno or 0) - node.lineno + 1
            parameters = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
            if lines > 45 and not is_kernel(node):
                long[name] = lines
            if parameters > 8 and not is_kernel(node):
                wide[name] = parameters
    held("functions over 45 lines", long, LONG_FUNCTIONS)
    held("functions with over 8 parameters", wide, WIDE_FUNCTIONS)


def test_imports_stand_at_the_top() -> None:
    inner = {}
    for package in (*PACKAGES, "benchmarks"):
        lines = set()
        for name, node in functions(package):
            inside = [
                part for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)
            ]
            lines.update((name.split(":")[0], part.lineno) for part in inside)
        inner[package] = len(lines)
    held("imports inside functions", inner, INNER_IMPORTS)


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_code_is_not_dense(package: str) -> None:
    nodes = sum(sum(1 for _ in ast.walk(tree(path))) for path in sources(package))
    lines = sum(code_lines(path) for path in sources(package))
    assert nodes / lines <= DENSITY[package], f"{nodes / lines:.2f} syntax nodes a line of code"


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_comprehensions_are_rarely_nested(package: str) -> None:
    nested = []
    for path in sources(package):
        for node in ast.walk(tree(path)):
            parts = [part for part in ast.walk(node) if isinstance(part, COMPREHENSIONS)]
            if isinstance(node, COMPREHENSIONS) and len(parts) > 1:
                nested.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    lines = sum(code_lines(path) for path in sources(package))
    assert len(nested) <= max(1, NESTED_PER_1000[package] * lines / 1000), nested


def test_the_formatter_decides_the_layout() -> None:
    texts = [path.read_text(encoding="utf-8") for package in PACKAGES for path in sources(package)]
    assert sum(text.count("fmt: skip") + text.count("fmt: off") for text in texts) <= 40


def test_a_class_name_means_one_thing() -> None:
    homes = Counter()
    for path in MODULES.values():
        names = {node.name for node in tree(path).body if isinstance(node, ast.ClassDef)}
        homes.update(name for name in names if not name.startswith("_"))
    assert {name for name, count in homes.items() if count > 1} == SAME_NAMES


@pytest.mark.parametrize("face", ["othello", "lrp", "othello.network", "othello.records"])
def test_a_face_exports_what_it_lists(face: str) -> None:
    module = importlib.import_module(face)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_lrp_imports_torch_and_the_standard_library_only() -> None:
    for path in sources("lrp"):
        foreign = {name.split(".")[0] for name in imports(path)}
        foreign -= {*sys.stdlib_module_names, "lrp", ""}
        foreign -= OPTIONAL.get(path.relative_to(ROOT).as_posix(), set())
        assert foreign <= FOREIGN_FOR_LRP, f"{path.relative_to(ROOT)} imports {foreign}"


def test_a_bias_is_booked_in_one_place() -> None:
    booking = {"book_bias", "book_projection"}
    for path in sources("lrp"):
        called = {
            node.func.attr
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        found = called & booking
        assert found == (booking if path.name == "bias.py" else set()), path


@pytest.mark.parametrize("part", UNDER_BOTH_FRONT_ENDS)
def test_what_lies_under_both_front_ends_knows_neither(part: str) -> None:
    place = ROOT / part
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        known = {name.split(".")[0] for name in imports(path)}
        assert not known & {"streamlit", "pygame", "typer"}, path


def test_the_page_on_architecture_names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {path.parent.relative_to(ROOT).as_posix() for path in MODULES.values()}
    missing = sorted(folder for folder in folders if f"`{folder}/`" not in page)
    assert not missing


def takes_time(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression holds `time.…() - …` of a clock on the wall, or a name of what holds or returns that."""
    for part in ast.walk(node):
        subtracted = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub)
        if subtracted and ast.unparse(part.left) in WALL_CLOCKS:
            return True
        if isinstance(part, ast.Name) and part.id in names:
            return True
    return False


def timed_names(node: ast.AST, names: set[str]) -> set[str]:
    """Variables of a function, beside `names`, that hold a difference of times."""
    found = set(names)
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and takes_time(part.value, found):
            found.update(target.id for target in part.targets if isinstance(target, ast.Name))
    return found


def test_no_time_is_asserted_outside_the_long_tests() -> None:
    count: Counter[str] = Counter()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        defined = [node for node in tree(path).body if isinstance(node, ast.FunctionDef)]
        stopwatches: set[str] = set()
        for node in defined:
            names = timed_names(node, set())
            returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
            if any(takes_time(value, names) for value in returned if value):
                stopwatches.add(node.name)
        for node in defined:
            if any("mark.long" in ast.unparse(mark) for mark in node.decorator_list):
                continue
            names = timed_names(node, stopwatches)
            asserts = [part for part in ast.walk(node) if isinstance(part, ast.Assert)]
            timed = sum(takes_time(part.test, names) for part in asserts)
            count[path.relative_to(ROOT).as_posix()] += timed
    held("asserted times", dict(+count), WALL_CLOCK)


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
