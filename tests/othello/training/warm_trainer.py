"""Imported once by the process whose children are the trainers of `trainers.py`: loads all that they will need.

No gradient is taken here, because torch forbids that in the children of a process that has done it.
"""

from __future__ import annotations

import importlib

import numpy as np
import torch

from othello.network.architecture import Network
from othello.network.evaluator import NetworkEvaluator
from othello.training.learner import Learner, loss_terms
from othello.training.replay import batches
from othello.training.selfplay import play_games
from tests.othello.training.trainers import TINY

for _name in (
    "torch._dynamo",
    "tensorboard.summary.writer.record_writer",
    "app.cli",
    "othello.training.loop",
    "othello.training.preflight",
):
    importlib.import_module(_name)
torch.set_num_threads(1)
_samples = play_games(
    NetworkEvaluator(Network(TINY.network).eval()), TINY.selfplay, 1, 0, range(6)
)[0]
_learner = Learner(Network(TINY.network), TINY.learner)
_learner.measure(_samples)
with torch.no_grad():
    for _batch, _legal in batches(_samples, 1, TINY.learner, 4, 4, np.random.default_rng(0)):
        loss_terms(
            _learner.network,
            tuple(map(torch.from_numpy, _batch)),
            torch.from_numpy(_legal),
            _learner.tower,
        )
for _parameter in _learner.network.parameters():
    _parameter.grad = torch.zeros_like(_parameter)
_learner.optimizer.step()
