"""A run's strength over time: its generations against frozen earlier ones and fixed opponents, on one Elo scale.

    climb("runs/main8", LadderSettings(kind="net", every=5, games=40))

Every match is kept in `metrics/ladder.jsonl` and never played twice, so that a ladder can be climbed again whenever a
run has new generations; `metrics/ladder.csv` is the table of ratings, random = 0.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from othello import atomic
from othello.errors import CheckpointError, ConfigError, ParseError
from othello.players.specs import is_external, parse
from othello.strength.arena import MatchSettings, play_match
from othello.strength.rating import Rating, Score, fit

ANCHOR = "random"
FIXED = (ANCHOR, "greedy", "alphabeta:3", "alphabeta:5", "gtp:gtp-rhino -l 1", "gtp:gtp-rhino -l 2")
_FROZEN = (1, 2, 4)  # rungs below: what a generation plays besides the fixed opponents
_COLUMNS = ("player", "generation", "elo", "low", "high", "games", "points", "checkpoint")


@dataclass(frozen=True)
class Rung:
    """One player on the ladder; `generation` is None for a fixed opponent."""

    player: str
    generation: int | None
    rating: Rating
    checkpoint: str | None

    def row(self) -> dict[str, Any]:
        """Its line in ladder.csv; ratings in whole Elo."""
        elo, low, high = (
            None if x is None else round(x)
            for x in (self.rating.elo, self.rating.low, self.rating.high)
        )
        values = (
            self.player,
            self.generation,
            elo,
            low,
            high,
            self.rating.games,
            self.rating.points,
            self.checkpoint,
        )
        return dict(zip(_COLUMNS, values))


@dataclass(frozen=True)
class _Contestant:
    name: str
    spec: str
    generation: int | None = None


@dataclass(frozen=True)
class LadderSettings:
    """How a ladder is climbed; `ConfigError` for what cannot be."""

    kind: str = "net"  # how generations play: "net", "mcts:SIMS" or "gumbel:SIMS"
    every: int = 5  # of every so many generations the last, and the newest …
    generations: Sequence[int] | None = None  # … or these
    opponents: Sequence[str] = FIXED  # specs, `random` among them; engines take part if installed
    games: int = 40
    seed: int = 0
    opening_plies: int = 6
    size: int = 8

    def __post_init__(self) -> None:
        if self.kind != "net" and not self.kind.startswith(("mcts:", "gumbel:")):
            raise ConfigError(
                f"ladder of {self.kind!r}: accepted are net, mcts:SIMS and gumbel:SIMS"
            )
        if ANCHOR not in self.opponents:
            opponents = ", ".join(self.opponents)
            raise ConfigError(
                f"ladder opponents {opponents}: {ANCHOR} must be among them, its rating is 0"
            )

    def same(self) -> dict[str, int]:
        """What a match that is known must have been played with to count."""
        return {name: getattr(self, name) for name in ("games", "seed", "opening_plies", "size")}

    def match(self) -> MatchSettings:
        """Of every match on it."""
        return MatchSettings(
            self.games, seed=self.seed, opening_plies=self.opening_plies, size=self.size
        )


_USUAL = LadderSettings()


def climb(
    run: str | Path,
    settings: LadderSettings = _USUAL,
    on_match: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[Rung, ...]:
    """Rate generations of `run`, write its ladder and the name of its `best` generation; the strongest first.

    `on_match` hears the summary of every match played now.  Raises `CheckpointError` if a generation is missing and
    `ConfigError` or `ParseError` for bad settings.
    """
    folder = Path(run)
    file = folder / "metrics" / "ladder.jsonl"
    known, same = _read(file), settings.same()
    waiting = _waiting(folder, settings, known)
    (folder / "metrics").mkdir(exist_ok=True)
    for first, second in waiting:
        result = play_match(first.spec, second.spec, settings.match())
        known.append({"first": first.name, "second": second.name, **result.summary(), **same})
        atomic.write_text(file, "".join(json.dumps(row) + "\n" for row in known))
        if on_match is not None:
            on_match(known[-1])
    rungs = _rate(known)
    atomic.write_text(file.with_suffix(".csv"), _table(rungs))
    best = next((rung.generation for rung in rungs if rung.generation is not None), None)
    if best is not None:
        atomic.write_text(folder / "best", f"{best:04d}\n")
    return rungs


def read_ladder(file: str | Path) -> tuple[Rung, ...]:
    """The players of a `ladder.csv`, ratings in whole Elo; `CheckpointError` where it is damaged."""
    try:
        with open(file, newline="", encoding="utf-8") as text:
            rungs = tuple(_rung(row) for row in csv.DictReader(text, strict=True))
    except (csv.Error, OverflowError, ValueError) as error:
        raise CheckpointError(f"{file}: damaged ({error})") from None
    if not rungs:
        raise CheckpointError(f"{file}: no players, so not a ladder.csv")
    return rungs


def _rung(row: dict[str, str]) -> Rung:
    """A line of ladder.csv; ValueError or OverflowError for what is none."""
    if None in row or None in row.values() or not row.keys() >= {"player", "elo", "low", "high"}:
        raise ValueError(f"the line of {str(row.get('player'))[:40]!r}")
    elo, low, high = (
        float(round(float(row[name]))) if row[name] else None for name in ("elo", "low", "high")
    )
    number, games, points = (row.get(name) or 0 for name in ("generation", "games", "points"))
    return Rung(
        row["player"],
        int(number) if row.get("generation") else None,
        Rating(elo, low, high, int(games), float(points)),
        row.get("checkpoint") or None,
    )


def missing_matches(run: str | Path, settings: LadderSettings = _USUAL) -> int:
    """How many matches `climb` would play now; errors as there."""
    known = _read(Path(run) / "metrics" / "ladder.jsonl")
    return len(_waiting(Path(run), settings, known))


def _waiting(
    folder: Path, settings: LadderSettings, known: Sequence[dict[str, Any]]
) -> list[tuple[_Contestant, _Contestant]]:
    """The matches of a ladder that are not known yet."""
    fixed = [
        _Contestant(spec, spec) for spec in settings.opponents if _installed(spec, settings.size)
    ]
    same = settings.same().items()
    done = {(row["first"], row["second"]) for row in known if same <= row.items()}
    pairings = _pairings(_climbers(folder, settings), fixed)
    return [pair for pair in pairings if (pair[0].name, pair[1].name) not in done]


def _climbers(folder: Path, settings: LadderSettings) -> list[_Contestant]:
    if settings.generations is None:
        numbers = _chosen(folder, settings.every)
    else:
        numbers = sorted(set(settings.generations))
    return [
        _Contestant(f"{settings.kind} {n:04d}", f"{settings.kind}:{_generation(folder, n)}", n)
        for n in numbers
    ]


def _installed(spec: str, size: int) -> bool:
    """Whether the opponent can take part; a spec that is none at all is the caller's `ParseError`."""
    try:
        parse(spec, size).close()
    except ParseError:
        if is_external(spec):
            return False
        raise
    return True


