"""What the project says of itself for indexes and citations is what its files say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from othello.network import checkpoint
from othello.network.architecture import Architecture
from othello.network.pretrained import CONFIG, config, from_pretrained
from othello.training.release import front_matter, use

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SHIPPED = sorted(meta.parent.name for meta in ROOT.glob("checkpoints/*/meta.json"))
CITATION = (ROOT / "CITATION.cff").read_text("utf-8")


def test_the_citation_is_of_this_version_and_licence() -> None:
    assert f"version: {PROJECT['version']}\n" in CITATION
    assert f"license: {PROJECT['license']}\n" in CITATION


def test_the_sources_of_the_documentation_are_cited() -> None:
    cited: set[tuple[str, str]] = set()
    for entry in CITATION.split("\n  - type: ")[1:]:
        (year,) = re.findall(r"^    year: (\d+)$", entry, re.MULTILINE)
        cited.update((name, year) for name in re.findall(r"family-names: ([\w-]+)", entry))
    sources = (ROOT / "docs" / "lrp.md").read_text("utf-8").split("## Sources")[1]
    named = re.findall(r"([A-Z]\w+)(?: et al\.| and \w+)? (\d{4})(?: \([^)]*\), (\d{4}))?", sources)
    works = {(name, year) for name, *years in named for year in years if year}
    assert len(works) >= 10 and works <= cited


def test_the_classifiers_and_addresses_are_true() -> None:
    classifiers = PROJECT["classifiers"]
    assert len(set(classifiers)) == len(classifiers)
    versions = set(re.findall(r"Python :: (3\.\d+)", " ".join(classifiers)))
    matrix = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert versions == set(re.findall(r'"(3\.\d+)"', matrix))
    assert min(versions) == PROJECT["requires-python"].removeprefix(">=")
    assert "Typing :: Typed" in classifiers
    assert all((ROOT / package / "py.typed").exists() for package in ("lrp", "othello"))
    for name, address in PROJECT["urls"].items():
        assert len(name) <= 32 and address.removeprefix("https://doi.org/") in CITATION


@pytest.mark.parametrize("folder", SHIPPED)
def test_a_shipped_card_begins_as_a_new_one_would_and_says_how_to_use_it(folder: str) -> None:
    architecture = checkpoint.info(ROOT / "checkpoints" / folder)["architecture"]
    size = architecture["size"]
    card = (ROOT / "checkpoints" / folder / "README.md").read_text("utf-8")
    head = front_matter(size)
    assert card.startswith("\n".join([*head, "", f"# Othello {size}×{size}", ""]))
    assert head[0] == head[-1] == "---"
    for name in ("license", "intended_use", "limits"):
        assert sum(line.startswith(f"{name}:") for line in head) == 1
    assert f"license: {PROJECT['license'].lower()}" in head
    assert "\n".join(use(folder, Architecture.from_dict(architecture))) in card
    listed = [line for line in head if line.startswith("  - ")]
    assert len(listed) >= 5 and not any(re.search(r": | #|[\"{}\[\]]", line) for line in listed)


@pytest.mark.parametrize("folder", SHIPPED)
def test_a_shipped_config_is_that_of_its_weights(folder: str) -> None:
    written = json.loads((ROOT / "checkpoints" / folder / CONFIG).read_text("utf-8"))
    assert written == config(checkpoint.info(folder))
    assert vars(from_pretrained(folder).architecture).items() <= written.items()
