"""The documentation: its links lead somewhere, its commands are taken, its Python runs, public names are described."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from app.cli import COMMANDS, LazyGroup, bare_why, join_boards
from tests.app.commands.test_every_command import of

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = {page.name: page.read_text("utf-8") for page in (ROOT / "README.md", *PAGES)}
CONFIGURATION = (ROOT / "mkdocs.yml").read_text("utf-8")
ELSEWHERE = {  # run by tests/lrp/test_documentation.py and tests/app/experiments/test_notebook.py
    "lrp.md",
    "play_and_explain.md",
    "explain_a_model.md",
}
PUBLIC = ("lrp", "othello", "othello.network", "othello.records")


def fences(text: str) -> list[tuple[str, str]]:
    """(language, contents) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Every `othello …` that a page says to type, in blocks, tables and sentences."""
    typed = [
        re.split(r"\s{2,}#", line)[0] for _, block in fences(text) for line in block.splitlines()
    ]
    typed += re.findall(r"`(othello [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    lines = [line.removeprefix(".venv/bin/").strip() for line in typed]
    return [line for line in lines if re.match(r"othello \w", line)]


def placeholders(line: str) -> str:
    """A command with something for what stands in capitals for it."""
    for name, value in {
        "PLAYER OPPONENT": "random greedy",
        "A B": "random greedy",
        "POSITION": "start",
        "GAME.ggf": "game.ggf",
        "DEPTH": "3",
        "GAME": "f5d6",
        "FILE OUT": "a.ggf b.sgf",
        "FILE": "a.png",
        "FOLDER": "folder",
        "RUN": "run",
        "NAME": "prior",
        "DIR": "folder",
        "MODE": "sink",
    }.items():
        line = re.sub(rf"\b{re.escape(name)}\b", value, line)
    return line


LINES = sorted({(page, line) for page, text in TEXTS.items() for line in commands(text)})


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_of_a_page_is_taken(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = placeholders(line)
    if "--onnx a.png" in line:
        line = line.replace("a.png", "a.onnx")
    line = line.replace("--html a.png", "--html a.html").replace("--gif a.png", "--gif a.gif")
    words = join_boards(bare_why(shlex.split(line)[1:]))
    if "…" in words or words[0] in ("COMMAND", "--help", "-h", "--version"):
        return
    name = words[0]
    assert name in COMMANDS, line
    if name == "checkpoint":
        name = " ".join(words[:2]) if len(words) > 1 else name
    rest = words[len(name.split()) :]
    missing = [option for option in of(name).params if option.required]
    if rest or not missing:  # else the command alone is named
        of(name).make_context(name, rest)
    assert LazyGroup(name="othello").get_command(None, words[0]) is not None


def has_what_it_needs(block: str) -> bool:
    """Whether the package that a block's first line says it needs is installed, if it says so."""
    needed = re.match(r"# needs (\w+)\n", block)
    return needed is None or importlib.util.find_spec(needed[1]) is not None


@pytest.mark.parametrize("page", sorted(TEXTS.keys() - ELSEWHERE))
def test_the_python_of_a_page_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    reader = ModuleType("my_project")  # of the README's reader
    reader.model = torch.nn.Sequential(
        torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4)
    )  # type: ignore[attr-defined]
    reader.x = torch.rand(2, 8)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_project", reader)
    names: dict[str, Any] = {"__name__": "page"}
    for language, block in fences(TEXTS[page]):
        if language == "python" and has_what_it_needs(block):
            exec(compile(block, page, "exec"), names)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    found = set[str]()
    for title in re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
    ):
        plain = re.sub(r"[^\w\- ]", "", title.lower()).strip()
        found |= {re.sub(r" ", "-", plain), re.sub(r"[-\s]+", "-", plain)}
    return found


@pytest.mark.parametrize("page", sorted(TEXTS))
def test_a_link_leads_to_something(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        path = folder / file if file else folder / page
        assert path.exists(), f"{page}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text("utf-8")), f"{page}: {target}"


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    listed = re.findall(r"([\w/]+\.md)$", CONFIGURATION.split("\nnav:")[1], re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {page.name for page in PAGES}


def described() -> set[str]:
    """The modules and objects that the page of the API shows."""
    return set(re.findall(r"^::: ([\w.]+)$", TEXTS["api.md"], re.MULTILINE))


@pytest.mark.parametrize("face", PUBLIC)
def test_every_public_name_is_in_the_api_and_says_what_it_is(face: str) -> None:
    module, shown = importlib.import_module(face), described()
    for name in module.__all__:
        found = getattr(module, name)
        if isinstance(found, ModuleType):
            assert found.__name__ in shown and found.__doc__, name
            continue
        if not hasattr(found, "__module__") or isinstance(found, (tuple, str)):
            continue  # a constant, described where it stands
        home = found.__module__
        assert home in shown or f"{home}.{name}" in shown, f"{home}.{name}"
        assert found.__doc__, f"{home}.{name}"


@pytest.mark.parametrize("name", sorted(described()))
def test_what_the_api_shows_is_there_and_public_functions_in_it_are_described(name: str) -> None:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        if importlib.util.find_spec(parts[0]) and is_module(".".join(parts[:cut])):
            break
    found: Any = importlib.import_module(".".join(parts[:cut]))
    for part in parts[cut:]:
        found = getattr(found, part)
    if not isinstance(found, ModuleType):
        assert found.__doc__
        return
    tree = ast.parse(Path(str(found.__file__)).read_text("utf-8"))
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert not bare and ast.get_docstring(tree)


def is_module(name: str) -> bool:
    """Whether a dotted name is a module's."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the site's tools are the extra docs: make docs")
    pytest.importorskip("mkdocstrings")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0 and "WARNING" not in built.stderr.split("INFO")[-1], built.stderr
    assert (tmp_path / "site" / "api.html").stat().st_size > 50_000


def test_every_extra_that_a_page_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for page, text in TEXTS.items():
        for names in re.findall(r"'?\.\[([\w,]+)\]'?", text):
            assert set(names.split(",")) <= set(extras), f"{page}: {names}"