def _chosen(folder: Path, every: int) -> list[int]:
    if every < 1:
        raise ConfigError(f"every {every}: accepted are 1 and more")
    found = sorted(int(path.parent.name) for path in folder.glob("generations/[0-9]*/meta.json"))
    if not found:
        raise CheckpointError(f"{folder}: has no generations")
    return [number for number in found if number % every == 0 or number == found[-1]]


def _generation(folder: Path, number: int) -> Path:
    path = folder / "generations" / f"{number:04d}"
    if not (path / "meta.json").is_file():
        raise CheckpointError(f"{path}: no such generation")
    return path


def _pairings(
    climbers: Sequence[_Contestant], fixed: Sequence[_Contestant]
) -> Iterator[tuple[_Contestant, _Contestant]]:
    """Fixed opponents among themselves (engines not: they are slow and deterministic), then each climber's matches."""
    yield from combinations([one for one in fixed if not is_external(one.spec)], 2)
    for place, climber in enumerate(climbers):
        yield from ((climber, one) for one in fixed)
        yield from ((climber, climbers[place - down]) for down in _FROZEN if place >= down)


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ConfigError(
            f"{file}: damaged ({error}); remove it to play its matches again"
        ) from None


def _rate(matches: Sequence[dict[str, Any]]) -> tuple[Rung, ...]:
    scores = [Score(m["first"], m["second"], m["wins"], m["draws"], m["losses"]) for m in matches]
    hashes: dict[str, str | None] = {}
    for match in matches:
        hashes |= {
            match["first"]: match["checkpoints"]["a"],
            match["second"]: match["checkpoints"]["b"],
        }
    rungs = [
        Rung(name, int(name.split()[-1]) if hashes[name] else None, rating, hashes[name])
        for name, rating in fit(scores, ANCHOR).items()
    ]
    return tuple(sorted(rungs, key=lambda rung: -(rung.rating.elo or 0.0)))


def _table(rungs: Sequence[Rung]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rung.row() for rung in rungs)
    return text.getvalue()
