"""From nothing to perfect 4×4 play in about a minute on two cores: `python examples/train_4x4.py`."""

import tempfile
from pathlib import Path

from othello.strength.arena import MatchSettings, play_match
from othello.training.config import read_config
from othello.training.loop import train

PERFECT = "alphabeta:1,solve=16"
SETTINGS = MatchSettings(games=40, opening_plies=2, size=4, seed=1)


def main() -> None:
    """Train 25 generations; match the first and the last, without exact play, against a perfect player."""
    with tempfile.TemporaryDirectory() as folder:
        run = train(Path(folder, "run"), read_config(Path("othello4")), iterations=25)
        for number in (0, 25):
            player = f"mcts:100,solve=0,leaf=0:{run.generation(number)}"
            points = play_match(player, PERFECT, SETTINGS).points
            print(f"generation {number:2}: {points:g} of 40 points against perfect play")
    points = play_match(PERFECT, PERFECT, SETTINGS).points
    print(f"perfect play  : {points:g} of 40 against itself")


if __name__ == "__main__":
    main()
