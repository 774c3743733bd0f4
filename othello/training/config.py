"""The settings of a training run: TOML in, checked dataclasses out; every number says its unit."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final, TypeVar

from othello.errors import ConfigError, OthelloError
from othello.network.architecture import Architecture
from othello.network.backends import BACKENDS, fastest
from othello.training.game_slots import SelfPlaySettings

_Settings = TypeVar("_Settings")
_LIMITS: Final[dict[str, dict[str, tuple[float, float]]]] = {  # accepted: low ≤ setting ≤ high
    "": {
        "seed": (0, 2**63), "iterations": (1, 10**6), "games": (1, 10**6), "chunk": (1, 10**6), "workers": (1, 1024),
        "teacher_until": (0, 10**6), "teacher_simulations": (2, 100_000),
    },
    "selfplay": {
        "simulations": (2, 100_000), "considered": (2, 64), "slots": (1, 65_536), "random_plies": (0, 40),
        "solve_empties": (0, 20), "label_empties": (0, 20), "leaf_empties": (0, 12), "c_visit": (0, 1e6),
        "c_scale": (0, 1e3), "full_share": (1e-3, 1), "fast_simulations": (1, 100_000), "c_puct": (0, 1e3),
        "first_play": (-2, 2), "noise_alpha": (1e-3, 1e3), "noise_share": (0, 1), "sampled_plies": (0, 64),
        "greedy_share": (0, 1), "greedy_plies": (0, 64), "surprise_share": (0, 1), "quiet_plies": (0, 64),
        "quiet_noise": (0, 1),
    },
    "learner": {
        "batch": (2, 65_536), "samples_per_position": (1e-3, 1e3), "learning_rate": (0, 10),
        "final_learning_rate": (0, 10), "half_life": (1, 10**6), "weight_decay": (0, 1), "outcome_share": (0, 1),
        "average_decay": (0, 1), "window_start": (1, 10**9), "window_growth": (0, 1), "window_limit": (1, 10**9),
        "score_weight": (0, 100), "value_weight": (0, 100), "gradient_norm": (1e-6, 1e6),
        "warm_up": (0, 10**9),
    },
}  # fmt: skip


_DEVICE: Final = re.compile(r"cpu|cuda(:\d{1,2})?")


@dataclass(frozen=True)
class LearnerSettings:
    """How a generation is trained from the replay window."""

    batch: int = 512  # positions a step
    precision: str = "float32"  # or bfloat16, for processors with AMX tiles; weights are float32
    samples_per_position: float = 4.0  # how often each new position is drawn, on average
    learning_rate: float = 2e-3  # AdamW, at the first iteration
    final_learning_rate: float = 2e-4
    half_life: int = 60  # iterations in which the learning rate halves
    warm_up: int = 0  # steps at the run's beginning over which the learning rate rises linearly
    weight_decay: float = 1e-4
    value_weight: float = 1.0
    score_weight: float = 0.25
    outcome_share: float = (
        0.75  # value target: this share of the game's outcome, the rest the root's search value
    )
    average_decay: float = 0.998  # exponential average of the weights, per step
    gradient_norm: float = 5.0  # gradients are clipped to this norm
    window_start: int = 60_000  # positions in the replay window at first
    window_growth: float = 0.6  # the window is this share of all positions made, once that is more
    window_limit: int = 600_000


@dataclass(frozen=True)
class RunConfig:
    """A whole run."""

    seed: int = 1
    iterations: int = 1000
    games: int = 512  # self-play games an iteration
    chunk: int = 128  # games a worker plays at a time
    workers: int = 2  # self-play processes, one thread each
    device: str = "cpu"
    backend: str = "auto"  # what runs the network in self-play; auto is the fastest of this machine
    teacher: str = ""  # a checkpoint that plays the first games in the generations' stead
    teacher_until: int = 0  # iterations that the teacher plays
    teacher_simulations: int = 128  # of the teacher's search, a move
    initial: str = (
        ""  # a checkpoint whose weights the run starts from; it may be smaller than `network`
    )
    network: Architecture = field(default_factory=Architecture)
    selfplay: SelfPlaySettings = field(default_factory=SelfPlaySettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)

    def __post_init__(self) -> None:
        for table, limits in _LIMITS.items():
            settings = getattr(self, table) if table else self
            for name, (low, high) in limits.items():
                value = getattr(settings, name)
                if not low <= value <= high:
                    raise ConfigError(
                        f"{f'[{table}] ' if table else ''}{name} = {value} is not in {low}..{high}"
                    )
        if not _DEVICE.fullmatch(self.device):
            raise ConfigError(
                f'device = "{self.device}" is unknown; accepted are cpu, cuda and cuda:N'
            )
        if self.backend not in BACKENDS:
            known = ", ".join(BACKENDS)
            raise ConfigError(f'backend = "{self.backend}" is unknown; accepted are {known}')
        if self.learner.precision not in ("float32", "bfloat16"):
            raise ConfigError(
                f'[learner] precision = "{self.learner.precision}" is unknown; accepted are float32 and bfloat16'
            )
        if complaint := self._contradiction():
            raise ConfigError(complaint)

    def played_by(self) -> str:
        """The backend that runs the network in self-play on this machine.

        >>> RunConfig(backend="winograd").played_by()
        'winograd'
        """
        return fastest(self.device, None) if self.backend == "auto" else self.backend

    def _contradiction(self) -> str | None:
        """Two settings that cannot both be meant, in words."""
        play, learner, squares = self.selfplay, self.learner, self.network.size**2 - 4
        if play.search not in ("gumbel", "puct"):
            return f'[selfplay] search = "{play.search}" is neither "gumbel" nor "puct"'
        if play.label_empties > play.solve_empties:
            return (
                f"[selfplay] label_empties = {play.label_empties} is above solve_empties = {play.solve_empties}: "
                "positions are labelled from where the solver begins"
            )
        if play.random_plies + play.solve_empties >= squares:
            return (
                f"[selfplay] random_plies = {play.random_plies} and solve_empties = {play.solve_empties} leave nothing "
                f"to search of the {squares} empty squares of [network] size = {self.network.size}"
            )
        if self.backend in ("winograd", "openvino") and self.device != "cpu":
            return f'backend = "{self.backend}" serves device = "cpu", not "{self.device}"'
        if bool(self.teacher) != bool(self.teacher_until):
            return "teacher and teacher_until go together: who plays the first games, and how many iterations"
        if learner.final_learning_rate > learner.learning_rate:
            return (
                f"[learner] final_learning_rate = {learner.final_learning_rate} is above learning_rate = "
                f"{learner.learning_rate}, which only falls"
            )
        if learner.window_start > learner.window_limit:
            return (
                f"[learner] window_start = {learner.window_start} is above window_limit = {learner.window_limit}, "
                "which it may never exceed"
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        return {
            name: _entries(value) if isinstance(value, _Table) else value
            for name, value in _entries(self).items()
        }


_Table = Architecture | SelfPlaySettings | LearnerSettings


def _entries(settings: Any) -> dict[str, Any]:
    """Every setting by its name, tables as they are."""
    names = [f.name for f in fields(settings)] if is_dataclass(settings) else settings._fields
    return {name: getattr(settings, name) for name in names}


def _build(kind: type[_Settings], data: dict[str, Any], where: str) -> _Settings:
    values: dict[str, Any] = {}
    known = _entries(kind())
    for name, value in data.items():
        if name not in known:
            here = ", ".join(known)
            raise ConfigError(
                f"unknown setting {where}{name}; the nearest is {nearest(where + name)} (here: {here})"
            )
        current = known[name]
        if isinstance(current, _Table):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}{name} must be a table")
            values[name] = _build(type(current), value, f"{where}{name}.")
        elif (
            isinstance(current, float)
            and isinstance(value, int | float)
            and not isinstance(value, bool)
        ):
            values[name] = float(value)
        elif type(value) is type(current):
            values[name] = value
        else:
            raise ConfigError(f"{where}{name} = {value!r} must be of type {type(current).__name__}")
    return kind(**values)


def nearest(name: str) -> str:
    """The setting that a misspelt or misplaced one was probably meant to be, with its table.

    >>> nearest("learner.simulation"), nearest("gmaes"), nearest("batch")
    ('selfplay.simulations', 'games', 'learner.batch')
    """
    table, _, word = name.rpartition(".")

    def likeness(setting: str) -> float:
        its_table, _, its_word = setting.rpartition(".")
        return SequenceMatcher(None, word.lower(), its_word).ratio() + 0.05 * (its_table == table)

    return max(_names(RunConfig()), key=likeness)


def _names(settings: Any, where: str = "") -> list[str]:
    """Every setting, tables among them, with the tables they are in."""
    result: list[str] = []
    for name, value in _entries(settings).items():
        result.append(where + name)
        if isinstance(value, _Table):
            result += _names(value, f"{where}{name}.")
    return result


def parse_config(text: str, source: str = "config") -> RunConfig:
    """Read a run's settings from TOML; absent ones keep their defaults.

    >>> parse_config("games = 64\\n[network]\\nblocks = 2").network.blocks
    2
    """
    try:
        return config_of(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}") from None


def config_of(data: dict[str, Any], source: str) -> RunConfig:
    """The settings in a table, as `RunConfig.to_dict` gives them; absent ones keep their defaults."""
    try:
        return _build(RunConfig, data, "")
    except OthelloError as error:
        raise ConfigError(f"{source}: {error}") from None


def named_configs() -> dict[str, Path]:
    """The settings that come with the package, by name: othello4, othello6, othello8, othello8-strong."""
    found = {path.stem: path for path in (Path(__file__).parent / "configs").glob("*.toml")}
    return dict(sorted(found.items()))


def read_config(path: Path) -> RunConfig:
    """The settings in a TOML file, or those of `named_configs` where no such file exists."""
    if not path.exists():
        path = named_configs().get(str(path), path)
    if not path.exists():
        raise ConfigError(
            f"{path}: no such file, and not one of the named settings {', '.join(named_configs())}"
        )
    try:
        return parse_config(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def write_toml(config: RunConfig) -> str:
    """The settings as TOML that `parse_config` reads back to the same value."""
    lines: list[str] = []
    tables: list[str] = []
    for name, value in config.to_dict().items():
        if isinstance(value, dict):
            tables.append(f"\n[{name}]")
            tables.extend(f"{key} = {_toml(entry)}" for key, entry in value.items())
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines + tables) + "\n"


def _toml(value: object) -> str:
    """A number or a string; a TOML string is a JSON string that also escapes DEL."""
    return (
        json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        if isinstance(value, str)
        else repr(value)
    )
