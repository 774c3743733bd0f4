"""A homogeneous twin of a network: its shape without one constant, taught what the network says of positions of play.

Without biases and without BatchNorm's shifts every layer obeys f(αx) = αf(x) for α > 0, so that gradient × input,
integrated gradients and the output are one number (Hesse, Schaub-Meyer and Roth, "Fast axiomatic attribution for
neural networks", 2021).  The twin starts from the network's folded weights, its constants left out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.experiments.positions import Words, legal_table
from othello.network.architecture import Network
from othello.network.batchnorm_folding import fold
from othello.network.evaluator import Evaluator
from othello.network.safetensors_io import load_tensors, save_tensors
from othello.training.config import LearnerSettings
from othello.training.learner import Learner, Losses
from othello.training.selfplay import Samples

STATE: Final = "twin.safetensors"
_CHUNK: Final = 1024  # positions that the teacher is asked about at once

Report = Callable[[int, Losses], None]
"""Called after every round with its number, from 1, and its mean losses."""


@dataclass(frozen=True)
class Curriculum:
    """How a twin is taught: `rounds` of `steps` optimizer steps; the step size falls to 1/64 of `rate` by the end."""

    rounds: int
    steps: int = 200
    batch: int = 512
    rate: float = 1.5e-3
    precision: str = "float32"  # or bfloat16, for processors with AMX tiles
    seed: int = 0

    def learner(self) -> LearnerSettings:
        """The same as the learner wants it: the value target is the teacher's value, the score is not taught."""
        return LearnerSettings(
            batch=self.batch,
            precision=self.precision,
            learning_rate=self.rate,
            final_learning_rate=self.rate / 64,
            half_life=max(1, self.rounds // 6),
            warm_up=min(200, self.rounds * self.steps // 10),
            score_weight=0.0,
            outcome_share=0.0,
        )


def without_constants(network: Network) -> Network:
    """A network of the same weights, BatchNorm's scale folded in, that has no shift and no bias to learn.

    >>> from othello.network.architecture import Architecture
    >>> twin = without_constants(Network(Architecture(blocks=1, channels=8)).eval())
    >>> policy, _ = twin(torch.zeros(1, 4, 8, 8))
    >>> float(policy.abs().max())
    0.0
    """
    folded, twin = fold(network), copy.deepcopy(network)
    layers = [*folded[1:2], *folded.tower, *folded[3:]]
    names = ["stem", *_tower_names(twin), "policy_conv", "policy_out"]
    names += ["value_conv", "value_hidden", "value_out"]
    with torch.no_grad():
        for name, layer in zip(names, layers, strict=True):
            twin.get_parameter(f"{name}.weight").copy_(torch.from_numpy(layer.weight))
    for name, part in list(twin.named_modules()):
        owner, _, own = name.rpartition(".")
        if isinstance(part, nn.BatchNorm2d):
            setattr(twin.get_submodule(owner), own, nn.Identity())
        elif isinstance(part, nn.Linear):
            part.register_parameter("bias", None)
    return twin.requires_grad_(True)


def _tower_names(network: Network) -> list[str]:
    halves = [(block, half) for block in range(len(network.blocks)) for half in (1, 2)]
    return [f"blocks.{block}.conv{half}" for block, half in halves]


def as_network(twin: Network) -> Network:
    """The twin as a network like any other, whose shifts and biases are all 0 and whose scales are 1."""
    plain = Network(twin.architecture)
    with torch.no_grad():
        for name, part in plain.named_modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.fill_((1 + part.eps) ** 0.5)
            elif isinstance(part, nn.Conv2d | nn.Linear):
                part.weight.copy_(twin.get_parameter(f"{name}.weight"))
                if part.bias is not None:
                    part.bias.zero_()
    return plain.eval()


def lessons(teacher: Evaluator, own: Words, opp: Words) -> Samples:
    """What the teacher says of positions [S], as samples to learn from: its policy over the legal moves, its value."""
    policy = np.empty((len(own), 65), np.float16)
    value = np.empty(len(own), np.float16)
    for start in range(0, len(own), _CHUNK):
        rows = slice(start, start + _CHUNK)
        logits, value[rows] = teacher(own[rows], opp[rows])
        policy[rows] = legal_policy(logits, legal_table(own[rows], opp[rows]))
    nothing = np.zeros(len(own), np.int8)
    numbers = np.arange(len(own), dtype=np.int32)
    return Samples(own, opp, policy, nothing, nothing, value, numbers)


def legal_policy(logits: NDArray[np.float32], legal: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The policy [B, A] of logits [B, A] over legal [B, 64] moves; the pass has all of it where there is none."""
    none = np.logical_not(legal.any(1, keepdims=True))
    may = np.concatenate([legal, none], axis=1)
    shifted = np.where(may, logits, -np.inf)
    weights = np.exp(shifted - shifted.max(1, keepdims=True))
    found: NDArray[np.float32] = weights / weights.sum(1, keepdims=True)
    return found


def distil(
    network: Network, samples: Samples, course: Curriculum, folder: Path | None, report: Report
) -> Network:
    """The twin after its course; with a folder it goes on where an interrupted course of that folder stopped.

    Raises CheckpointError for a damaged state, NotFinite as the learner does.
    """
    learner = Learner(without_constants(network), course.learner())
    learner.tower = None  # the compiled one has BatchNorm in it
    done = 0
    if folder is not None and (folder / STATE).is_file():
        done = _restore(learner, load_tensors(folder / STATE))
    for number in range(done, course.rounds):
        losses = learner.train(samples, course.steps, number, course.seed)
        learner.check_finite()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            save_tensors(folder / STATE, _state(learner, number + 1))
        report(number + 1, losses)
    return as_network(learner.average)


def _state(learner: Learner, rounds: int) -> dict[str, Tensor]:
    mean = {f"average.{name}": value for name, value in learner.average.state_dict().items()}
    return {**learner.state(), **mean, "rounds": torch.tensor(rounds)}


def _restore(learner: Learner, tensors: dict[str, Tensor]) -> int:
    """Take over what `_state` gave; the rounds that are done."""
    prefix = "average."
    mean = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    learner.average.load_state_dict(mean)
    learner.restore(tensors)
    return int(tensors["rounds"])
