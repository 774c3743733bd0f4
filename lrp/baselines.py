"""Other explanations with the same call, to compare LRP with: gradients, integrated gradients, occlusion, FullGrad.

Integrated gradients, SmoothGrad and occlusion come from Captum (`pip install othello-lrp[baselines]`). All of them read
the captured graph, so they leave the model alone and explain the same value, before a final tanh or softmax.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lrp import composites
from lrp.composites import Composite
from lrp.errors import InvalidInput, InvalidTarget, LRPError, UnsupportedOperation
from lrp.explainer import LRP
from lrp.ops.context import Flow
from lrp.propagate import backward, forward, laid
from lrp.result import Relevance
from lrp.rules import Rule, Zero
from lrp.targets import Outputs, Target, seeds


@dataclass(frozen=True)
class Attribution:
    """input: scores like the input [B, ...]; target: [B] the explained value; method: what made them."""

    input: Tensor
    target: Tensor
    method: str


class Baseline(ABC):
    """A method that explains a model of one input by evaluating or differentiating it."""

    composite: Callable[[], Composite | Rule] = Zero

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Tensor,
        *,
        start: str = "preactivation",
    ) -> None:
        self._lrp = LRP(model, self.composite(), example_inputs, start=start)
        if len(self._lrp.graph.inputs) != 1:
            raise LRPError(
                f"{type(self).__name__} explains models of one input, not {len(self._lrp.graph.inputs)}"
            )

    def attribute(
        self,
        inputs: Tensor,
        target: Target = None,
        *,
        output: int | str | None = None,
    ) -> Attribution:
        """Scores of `inputs` [B, ...] for `target`; arguments as in `LRP.attribute`, initial relevance excluded."""
        (x,) = self._lrp.checked(inputs).tensors
        if not x.is_floating_point():
            raise InvalidInput(
                f"{type(self).__name__} needs inputs that can be changed a little, not {x.dtype}"
            )
        value = self._function(x, target, output)
        with torch.no_grad():
            explained = value(x)
        return Attribution(self._scores(value, x).detach().to(x), explained, type(self).__name__)

    def _function(
        self,
        x: Tensor,
        target: Target,
        output: int | str | None,
    ) -> Callable[[Tensor], Tensor]:
        """The target as a differentiable function of the input, at any batch size that is a multiple of x's."""
        if isinstance(target, Tensor) and target.is_floating_point():
            raise InvalidTarget(
                "a baseline explains an index or a function of the outputs, not an initial relevance"
            )
        plan = self._lrp.plan(self._lrp.checked(x), output)

        def value(inputs: Tensor) -> Tensor:
            run = forward(plan.program, plan.steps, (inputs,), plan.layouts)
            outputs = [run.values[i] for i in plan.chosen]
            if callable(target) and not isinstance(target, Tensor):
                return target(Outputs(plan.names, outputs) if plan.names else outputs[0])
            repeated = target
            if isinstance(target, Tensor) and target.dim() == 1:
                repeated = target.repeat_interleave(run.batch // len(target))
            return seeds(repeated, outputs, plan.names, run.batch, laid(run, plan))[1]

        return value

    @abstractmethod
    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        """The method itself."""


def gradient(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂ Σ value / ∂ x."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        return torch.autograd.grad(value(leaf).sum(), leaf)[0]


class GradientTimesInput(Baseline):
    """x · ∂f/∂x (Shrikumar et al. 2016); equals LRP-0 in ReLU networks."""

    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        return x * gradient(value, x)


class IntegratedGradients(Baseline):
    """The gradient averaged from a baseline to the input, times their difference (Sundararajan et al. 2017)."""

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Tensor,
        *,
        start: str = "preactivation",
        steps: int = 50,
        baseline: float | Tensor = 0.0,
    ) -> None:
        super().__init__(model, example_inputs, start=start)
        self.steps, self.baseline = steps, baseline

    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        method = _captum().IntegratedGradients(value)
        return method.attribute(x, baselines=self.baseline, n_steps=self.steps)  # type: ignore[no-any-return]


class SmoothGrad(Baseline):
    """Gradient × input averaged over noisy copies of the input (Smilkov et al. 2017); `noise`: a deviation."""

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Tensor,
        *,
        start: str = "preactivation",
        samples: int = 20,
        noise: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(model, example_inputs, start=start)
        self.samples, self.noise, self.seed = samples, noise, seed

    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        method = _captum().NoiseTunnel(_captum().InputXGradient(value))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return method.attribute(x, nt_samples=self.samples, stdevs=self.noise)  # type: ignore[no-any-return]


class Occlusion(Baseline):
    """How far the value falls when a window of the input is set to `fill` (Zeiler and Fergus 2014).

    window: its shape within one sample; by default one place with all channels, or one value of a vector.
    """

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Tensor,
        *,
        start: str = "preactivation",
        window: tuple[int, ...] | None = None,
        fill: float = 0.0,
    ) -> None:
        super().__init__(model, example_inputs, start=start)
        shape = example_inputs.shape[1:]
        self.window = window or ((shape[0], *[1] * (len(shape) - 1)) if len(shape) > 1 else (1,))
        self.fill = fill

    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        method = _captum().Occlusion(value)
        return method.attribute(x, sliding_window_shapes=self.window, baselines=self.fill)  # type: ignore[no-any-return]


