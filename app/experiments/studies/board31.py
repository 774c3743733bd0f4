"""Board 31 of the post explained three times: the value with a flat first layer, with z⁺ everywhere, and the policy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.nearness import STEPS
from app.experiments.positions import BOARD_31
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings
from app.explain.ask import explain
from app.explain.explanation import Explanation, LayerAccount
from app.explain.network import explain_many, planes_of
from app.explain.targets import Target
from app.models import Model
from othello.rules.bitboard import flip_mask
from othello.rules.board import Board, squares_of
from othello.rules.notation import parse_square, square_name
from othello.search.search import Search

Map = NDArray[np.float64]
Squares = NDArray[np.bool_]
A7, B6 = parse_square("a7"), parse_square("b6")
DISC_PLANES: Final = ("own", "opponent", "discs")


def value_flat(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Figure 2: relevance on empty squares, and where b6, the post's best move, stands."""
    found = explain(model, BOARD_31, "value", composite="EpsilonPlusFlat", symmetric=False)
    dark = share_where_dark(model, found)
    progress(0.5, "search")
    search = Search(model.evaluator, seed=settings.seed)
    best = search.run(BOARD_31, simulations=200 if settings.quick else 800)
    ours = square_name(best.moves[0].square)
    empty = ~occupied(BOARD_31)
    numbers = ledger(found) | {
        "share_on_empty_squares": share(found.squares, empty),
        "empty_squares_of_all": float(empty.mean()),
        "share_of_planes_where_they_are_0": dark,
        "b6": standing(found.squares, B6),
        "search": {
            "best": ours,
            "value": best.value,
            "network_value": best.network_value,
            "b6_visits": next(m.visits for m in best.moves if m.square == B6),
        },
    }
    rank = numbers["b6"]["rank"]
    reading = (
        f"With the flat rule in the first layer {100 * numbers['share_on_empty_squares']:.0f} % of the absolute "
        f"relevance lies on empty squares, which are {100 * numbers['empty_squares_of_all']:.0f} % of the board: the "
        f"rule spreads a unit's relevance evenly over its 3×3 inputs without looking at them. b6, the best move of the "
        f"post's network, ranks {rank} of 64 by absolute relevance here"
        f"{'; that is no sign of a plan' if rank > 10 else ''}. Our search prefers {ours}. "
        f"{bias_words(found.bias_share)} That part is not on the map. Of the relevance of a plane, "
        f"{', '.join([f'{100 * part:.0f} % ({plane})' for plane, part in dark.items()])} lies on squares where that "
        "plane is 0. One position: no interval."
    )
    caption = "Board 31, value: flat first, z⁺ in convolutions, ε in linear layers"
    return Findings(numbers, reading, (draw(found, caption, B6, dark),))


