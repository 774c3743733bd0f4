"""LRP: explains outputs of any torch model, layer by layer, without touching it (Bach et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lrp.compiler import Program, Refused
from lrp.composites import Composite, as_composite
from lrp.errors import InvalidInput, InvalidTarget, LRPError, UnsupportedOperation
from lrp.live import Compiled, Live
from lrp.ops.context import Execution, Flow, Layout, Step
from lrp.ops.routing import Reshape, Transparent
from lrp.propagate import backward, check_finite, forward, project
from lrp.result import Relevance, gather
from lrp.rules import Rule
from lrp.targets import Target, each_index, masks, one_hot, seeds
from lrp.tracing.capture import unwrapped
from lrp.tracing.graph import Graph
from lrp.travel import Portable

FOLD = 128
"""Samples × targets that one backward pass of `attribute_each` carries at most."""

HEADS = {"aten.tanh.default", "aten.sigmoid.default", "aten.softmax.int", "aten.log_softmax.int"}


class LRP(Portable):
    """Explanations of one model under one composite.

    model: any module; never changed, explained as in eval mode whatever mode it is in.
    composite: a preset (`EpsilonPlusFlat`, called or not, or its name), a Composite, or one rule for every layer.
    example_inputs: a tensor [B, ...] or a tuple of them: shapes and types of what will be explained; B is free.
    start: "preactivation" explains outputs that end in tanh, sigmoid, softmax or log-softmax from the value before it;
        "activation" explains them as they are.

    >>> import torch, lrp
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> relevance = lrp.LRP(model, lrp.composites.EpsilonPlus(), torch.rand(1, 4)).attribute(torch.rand(2, 4), target=1)
    >>> relevance.input.shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        model: nn.Module,
        composite: Composite | Rule | type[Rule] | str | Callable[..., Composite],
        example_inputs: Tensor | tuple[Tensor, ...],
        *,
        start: str = "preactivation",
    ) -> None:
        if start not in ("preactivation", "activation"):
            raise InvalidTarget(f"start is 'preactivation' or 'activation', not {start!r}")
        self.model, self.start = unwrapped(model), start
        self.composite = as_composite(composite)
        examples = self._tuple(example_inputs)
        for x in examples:
            _check_kind(x)
        self._examples = tuple(_plain(x).clone() for x in examples)
        self._live = Live(self.model, self.composite)
        program = self._compiled(self._examples).program
        integers = [x.dtype for x in examples if _is_integral(x)]
        if integers and not any(program.explains(i) for i in program.graph.outputs):
            raise InvalidInput(
                "integers are token ids, or constants such as masks and indices beside floating point inputs; "
                "this model does not look them up in an embedding: convert them if they are numbers"
            )

    def _compiled(self, xs: tuple[Tensor, ...]) -> Compiled:
        """The steps for inputs like these. Raises InvalidInput where the model itself does not take them."""
        try:
            return self._live.at(xs)
        except Exception as error:
            known = isinstance(error, LRPError)
            unsupported = isinstance(error, UnsupportedOperation)
            says = None if known and not unsupported else self._live.refusal(xs)
            if says is None:
                raise
            for x, example in zip(xs, self._examples, strict=True):
                if x.shape[1:] != example.shape[1:]:
                    wanted = ", ".join(map(str, example.shape[1:]))
                    raise InvalidInput(
                        f"an input has shape [B, {wanted}], not {list(x.shape)}: the model says: {says}"
                    ) from error
                if _is_integral(x):
                    raise InvalidInput(
                        f"inputs are floating point, not {x.dtype}: convert them; only token ids that the model "
                        f"looks up in an embedding, masks and indices may be integers. The model says: {says}"
                    ) from error
            if known:
                raise
            raise InvalidInput(f"the model does not take inputs like these: {says}") from error

    @staticmethod
    def _tuple(inputs: Any) -> tuple[Tensor, ...]:
        found = (inputs,) if isinstance(inputs, Tensor) else inputs
        if (
            not isinstance(found, (tuple, list))
            or not found
            or not all(isinstance(x, Tensor) for x in found)
        ):
            raise InvalidInput("inputs are a tensor or a tuple of tensors")
        return tuple(found)

    @property
    def graph(self) -> Graph:
        """The captured operations of the model."""
        return self._compiled(self._examples).graph

    @property
    def program(self) -> Program:
        """The compiled steps, with the rule of each layer."""
        return self._compiled(self._examples).program

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in order of computation, as composites and `Relevance.layers` know them."""
        return tuple(layer.name for layer in self.program.layers)

    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Target = None,
        *,
        output: int | str | None = None,
        through: Mapping[str, Sequence[int] | Tensor] | None = None,
    ) -> Relevance:
        """Relevance of `inputs` [B, ...] for `target`.

        target: an index; a tensor [B] of indices; a function of the outputs returning [B], linear in them; a tensor
            shaped like the output (initial relevance); None where the output has one value a sample.
        output: which output (its name or position), or the name of any layer, to explain from.
        through: {layer: channels, or a mask of one sample's output}: only relevance that passes there goes on
            (concept relevance, Achtibat et al. 2023); the rest is booked in the stabilizer column of that layer.
        Raises InvalidInput, InvalidTarget.
        """
        xs = self.checked(inputs)
        with torch.inference_mode(False), torch.no_grad():
            run, plan = self._prepare(xs, output, through)
            values = [run.values[i] for i in plan.chosen]
            flows, value = seeds(target, values, plan.whole, run.batch)
            self._send(run, plan, flows)
            return gather(
                [run], plan.steps, plan.graph, value, isinstance(inputs, Tensor), each=False
            )

    def attribute_each(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        indices: Sequence[int] | Tensor | None = None,
        *,
        output: int | str | None = None,
        through: Mapping[str, Sequence[int] | Tensor] | None = None,
    ) -> Relevance:
        """Relevance for each of several indices of one output, from one forward pass; every tensor has a leading [T].

        indices: positions in an output [B, K]; None means all K.
        """
        xs = self.checked(inputs)
        with torch.inference_mode(False), torch.no_grad():
            run, plan = self._prepare(xs, output, through)
            if len(plan.chosen) != 1:
                raise InvalidTarget(
                    f"the model has {len(plan.chosen)} outputs: choose one with output=NAME_OR_INDEX"
                )
            y = run.values[plan.chosen[0]]
            chosen = each_index(indices, y)
            runs, values = [], []
            width = max(1, FOLD // run.batch) if plan.graph.batch_first else 1
            for part in torch.split(chosen, width):
                gain = one_hot(part, y)
                other = replace(run, fold=len(part), flows={}, bias={}, stabilizer={}, project={})
                self._send(other, plan, [Flow(gain=gain)])
                runs.append(other)
                values.append(y.reshape(run.batch, -1)[:, part].T)
            return gather(
                runs,
                plan.steps,
                plan.graph,
                torch.cat(values),
                isinstance(inputs, Tensor),
                each=True,
            )

    def _prepare(
        self,
        xs: tuple[Tensor, ...],
        output: int | str | None,
        through: Any,
    ) -> tuple[Execution, Plan]:
        """The forward pass, and everything the backward pass needs to know."""
        plan, program = self.plan(xs, output)
        run = forward(program, plan.steps, xs, plan.layouts)
        check_finite([run.values[i] for i in plan.chosen])
        return run, replace(plan, conditions=masks(through, program, run)) if through else plan

    def plan(
        self,
        xs: tuple[Tensor, ...],
        output: int | str | None,
    ) -> tuple[Plan, Program]:
        """The steps to one output (or all), and the program they belong to."""
        compiled = self._compiled(xs)
        chosen, whole = self._chosen(compiled.program, output)
        for index in chosen:
            if not compiled.program.explains(index):
                name = compiled.graph.nodes[index].name
                raise InvalidTarget(
                    f"{name} depends on no input through operations that carry relevance"
                )
        steps = self._steps(compiled.program, chosen)
        for step in steps:
            if isinstance(step, Refused):
                raise step.error
        return Plan(
            compiled.graph, steps, chosen, whole, {}, compiled.flat, compiled.layouts
        ), compiled.program

    @staticmethod
    def _send(run: Execution, plan: Plan, flows: Sequence[Flow]) -> None:
        starts: dict[int, Flow] = {}
        for index, flow in zip(plan.chosen, flows, strict=True):
            starts[index] = flow if index not in starts else starts[index] + flow
        backward(run, plan.steps, starts, plan.conditions)
        if plan.flat is not None and run.project:
            project(run, plan.steps, plan.flat)

    def checked(self, inputs: Any) -> tuple[Tensor, ...]:
        """The inputs as a tuple; raises InvalidInput unless they are like the examples and finite."""
        xs = self._tuple(inputs)
        if len(xs) != len(self._examples):
            raise InvalidInput(f"the model takes {len(self._examples)} inputs, not {len(xs)}")
        batch = None
        for x, example in zip(xs, self._examples, strict=True):
            _check_kind(x)
            if x.dim() != example.dim():
                wanted = ", ".join(map(str, example.shape[1:]))
                raise InvalidInput(f"an input has shape [B, {wanted}], not {list(x.shape)}")
            if x.dtype != example.dtype:
                raise InvalidInput(
                    f"an input has type {example.dtype}, not {x.dtype}: inputs are floating point, token ids or masks "
                    "as in the example"
                )
            if x.is_floating_point() and not bool(torch.isfinite(x).all()):
                raise InvalidInput(
                    "an input contains NaN or Inf; only finite inputs can be explained"
                )
            if batch is not None and x.shape[0] != batch:
                raise InvalidInput(f"inputs have different batch sizes: {batch} and {x.shape[0]}")
            batch = x.shape[0]
        if not batch:
            raise InvalidInput("the batch is empty")
        return tuple(_plain(x) for x in xs)

    def _chosen(
        self,
        program: Program,
        output: int | str | None,
    ) -> tuple[tuple[int, ...], Any]:
        """Indices of the nodes to explain, and whether a target function receives one tensor or a tuple."""
        outputs, names = program.graph.outputs, program.graph.output_names
        if output is None:
            return outputs, len(outputs) > 1
        if (
            isinstance(output, int)
            and not isinstance(output, bool)
            and -len(outputs) <= output < len(outputs)
        ):
            return (outputs[output],), False
        if (
            isinstance(output, str)
            and output in names
            and not (output.isdigit() and output in program.names)
        ):
            return (outputs[names.index(output)],), False
        if isinstance(output, str) and output in program.names:
            return (program.names[output],), False
        raise InvalidTarget(
            f"no output {output!r}: outputs are {', '.join(names)} (0 to {len(outputs) - 1}), "
            f"layers are {', '.join(layer.name for layer in program.layers)}"
        )

    def _steps(
        self,
        program: Program,
        chosen: tuple[int, ...],
    ) -> tuple[Step, ...]:
        """The steps to the chosen nodes; output activations are transparent where explanations start before them."""
        steps = program.path(chosen)
        if self.start == "activation":
            return steps
        heads: set[int] = set()
        for index in chosen:
            step = program.steps.get(index)
            while isinstance(step, (Reshape, Transparent)):
                step = program.steps.get(step.source)
            if step is not None and step.node.operation in HEADS and index in program.graph.outputs:
                heads.add(step.node.index)
        if not heads:
            return steps
        return tuple(Transparent(s.node, s.reads[0]) if s.node.index in heads else s for s in steps)


@dataclass(frozen=True)
class Plan:
    """What one explanation propagates through."""

    graph: Graph
    steps: tuple[Step, ...]
    chosen: tuple[int, ...]
    whole: bool
    conditions: Mapping[int, Tensor]
    flat: Program | None
    layouts: Mapping[int, Layout]


def _plain(x: Tensor) -> Tensor:
    """The tensor without its history; a copy if it was made in inference mode, which autograd refuses."""
    if not x.is_inference():
        return x.detach()
    with torch.inference_mode(False):
        return x.clone()


def _is_integral(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)


def _check_kind(x: Tensor) -> None:
    """Raises InvalidInput for a scalar and for complex numbers."""
    if x.dim() == 0:
        raise InvalidInput("an input needs a batch dimension: shape [B, ...]")
    if x.is_complex():
        raise InvalidInput(f"inputs are floating point, not {x.dtype}: convert them")