class _ByRelu(Baseline):
    """A gradient with another rule for ReLUs, of which `attribute` gives the gradient itself."""

    def attribute(
        self,
        inputs: Tensor,
        target: Target = None,
        *,
        output: int | str | None = None,
    ) -> Attribution:
        """The signal [B, ...] that arrives at `inputs`; arguments as in `LRP.attribute`.

        Raises UnsupportedOperation where an operation other than a ReLU hands on relevance instead of a gradient.
        """
        explainer = self._lrp
        call = explainer.checked(inputs)
        (x,) = call.tensors
        with torch.inference_mode(False), torch.no_grad():
            plan = explainer.plan(call, output)
            run = forward(plan.program, plan.steps, (x,), plan.layouts)
            values = [run.values[i] for i in plan.chosen]
            flows, explained = seeds(target, values, plan.names, run.batch, laid(run, plan))
            pairs = zip(plan.chosen, flows, strict=True)
            starts = {index: flow for index, flow in pairs if flow is not None}
            backward(run, starts, {})
        for step in plan.steps:
            for source in step.reads:
                if run.flows.get(source, Flow()).rest is not None:
                    name, where = step.node.operation, step.node.module
                    reason = f"{type(self).__name__} needs gradients"
                    raise UnsupportedOperation(name, where, reason, registrable=False)
        gain = run.flows.get(plan.graph.inputs[0], Flow()).gain
        scores = torch.zeros_like(x) if gain is None else gain
        return Attribution(scores, explained, type(self).__name__)

    def _scores(
        self,
        value: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        return gradient(value, x)


class GuidedBackprop(_ByRelu):
    """Guided backpropagation's gradient (Springenberg et al. 2015): a ReLU hands on g where a > 0 and g > 0."""

    composite = staticmethod(composites.GuidedBackprop)


class Deconvnet(_ByRelu):
    """The deconvolutional network's signal (Zeiler and Fergus 2014): a ReLU hands on g where g > 0."""

    composite = staticmethod(composites.Deconvnet)


class FullGrad:
    """Input gradient and bias gradient of every unit (Srinivas and Fleuret 2019): LRP-0 with `sink` in ReLU nets."""

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Tensor,
        *,
        start: str = "preactivation",
    ) -> None:
        self._lrp = LRP(model, Zero(), example_inputs, start=start)

    def attribute(
        self,
        inputs: Tensor,
        target: Target = None,
        *,
        output: int | str | None = None,
    ) -> Relevance:
        """`.input` is gradient × input, `.bias` is bias × gradient for every unit."""
        return self._lrp.attribute(inputs, target, output=output, layers=True)


def _captum() -> Any:
    try:
        import captum.attr
    except ImportError as error:
        raise LRPError(
            "this baseline needs Captum: pip install 'othello-lrp[baselines]'"
        ) from error
    return captum.attr
