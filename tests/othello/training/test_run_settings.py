"""Settings of a run: read back as written, unknown ones named with the nearest, contradictions said; the machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import CheckpointError, ConfigError
from othello.network import checkpoint
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Architecture
from othello.training import preflight
from othello.training.config import (
    _LIMITS,
    RunConfig,
    named_configs,
    nearest,
    parse_config,
    read_config,
    write_toml,
)
from tests.othello.networks import lively_network
from tests.othello.training.trainers import TINY


def test_settings_survive_a_round_trip_through_toml() -> None:
    assert parse_config(write_toml(TINY)) == TINY
    assert parse_config("") == RunConfig()


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.integers(0, 2**63),
    st.floats(0, 1e6),
)
def test_any_text_and_number_survives_it(initial: str, seed: int, c_visit: float) -> None:
    config = replace(
        TINY, initial=initial, seed=seed, selfplay=TINY.selfplay._replace(c_visit=c_visit)
    )
    assert parse_config(write_toml(config)) == config


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("gmaes = 3", "unknown setting gmaes; the nearest is games "),
        ("batch = 64", "unknown setting batch; the nearest is learner.batch "),
        (
            "[selfplay]\nsimulatons = 3",
            "unknown setting selfplay.simulatons; the nearest is selfplay.simulations ",
        ),
        (
            "[learner]\nsimulations = 3",
            "unknown setting learner.simulations; the nearest is selfplay.simulations ",
        ),
        ("[lerner]\nbatch = 64", "unknown setting lerner; the nearest is learner "),
        (
            "[learner]\nlr_learning = 1",
            "unknown setting learner.lr_learning; the nearest is learner.learning_rate ",
        ),
        ("games = 0", "games = 0 is not in 1"),
        ("games = 'many'", "must be of type int"),
        ("games = true", "must be of type int"),
        ("[selfplay]\nsimulations = 1", "simulations = 1"),
        ("[selfplay]\nc_visit = nan", "c_visit = nan is not in"),
        ("[learner]\nbatch = 1.5", "must be of type int"),
        ("[learner]\nlearning_rate = inf", "learning_rate = inf is not in"),
        ("[network]\nsize = 7", "board size 7"),
        ("[network]\nplanes = 5", "planes 5 is not in 2..4"),
        ("network = 3", "must be a table"),
        ("games = = 3", "not TOML"),
        ("device = 'gpu'", 'device = "gpu" is unknown; accepted are cpu, cuda and cuda:N'),
        (
            "[selfplay]\nsolve_empties = 5\nlabel_empties = 6",
            "label_empties = 6 is above solve_empties = 5",
        ),
        ("[network]\nsize = 4", "leave nothing to search of the 12 empty squares"),
        (
            "[selfplay]\nrandom_plies = 40\nsolve_empties = 20",
            "leave nothing to search of the 60 empty squares",
        ),
        (
            "[learner]\nfinal_learning_rate = 0.1",
            "final_learning_rate = 0.1 is above learning_rate = 0.002",
        ),
        (
            "[learner]\nwindow_start = 700000",
            "window_start = 700000 is above window_limit = 600000",
        ),
    ],
)
def test_a_bad_setting_is_named_with_what_is_accepted(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        parse_config(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ") and len(str(caught.value).splitlines()) <= 2


def every_setting() -> list[tuple[str, str]]:
    found = []
    for name, value in RunConfig().to_dict().items():
        table = value if isinstance(value, dict) else None
        found += [("", name)] if table is None else [(name, key) for key in table]
    return found


def test_every_number_has_limits() -> None:
    unlimited = {
        name
        for table, name in every_setting()
        if table != "network"
        and name not in _LIMITS[table]
        and name not in ("backend", "device", "initial", "precision", "search", "teacher")
    }
    assert not unlimited


@given(st.data())
def test_a_setting_with_a_letter_dropped_or_doubled_is_recognised(data: st.DataObject) -> None:
    table, name = data.draw(st.sampled_from([(t, n) for t, n in every_setting() if len(n) > 5]))
    place = data.draw(st.integers(0, len(name) - 1))
    doubled = data.draw(st.booleans())
    typed = name[:place] + (name[place] if doubled else "") + name[place + (not doubled) :]
    prefix = f"{table}." if table else ""
    assert nearest(prefix + typed) == prefix + name


def test_named_settings_are_read_and_an_unknown_name_lists_them() -> None:
    assert read_config(Path("othello6")).network.size == 6
    assert set(named_configs()) == {"othello4", "othello6", "othello8", "othello8-strong"}
    with pytest.raises(ConfigError, match="othello4, othello6, othello8, othello8-strong"):
        read_config(Path("othello7"))


# --- the machine --------------------------------------------------------------------------------------------------


def test_a_cuda_device_that_is_not_there_is_an_error_before_anything_is_written(
    tmp_path: Path,
) -> None:
    device = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=f'device = "{device}"'):
        preflight.check_start(replace(TINY, device=device), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    preflight.check_device("cpu")


def test_first_weights_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    checkpoint.save(lively_network(size=4, blocks=2, channels=8), tmp_path / "deep")
    checkpoint.save(
        AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(6, 4, 8, 8)).eval(),
        tmp_path / "foreign",
    )
    complaints = {
        "none": "no such checkpoint",
        "deep": "blocks 2 does not fit 1",
        "foreign": "alpha-zero-general net",
    }
    for name, complaint in complaints.items():
        with pytest.raises(CheckpointError, match=complaint):
            preflight.check_start(replace(TINY, initial=str(tmp_path / name)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_estimates_grow_with_what_they_estimate() -> None:
    small, base = preflight.whole_run_bytes(TINY), RunConfig()
    assert small < preflight.whole_run_bytes(replace(TINY, games=100 * TINY.games))
    wide = replace(base, network=Architecture(blocks=6, channels=64))
    assert preflight.iteration_bytes(base) < preflight.iteration_bytes(wide)
    assert (
        preflight.whole_run_bytes(replace(base, iterations=100))
        < preflight.whole_run_bytes(base)
        < 2e9
    )


def test_a_run_too_long_for_the_disk_is_a_warning(tmp_path: Path) -> None:
    endless = replace(RunConfig(), iterations=10**6, network=Architecture(channels=1024))
    warning = preflight.check_start(endless, tmp_path)
    assert warning is not None and "will stop cleanly when the disk is full" in warning
