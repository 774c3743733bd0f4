"""The learner: AdamW on the replay window, an exponential average of the weights, a stop at the first NaN.

Loss per position: cross-entropy of the policy over the legal moves against the search's improved policy; cross-entropy
of the value seen as a win probability (1 + v) / 2; a small squared error of the final score.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from othello.errors import OthelloError
from othello.network.architecture import Network, Tower
from othello.network.cpu.autograd import winograd_tower
from othello.training.config import LearnerSettings
from othello.training.replay import Batch, batches
from othello.training.selfplay import Samples


class NotFinite(OthelloError):
    """A loss, gradient, weight or value became NaN or infinite."""


@dataclass(frozen=True)
class Losses:
    """Means over a number of positions; `value_error` is the mean squared error of the value against the outcome."""

    policy: float
    value: float
    score: float
    value_error: float


def loss_terms(
    network: Network,
    batch: tuple[Tensor, ...],
    legal: Tensor,
    tower: Tower | None = None,
    bfloat16: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean policy, value and score losses and the values [B] themselves; `tower` as in `Network.with_score`.

    With `bfloat16` the network's products are made in bfloat16; weights, sums over a batch and losses stay float32.
    """
    planes, policy, value, score = batch
    with torch.autocast(planes.device.type, torch.bfloat16, enabled=bfloat16):
        outputs = network.with_score(planes, tower)
    logits, predicted, predicted_score = (output.float() for output in outputs)
    log_probabilities = F.log_softmax(logits.masked_fill(~legal, -1e9), dim=1)
    policy_loss = -(policy * log_probabilities).sum(1).mean()
    win, target = ((1 + predicted) / 2).clamp(1e-6, 1 - 1e-6), (1 + value) / 2
    value_loss = -(target * win.log() + (1 - target) * torch.log1p(-win)).mean()
    return policy_loss, value_loss, F.mse_loss(predicted_score, score), predicted


class Learner:
    """Trains a network in place and keeps the running average of its weights."""

    def __init__(self, network: Network, settings: LearnerSettings, device: str = "cpu") -> None:
        self.settings = settings
        self.device = torch.device(device)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        decay = [p for p in network.parameters() if p.dim() > 1]
        rest = [p for p in network.parameters() if p.dim() <= 1]
        groups = [
            {"params": decay, "weight_decay": settings.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.bfloat16 = settings.precision == "bfloat16"
        compiled = self.device.type == "cpu" and not self.bfloat16
        self.tower: Tower | None = winograd_tower if compiled else None
        self.steps = 0  # optimizer steps of this run

    def learning_rate(self, iteration: int) -> float:
        """AdamW's step size at an iteration: halved every `half_life` iterations down to the final rate."""
        s = self.settings
        return max(s.final_learning_rate, s.learning_rate * 0.5 ** (iteration / s.half_life))

    def _warmed_up(self, rate: float) -> float:
        """`rate`, or while the run's first `warm_up` steps last the share of it that they have reached."""
        return rate * min(1.0, (self.steps + 1) / max(1, self.settings.warm_up))

    def train(
        self,
        samples: Samples,
        steps: int,
        iteration: int,
        seed: int,
        progress: Callable[[int, Losses], None] | None = None,
    ) -> Losses:
        """Take `steps` optimizer steps on random batches of `samples`; raises `NotFinite` in the step it happens in."""
        size, planes = self.network.architecture.size, self.network.architecture.planes
        generator = np.random.default_rng((seed, iteration, 1))
        rate = self.learning_rate(iteration)
        sums = np.zeros(4)
        self.network.train()
        for step, (batch, legal) in enumerate(
            batches(samples, steps, self.settings, size, planes, generator), 1
        ):
            for group in self.optimizer.param_groups:
                group["lr"] = self._warmed_up(rate)
            sums += self._step(batch, torch.from_numpy(legal), step)
            if progress is not None:
                progress(step, Losses(*(sums / step).tolist()))
        return Losses(*(sums / max(steps, 1)).tolist())

    def _step(self, batch: Batch, legal: Tensor, step: int) -> list[float]:
        tensors = tuple(torch.from_numpy(array).to(self.device) for array in batch)
        s = self.settings
        policy, value, score, predicted = loss_terms(
            self.network, tensors, legal.to(self.device), self.tower, self.bfloat16
        )
        loss = policy + s.value_weight * value + s.score_weight * score
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), s.gradient_norm)
        figures = [float(tensor.detach()) for tensor in (loss, norm)]
        if not all(map(math.isfinite, figures)):
            raise NotFinite(
                f"step {step}: loss {figures[0]}, gradient norm {figures[1]}; training stopped"
            )
        self.optimizer.step()
        self.steps += 1
        self._update_average()
        error = F.mse_loss(predicted.detach(), tensors[2])
        return [float(policy.detach()), float(value.detach()), float(score.detach()), float(error)]

    @torch.no_grad()
    def _update_average(self) -> None:
        weight = 1 - min(
            self.settings.average_decay, (1 + self.steps) / (10 + self.steps)
        )  # short at first
        for mean, new in zip(
            self.average.state_dict().values(), self.network.state_dict().values()
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(new, weight)
            else:
                mean.copy_(new)

    @torch.no_grad()
    def measure(self, samples: Samples, positions: int = 4096) -> Losses:
        """The averaged network's losses on samples it has not seen, the value against the outcome alone."""
        architecture = self.average.architecture
        honest = LearnerSettings(batch=min(512, max(8, positions)), outcome_share=1.0)
        steps = max(1, min(positions, len(samples.own)) // honest.batch)
        sums = np.zeros(4)
        generator = np.random.default_rng(0)
        for batch, legal in batches(
            samples, steps, honest, architecture.size, architecture.planes, generator
        ):
            tensors = tuple(torch.from_numpy(array).to(self.device) for array in batch)
            policy, value, score, predicted = loss_terms(
                self.average, tensors, torch.from_numpy(legal).to(self.device)
            )
            sums += [
                float(policy),
                float(value),
                float(score),
                float(F.mse_loss(predicted, tensors[2])),
            ]
        return Losses(*(sums / steps).tolist())

    def state(self) -> dict[str, Tensor]:
        """Everything but the averaged weights that training needs to go on exactly: raw weights, AdamW moments."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adamw.{name}.{key}"] = value
        tensors["steps"] = torch.tensor(self.steps)
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over a `state()`."""
        parts = {
            name.removeprefix("network."): value
            for name, value in tensors.items()
            if name.startswith("network.")
        }
        self.network.load_state_dict(parts)
        self.steps = int(tensors["steps"])
        for name, parameter in self.network.named_parameters():
            prefix = f"adamw.{name}."
            entries = {
                key.removeprefix(prefix): value
                for key, value in tensors.items()
                if key.startswith(prefix)
            }
            if entries:
                self.optimizer.state[parameter] = {
                    key: value.clone() if key == "step" else value.to(self.device, copy=True)
                    for key, value in entries.items()
                }

    def check_finite(self) -> None:
        """Raise `NotFinite` if any weight to be published is not a finite number."""
        for name, value in {**self.state(), **self.average.state_dict()}.items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise NotFinite(f"weight {name} is not finite; generation not published")