def value_plus(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Figure 4: do only discs carry relevance, do those that a7 turns stand out, and what does each stage hold?"""
    asked = [Target("value", size=BOARD_31.size)]
    (found,) = explain_many(model, [BOARD_31], asked, composite="EpsilonPlus", layers=True)
    discs = occupied(BOARD_31)
    planes = [found.planes[name] for name in DISC_PLANES if name in found.planes]
    on_discs: Map = np.sum(planes, axis=0)
    turned = against_chance(on_discs, discs, A7, settings.seed)
    empty, kept = share(found.squares, ~discs), share(on_discs, ~discs)
    numbers = ledger(found) | {
        "share_on_empty_squares": empty,
        "share_of_disc_planes_on_empty_squares": kept,
        "flipped_by_a7": turned,
        "stages": by_stage(found),
    }
    moves = (
        f" {100 * empty:.0f} % of the map lies on empty squares all the same: our network also reads where moves are "
        "legal, and those planes are lit on empty squares."
        if empty > 0.005
        else ""
    )
    reading = (
        f"With z⁺ in the first layer a plane of discs gives empty squares {'nothing' if kept == 0 else f'{kept:.1e}'}."
        f"{moves} The {turned['count']} discs that a7 would turn "
        f"have mean |R| {turned['inside']:.3g} against {turned['outside']:.3g} on the other discs; "
        f"{stands_out(turned, 'a7')}. {bias_words(found.bias_share)} One position: a story, not a rule; the "
        "ground-truth experiment counts many."
    )
    dark = share_where_dark(model, found)
    figure = draw(found, "Board 31, value: z⁺ in every convolution", A7, dark)
    return Findings(numbers, reading, (figure, _stages(found)))


def policy(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Figure 5, raw logit by raw logit: every legal move's map, b6 in particular; is a map's sign its logit's?"""
    moves = BOARD_31.legal_moves()
    targets = [Target("policy", move) for move in moves]
    found = explain_many(model, [BOARD_31] * len(moves), targets, composite="EpsilonPlus")
    by_move = dict(zip(moves, found))
    turned = against_chance(by_move[B6].squares, occupied(BOARD_31), B6, settings.seed)
    agree = sum(int(np.sign(e.value) == np.sign(e.squares.sum())) for e in found)
    entries = [
        {
            "move": square_name(move),
            "logit": e.value,
            "squares_total": float(e.squares.sum()),
            "bias": e.bias_total,
        }
        for move, e in by_move.items()
    ]
    numbers = ledger(by_move[B6]) | {
        "flipped_by_b6": turned,
        "moves": entries,
        "signs_agree": agree,
    }
    by_logit = sorted(moves, key=lambda move: -by_move[move].value)
    highest, lowest = by_move[by_logit[0]].value, by_move[by_logit[-1]].value
    reading = (
        f"The squares' sum has the sign of the logit for {agree} of {len(moves)} legal moves (raw logits, "
        f"{lowest:+.2f} to {highest:+.2f}; log-softmax would make all of them negative)"
        f"{'' if agree == len(moves) else '; for the others the biases outweigh the squares'}. "
        f"b6 has the logit {by_move[B6].value:+.2f}; our network's first choice is {square_name(by_logit[0])}. The "
        f"{turned['count']} discs that b6 would turn have mean |R| {turned['inside']:.3g} against "
        f"{turned['outside']:.3g} on the others; {stands_out(turned, 'b6')}. One position: no interval; the "
        "ground-truth experiment asks the same of many."
    )
    shown = dict.fromkeys([*by_logit[:3], B6, by_logit[-1]])
    return Findings(
        numbers,
        reading,
        (
            draw(
                by_move[B6], "Board 31, the logit of b6", B6, share_where_dark(model, by_move[B6])
            ),
            _beside({move: by_move[move] for move in shown}),
        ),
    )


def _beside(shown: dict[int, Explanation]) -> Figure:
    """The maps of some moves' logits, each move outlined."""
    canvas, axes = plots.canvas(len(shown), width=2.9)
    words = []
    for drawing, (move, found) in zip(axes, shown.items()):
        name, logit = square_name(move), f"logit {found.value:+.2f}"
        plots.board_map(drawing, BOARD_31, found.squares, f"{name}: {logit}", marked=(move,))
        words.append(alt.of_map(found.squares, f"{name}, {logit}", 3))
    caption = "Board 31, policy: maps of the three highest logits, b6 and the lowest; the explained move is outlined."
    return Figure("moves", caption, canvas, alt.sentence(*words))


def by_stage(found: Explanation) -> dict[str, dict[str, float]]:
    """From the input up, of each layer with weights or block: the relevance at its output, the part of it that its own
    weights carry (the rest goes round them), and what its biases keep."""
    stages: dict[str, list[LayerAccount]] = {}
    for account in found.accounts:
        stages.setdefault(account.name.rpartition(".")[0] or account.name, []).append(account)
    numbers = {}
    for name, inside in stages.items():
        own = [account.relevance for account in inside if account.weights]
        if own:
            kept = sum(account.bias for account in inside)
            numbers[name] = {"relevance": inside[-1].relevance, "own": own[-1], "bias": kept}
    return numbers


def _stages(found: Explanation) -> Figure:
    """The maps at the input and at every stage that lies on squares, each with the ledger's line."""
    last = {name.rpartition(".")[0] or name: part for name, part in found.layers.items()}
    shown = {name: held for name, held in by_stage(found).items() if name in last}
    canvas, axes = plots.canvas(1 + len(shown), width=2.4)
    plots.board_map(axes[0], BOARD_31, found.squares, f"input: {found.squares.sum():+.2f}")
    words = [alt.of_map(found.squares, "the input", 2)]
    for drawing, (name, held) in zip(axes[1:], shown.items()):
        title = f"{name}: {held['relevance']:+.2f}, biases {held['bias']:+.2f}"
        plots.board_map(drawing, BOARD_31, last[name], title)
        words.append(alt.of_map(last[name], title, 2))
    caption = "Board 31, value: relevance at every stage, summed over channels, and what the stage's biases keep."
    return Figure("stages", caption, canvas, alt.sentence(*words))


def occupied(board: Board) -> Squares:
    """[N, N]: whether a square has a disc."""
    return mask(squares_of(board.black | board.white, board.size), board.size)


def flipped(board: Board, move: int) -> Squares:
    """[8, 8]: the discs that a move of the side to move turns."""
    bits = int(flip_mask(np.uint64(board.own), np.uint64(board.opp), np.int64(move)))
    return mask(squares_of(bits, board.size), board.size)


def mask(squares: tuple[int, ...], size: int = 8) -> Squares:
    """[N, N]: the squares of a list."""
    found = np.zeros(size * size, bool)
    found[list(squares)] = True
    return found.reshape(size, size)


def share(relevance: Map, where: Squares) -> float:
    """The part of Σ|R| that lies on some squares, in [0, 1]."""
    total = float(np.abs(relevance).sum())
    return float(np.abs(relevance)[where].sum()) / total if total else 0.0


def standing(relevance: Map, square: int) -> dict[str, Any]:
    """A square's relevance, and its rank by absolute relevance, 1 the highest."""
    size = np.abs(relevance).ravel()
    rank = int((size > size[square]).sum()) + 1
    return {"relevance": float(relevance.flat[square]), "rank": rank}


def against_chance(
    relevance: Map, among: Squares, move: int, seed: int, draws: int = 20_000
) -> dict[str, float]:
    """Mean |R| on what a move turns on board 31, on the rest of `among`, and how often as many by chance have as much.

    p: drawn among all of `among`.  p_as_near: drawn so that as many lie at each distance from the move.
    """
    size, inside = np.abs(relevance), flipped(BOARD_31, move) & among
    pool, count = size[among], int(inside.sum())
    if not 0 < count < len(pool):
        return {"inside": 0.0, "outside": 0.0, "p": 1.0, "p_as_near": 1.0, "count": count}
    random, steps = np.random.default_rng((seed, 31)), STEPS[move].reshape(size.shape)
    mean = float(size[inside].mean())
    drawn = _sums(pool, count, draws, random) / count
    as_near = np.zeros(draws)
    for distance in np.unique(steps[inside]).tolist():
        ring = steps == distance
        as_near += _sums(size[among & ring], int((inside & ring).sum()), draws, random)
    return {
        "inside": mean,
        "outside": float(size[among & ~inside].mean()),
        "p": float((1 + (drawn >= mean - 1e-12).sum()) / (1 + draws)),
        "p_as_near": float((1 + (as_near / count >= mean - 1e-12).sum()) / (1 + draws)),
        "count": count,
    }


def _sums(pool: Map, count: int, draws: int, random: np.random.Generator) -> Map:
    """[draws]: sums of `count` entries of the pool, each drawn once."""
    shuffled = random.permuted(np.broadcast_to(pool, (draws, len(pool))), axis=1)
    found: Map = shuffled[:, :count].sum(1)
    return found


def stands_out(turned: dict[str, float], move: str) -> str:
    """Both p of `against_chance` in words, and the verdict: the one of sets as near to the move decides."""
    verdict = "stand out" if turned["p_as_near"] < 0.05 else "do not stand out"
    return (
        f"as many discs drawn by chance have that much with p = {turned['p']:.2f}, but discs near the move have more "
        f"anyway: drawn as near to {move}, p = {turned['p_as_near']:.2f}, so on this network they {verdict}"
    )


def bias_words(share: float) -> str:
    """What a bias share says and what it does not."""
    return (
        f"Under this composite biases keep {100 * share:.0f} % of the value, net: squares and biases each summed "
        "with their signs. Other rules would leave them another share, and which units' biases count depends on the "
        "board."
    )


def ledger(found: Explanation) -> dict[str, Any]:
    """The explanation as numbers: the maps and where every unit of the target went."""
    order = np.argsort(-np.abs(found.squares).ravel())[:5]
    return {
        "of": str(found.target),
        "composite": found.composite,
        "target": found.value,
        "squares": found.squares,
        "planes": found.planes,
        "squares_total": float(found.squares.sum()),
        "bias_total": found.bias_total,
        "bias_share": found.bias_share,
        "bias_squares": found.bias_squares,
        "stabilizer": found.stabilizer,
        "closure": found.closure,
        "heaviest": [square_name(int(square), found.board.size) for square in order],
    }


def share_where_dark(model: Model, found: Explanation) -> dict[str, float]:
    """The part of each plane's Σ|R| that lies on squares where the plane is 0: not evidence of what it shows."""
    lit = planes_of(model, [found.board])[0].numpy() != 0
    shares = {}
    for (name, relevance), where in zip(found.planes.items(), lit):
        shares[name.replace("_", " ")] = share(relevance, ~where)
    return shares


def draw(found: Explanation, caption: str, marked: int, dark: dict[str, float]) -> Figure:
    """The map of the squares, the bias map and the planes where there are several, with the ledger under it.

    dark: by plane, the part of its relevance on squares where it is 0.
    """
    planes = found.planes if len(found.planes) > 1 else {}
    canvas, axes = plots.canvas(2 + len(planes), width=2.9)
    kept = found.bias_squares
    outlined = (marked,)
    plots.board_map(
        axes[0], found.board, found.squares, f"{found.target}: squares", marked=outlined
    )
    plots.board_map(axes[1], found.board, kept, "bias relevance with a square")
    seen = [alt.of_map(found.squares, f"{found.target}, squares"), alt.of_map(kept, "the biases")]
    for drawing, (plane, part), relevance in zip(axes[2:], dark.items(), planes.values()):
        title = f"plane: {plane}" + (f", {100 * part:.0f} % where it is 0" if part else "")
        plots.board_map(drawing, found.board, relevance, title, marked=outlined)
        seen.append(alt.of_map(relevance, f"the plane {plane}", 3))
    words = (
        f"{caption}. {found.value:+.3f} = squares {found.squares.sum():+.3f} + bias {found.bias_total:+.3f} "
        f"+ stabilizer {found.stabilizer:+.1g}."
    )
    return Figure("", words, canvas, alt.sentence(*seen))


VALUE_FLAT = Experiment(
    "value-flat",
    2,
    "Value relevance of board 31, flat rule first",
    "Relevance near the post's best move b6, also on empty squares.",
    value_flat,
    source="figure 2",
)
VALUE_PLUS = Experiment(
    "value-plus",
    4,
    "Value relevance of board 31, z⁺ first",
    "Only what is on the board carries relevance; do the discs turned by a7 stand out?",
    value_plus,
    source="figure 4",
)
POLICY = Experiment(
    "policy",
    5,
    "Policy relevance of board 31",
    "The sign of a map comes from the logit's; do the discs turned by b6 stand out?",
    policy,
    source="figure 5",
)
