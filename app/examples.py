"""What `othello COMMAND --help` gives as examples: lines that can be typed as they stand."""

from __future__ import annotations

from typing import Any, Final

EXAMPLES: Final = {  # command, or a group's command -> what a user would type
    "perft": ("othello perft 9", "othello perft 4 --position f5d6 --divide"),
    "solve": (
        'othello solve "--O-X-O---O-XO-O-OOXXXOOOOOOXXXOOOOOXX--XXOOXO----XXXX-----XXX-- O"',
        'othello solve "-XO- ---- ---- ---- X" --wld',
    ),
    "analyze": (
        "othello analyze f5d6c3d3c4 --simulations 400",
        "othello analyze f5d6c3d3c4 --root gumbel --json",
    ),
    "explain": (
        "othello explain f5d6c3d3c4 --target policy:f4-f3 --png why.png",
        "othello explain f5d6c3d3c4 --why f4 --rather f3",
    ),
    "explore": (
        "othello explore f5d6c3",
        "othello explore f5d6c3 --base WTH_2001.wtb --base WTH_2002.wtb --json",
    ),
    "bench": (
        "othello bench f5d6c3d3c4 --composite EpsilonPlus --composite LRPZero --bias sink --bias project",
        "othello bench games.ggf --target best-second --most 500 --npz maps.npz",
        "othello bench selfplay:100",
    ),
    "match": (
        "othello match mcts:100 alphabeta:5 --games 40",
        'othello match net:othello8 "gtp:gtp-rhino -l 1" --out games.jsonl',
    ),
    "engine": (
        "othello engine gtp --simulations 100",
        "othello engine nboard --solve 18",
        "othello engine cassio --simulations 1600",
    ),
    "train": (
        "othello train --config othello4 --run runs/four --iterations 25",
        "othello train --run runs/four --resume",
        "othello train --ray auto --config othello8 --run runs/mine",
    ),
    "app": ("othello app", 'othello app --port 8600 --engine "Rhino=gtp:gtp-rhino -l 2"'),
    "desktop": (
        "othello desktop --seat white",
        "othello desktop --game f5d6c3d3c4 --heat move --png board.png",
    ),
    "convert": (
        "othello convert games.ggf games.sgf",
        "othello convert games.wtb - --to transcript",
    ),
    "review": (
        "othello review f5d6c3d3c4f4f6 --why",
        "othello review games.ggf --game 2",
        "othello review games.ggf --html report.html",
    ),
    "ladder": ("othello ladder runs/mine --every 20 --games 60 --plot ladder.png",),
    "release": (
        "othello release runs/mine --out checkpoints/mine",
        "othello release runs/mine --out checkpoints/mine --generations 10 --games 0",
    ),
    "warm": ("othello warm", "othello warm --training"),
    "experiments": (
        "othello experiments",
        "othello experiments prior --quick",
        "othello experiments concepts --run runs/mine",
        "othello experiments clusters --virelay",
        "othello experiments all --out results",
    ),
    "checkpoint": ("othello checkpoint verify othello8",),
    "checkpoint info": (
        "othello checkpoint info othello6",
        "othello checkpoint info runs/mine/generations/0001",
    ),
    "checkpoint verify": ("othello checkpoint verify othello8 --json",),
    "checkpoint import": ("othello checkpoint import best.pth.tar --to checkpoints/theirs",),
    "checkpoint export": ("othello checkpoint export othello8 --onnx agent.onnx",),
}


def show_examples(command: Any, name: str) -> None:
    """Let a command's help, and that of the commands in it, end with its examples."""
    lines = "\n".join(f"  {line}" for line in EXAMPLES[name])
    command.epilog = f"\b\nExamples:\n{lines}"
    for inner, found in getattr(command, "commands", {}).items():
        show_examples(found, f"{name} {inner}")
