"""LRP: explains outputs of any torch model, layer by layer, without touching it (Bach et al. 2015)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import lrp.catalogue  # noqa: F401  (fills the catalogue of operations)
from lrp.compile import Compiler, Program, finite
from lrp.composites import Composite, as_composite
from lrp.errors import InvalidInput, InvalidTarget
from lrp.flow import Flow
from lrp.graph import Graph, capture
from lrp.operations import Activation, Reshape, Transparent
from lrp.result import LayerMap, Relevance
from lrp.rules import Flat, Rule
from lrp.run import Run
from lrp.step import Step
from lrp.targets import Target, seeds

HEADS = {"aten.tanh.default", "aten.sigmoid.default", "aten.softmax.int", "aten.log_softmax.int"}


class LRP:
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
        composite: Composite | Rule | str | Callable[..., Composite],
        example_inputs: Tensor | tuple[Tensor, ...],
        *,
        start: str = "preactivation",
    ) -> None:
        if start not in ("preactivation", "activation"):
            raise InvalidTarget(f"start is 'preactivation' or 'activation', not {start!r}")
        self.model, self.start = model, start
        self.composite = as_composite(composite)
        examples = self._tuple(example_inputs)
        for x in examples:
            _check_kind(x)
        self.graph: Graph = capture(model, examples)
        self._shapes = tuple(tuple(x.shape[1:]) for x in examples)
        self._dtypes = tuple(x.dtype for x in examples)
        self._lock = threading.Lock()
        self._compiled: tuple[Any, Program, Program | None] | None = None
        self.program()

    @staticmethod
    def _tuple(inputs: Any) -> tuple[Tensor, ...]:
        found = (inputs,) if isinstance(inputs, Tensor) else inputs
        if not isinstance(found, (tuple, list)) or not found or not all(isinstance(x, Tensor) for x in found):
            raise InvalidInput("inputs are a tensor or a tuple of tensors")
        return tuple(found)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in order of computation, as in `Relevance.layers` and as patterns of composites see them."""
        return tuple(layer.name for layer in self.program().layers)

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = dict(self.graph.constants)
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            found[name] = parameter
        for name, buffer in self.model.named_buffers(remove_duplicate=False):
            found[name] = buffer
        return found

    def program(self) -> Program:
        """The compiled steps; compiled again when a parameter of the model has changed since."""
        return self._programs()[0]

    def _programs(self) -> tuple[Program, Program | None]:
        tensors = self._tensors()
        state = tuple((id(t), t._version) for t in tensors.values())
        compiled = self._compiled
        if compiled is None or compiled[0] != state:
            with self._lock, torch.no_grad():
                compiled = self._compiled
                if compiled is None or compiled[0] != state:
                    finite(tensors)
                    program = Compiler(self.graph, tensors, self.composite, self.model).compile()
                    flat = None
                    if _projects(program):
                        flat = Compiler(self.graph, tensors, as_composite(Flat()), self.model).compile()
                    compiled = self._compiled = (state, program, flat)
        return compiled[1], compiled[2]

    def attribute(
        self, inputs: Tensor | tuple[Tensor, ...], target: Target = None, *, output: int | str | None = None
    ) -> Relevance:
        """Relevance of `inputs` [B, ...] for `target`.

        target: an index; a tensor [B] of indices; a function of the outputs returning [B], linear in them; a tensor
            shaped like the output (initial relevance); None where the output has one value a sample.
        output: which output (its name or position), or the name of any layer, to explain from.
        Raises InvalidInput, InvalidTarget.
        """
        xs = self._checked(inputs)
        program, flat = self._programs()
        with torch.no_grad():
            chosen, whole = self._chosen(program, output, target)
            steps = self._steps(program, chosen)
            run = self._forward(program, steps, xs)
            values = [run.values[i] for i in chosen]
            flows, value = seeds(target, values, _shaped(whole, values), run.batch)
            self._backward(run, steps, dict(zip(chosen, flows, strict=True)), flat)
            return self._result(run, program, steps, value, inputs)

    def _checked(self, inputs: Any) -> tuple[Tensor, ...]:
        xs = self._tuple(inputs)
        if len(xs) != len(self._shapes):
            raise InvalidInput(f"the model takes {len(self._shapes)} inputs, not {len(xs)}")
        batch = None
        for x, shape, dtype in zip(xs, self._shapes, self._dtypes, strict=True):
            _check_kind(x)
            if tuple(x.shape[1:]) != shape or x.dim() != len(shape) + 1:
                raise InvalidInput(f"an input has shape [B, {', '.join(map(str, shape))}], not {list(x.shape)}")
            if x.dtype != dtype:
                raise InvalidInput(f"an input has type {dtype}, not {x.dtype}")
            if x.is_floating_point() and not bool(torch.isfinite(x).all()):
                raise InvalidInput("an input contains NaN or Inf; only finite inputs can be explained")
            if batch is not None and x.shape[0] != batch:
                raise InvalidInput(f"inputs have different batch sizes: {batch} and {x.shape[0]}")
            batch = x.shape[0]
        if not batch:
            raise InvalidInput("the batch is empty")
        return tuple(x.detach() for x in xs)

    def _chosen(self, program: Program, output: int | str | None, target: Any) -> tuple[tuple[int, ...], Any]:
        """Indices of the nodes to explain, and the structure in which a target function receives them."""
        outputs, names = self.graph.outputs, self.graph.output_names
        if output is None:
            return outputs, (0 if len(outputs) == 1 else list(range(len(outputs))))
        if isinstance(output, int) and not isinstance(output, bool) and -len(outputs) <= output < len(outputs):
            return (outputs[output],), 0
        if isinstance(output, str) and output in names:
            return (outputs[names.index(output)],), 0
        if isinstance(output, str) and output in program.names:
            return (program.names[output],), 0
        raise InvalidTarget(
            f"no output {output!r}: outputs are {', '.join(names)} (0 to {len(outputs) - 1}), "
            f"layers are {', '.join(layer.name for layer in program.layers)}"
        )

    def _steps(self, program: Program, chosen: tuple[int, ...]) -> tuple[Step, ...]:
        """The steps to the chosen nodes; output activations made transparent where the explanation starts before them."""
        steps = program.path(chosen)
        if self.start == "activation":
            return steps
        heads: set[int] = set()
        for index in chosen:
            step = program.steps.get(index)
            while isinstance(step, (Reshape, Transparent)):
                step = program.steps.get(step.source)
            if step is not None and step.node.operation in HEADS and index in self.graph.outputs:
                heads.add(step.node.index)
        if not heads:
            return steps
        return tuple(Transparent(s.node, s.source) if s.node.index in heads else s for s in steps)  # type: ignore[attr-defined]

    def _forward(self, program: Program, steps: Sequence[Step], xs: tuple[Tensor, ...]) -> Run:
        values: list[Any] = [None] * len(self.graph.nodes)
        for index, constant in program.constants.items():
            values[index] = constant
        for index, x in zip(self.graph.inputs, xs, strict=True):
            values[index] = x
        run = Run(values, xs[0].shape[0])
        for step in steps:
            values[step.node.index] = step.forward(run)
        return run

    def _backward(self, run: Run, steps: Sequence[Step], starts: Mapping[int, Flow], flat: Program | None) -> None:
        flows = run.flows
        flows.update(starts)
        for step in reversed(steps):
            flow = flows.get(step.node.index)
            if flow is None:
                continue
            for source, sent in step.backward(run, flow):
                old = flows.get(source)
                flows[source] = sent if old is None else old + sent
        if flat is not None and run.project:
            self._project(run, steps, flat)

    def _project(self, run: Run, steps: Sequence[Step], flat: Program) -> None:
        """Sends the booked bias relevance to the inputs through the flat rule of each layer and those below it."""
        flows = {index: Flow(rest=r) for index, r in run.project.items()}
        for step in reversed(steps):
            flow = flows.get(step.node.index)
            other = flat.steps.get(step.node.index)
            if flow is None or other is None:
                continue
            for source, sent in other.backward(run, flow):
                old = flows.get(source)
                flows[source] = sent if old is None else old + sent
        for index in self.graph.inputs:
            if index in flows:
                old = run.flows.get(index)
                run.flows[index] = flows[index] if old is None else old + flows[index]

    def _result(self, run: Run, program: Program, steps: Sequence[Step], target: Tensor, inputs: Any) -> Relevance:
        received = tuple(
            run.flows.get(i, Flow()).relevance(run.lift(run.values[i])) if run.values[i].is_floating_point()
            else torch.zeros_like(run.values[i]) for i in self.graph.inputs
        )  # fmt: skip
        nodes = {step.node.name: step.node for step in steps}

        def at(index: int) -> Callable[[], Tensor]:
            return lambda: run.flows[index].relevance(run.lift(run.values[index]))

        layers = {step.node.name: at(step.node.index) for step in steps if step.node.index in run.flows}
        return Relevance(
            input=received[0] if isinstance(inputs, Tensor) else received,
            target=target,
            bias=run.bias,
            stabilizer=run.stabilizer,
            layers=LayerMap(layers),
            totals=lambda name: run.per_sample(nodes[name], run.bias[name]),
        )


def _projects(program: Program) -> bool:
    return any(getattr(step, "mode", None) == "project" for step in program.steps.values())


def _check_kind(x: Tensor) -> None:
    if x.dim() == 0:
        raise InvalidInput("an input needs a batch dimension: shape [B, ...]")
    if not x.is_floating_point() and x.dtype != torch.bool:
        raise InvalidInput(f"relevance of {x.dtype} inputs is not defined; convert them to floating point, or explain from the embedding")


def _shaped(structure: Any, values: Sequence[Tensor]) -> Any:
    return values[0] if structure == 0 else tuple(values)
