"""The app's default composite: the winner of the faithfulness study, and the sentence that says so.

`othello experiments all` in a checkout writes the file read here from the study's own numbers, so that the app, the
command line and the pages of the report cannot say different things.  Needs no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("default_composite.json")


def sentence(choice: dict[str, Any]) -> str:
    """Why a composite is the default, in words that its numbers allow.

    choice: composite, highest, tied, scores {name: {mean, low, high}}, squares_share, left_out {name: share},
    beats_random of columns, positions.
    """
    name, tied, left = choice["composite"], choice["tied"], choice["left_out"]
    highest = choice["highest"]
    words = (
        f"{name} is the faithfulness study's choice for the app's default. Of the composites that keep relevance "
        f"{highest} has the highest mean share of the best SRG, {_score(choice, highest)}, over {choice['columns']} "
        f"pairs of target and corruption on {choice['positions']} held-out self-play positions"
    )
    if tied:
        others = [f"{n} ({_score(choice, n)})" for n in (name, *tied) if n != highest]
        words += (
            f"; the study does not tell {_listed(others)} from it, and of all these {name} keeps the most relevance "
            f"on the squares ({100 * choice['squares_share']:.0f} %)."
        )
    else:
        words += ", ahead of every other one."
    if choice["beats_random"] < choice["columns"]:
        words += f" It beats a random order in {choice['beats_random']} of the {choice['columns']} pairs only."
    if left:
        shares = _listed([f"{other} ({100 * share:.0f} %)" for other, share in left.items()])
        words += f" Left out because the stabilizers keep more than a twentieth: {shares}."
    return words


def _score(choice: dict[str, Any], name: str) -> str:
    score = choice["scores"][name]
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


STUDY: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
DEFAULT_COMPOSITE: Final[str] = STUDY["composite"]
DEFAULT_BIAS: Final = "sink"
DEFAULT_NOTE: Final = "The default: the choice of the faithfulness study (experiment 12)."
