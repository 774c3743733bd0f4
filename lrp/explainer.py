"""LRP: explains outputs of any torch model, layer by layer, without touching it (Bach et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lrp.compiler import Plan, Program, check_explained
from lrp.composites import Composite, as_composite
from lrp.errors import InvalidInput, InvalidTarget, LRPError, UnsupportedOperation
from lrp.live import Compiled, Live
from lrp.ops.context import Execution, Flow, Step
from lrp.ops.routing import Reshape, Transparent
from lrp.propagate import backward, forward, laid, project
from lrp.result import Relevance, gather
from lrp.rules import Rule
from lrp.targets import Target, each_index, masks, one_hot, seeds, seeds_of_graph
from lrp.tracing.agreement import check_made, check_outputs
from lrp.tracing.calls import Call
from lrp.tracing.capture import unwrapped
from lrp.tracing.graph import Graph
from lrp.tracing.inputs import CallReader, check_kinds, is_integral, plain
from lrp.travel import Portable

FOLD = 128
"""Samples × targets that one backward pass of `attribute_each` carries at most."""

HEADS = {"aten.tanh.default", "aten.sigmoid.default", "aten.softmax.int", "aten.log_softmax.int"}


class LRP(CallReader, Portable):
    """Explanations of one model under one composite.

    model: any module; never changed, explained as in eval mode whatever mode it is in.
    composite: a preset (`EpsilonPlusFlat`, called or not, or its name), a Composite, or one rule for every layer.
    example_inputs, keywords: a call of the model like those that will be explained, tensors [B, ...] with B free: the
        model's own arguments, positional or by keyword, or one tuple of its positional ones.
    start: "preactivation" explains outputs that end in tanh, sigmoid, softmax or log-softmax from the value before it;
        "activation" explains them as they are.
    checkpoint: for deep models: of the values of the forward pass about √steps are kept and the others computed again
        while relevance passes, which takes one more forward pass and far less memory.

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
        *example_inputs: Any,
        start: str = "preactivation",
        checkpoint: bool = False,
        **keywords: Any,
    ) -> None:
        if start not in ("preactivation", "activation"):
            raise InvalidTarget(f"start is 'preactivation' or 'activation', not {start!r}")
        self.model = unwrapped(model)
        check_made(self.model)
        self.start = start
        self.checkpoint = checkpoint
        self.composite = as_composite(composite)
        if not example_inputs and keywords.keys() == {"example_inputs"}:
            example_inputs, keywords = (keywords["example_inputs"],), {}
        packed = len(example_inputs) == 1 and self._is_packed(example_inputs[0])
        call = self._inputs(example_inputs, keywords, packed)
        check_kinds(call)
        self._examples = call.change(lambda x: plain(x).clone())
        self._live = Live(self.model, self.composite)
        program = self._compiled(self._examples).program
        integers = [x.dtype for x in call.tensors if is_integral(x)]
        if integers and not any(program.explains(i) for i in program.graph.outputs):
            raise InvalidInput(
                "integers are token ids, or constants such as masks and indices beside floating point inputs; "
                "this model does not look them up in an embedding: convert them if they are numbers"
            )

    def _compiled(self, call: Call) -> Compiled:
        """The steps for a call like this. Raises InvalidInput where the model itself does not take it."""
        try:
            return self._live.at(call)
        except Exception as error:
            known = isinstance(error, LRPError)
            unsupported = isinstance(error, UnsupportedOperation)
            says = None if known and not unsupported else self._live.refusal(call)
            if says is None:
                raise
            self._blame(call, says, error)
            if known and call.form == self._examples.form:
                raise
            raise InvalidInput(f"the model does not take inputs like these: {says}") from error

    def _blame(
        self,
        call: Call,
        says: str,
        error: Exception,
    ) -> None:
        """Raises InvalidInput for the input that makes the model itself fail, where one is to be seen."""
        if call.form != self._examples.form:
            return
        for x, example in zip(call.tensors, self._examples.tensors, strict=True):
            if x.shape[1:] != example.shape[1:]:
                wanted = ", ".join(map(str, example.shape[1:]))
                raise InvalidInput(
                    f"an input has shape [B, {wanted}], not {list(x.shape)}: the model says: {says}"
                ) from error
            if is_integral(x):
                raise InvalidInput(
                    f"the model does not take this call, it says: {says} (an input is {x.dtype}: token ids, masks "
                    "and indices may be; otherwise inputs are floating point)"
                ) from error

    def _is_graph(self) -> bool:
        return self.program.whole

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
        *inputs: Any,
        target: Target = None,
        output: int | str | None = None,
        through: Mapping[str, Sequence[int] | Tensor] | None = None,
        create_graph: bool = False,
        layers: bool = False,
        **keywords: Any,
    ) -> Relevance:
        """Relevance of the inputs [B, ...] of one call for `target`, which may also stand behind them.

        inputs, keywords: a call of the model, as its users write it, or one tuple of its positional arguments.
        target: an index, a tuple of indices where a sample's output has several dimensions, either of them one for all
            samples or a list (a tensor) of one a sample; "argmax", whole or as a part of a tuple: the largest;
            a function of the outputs returning [B], linear in them; a tensor shaped like the output (initial
            relevance); None where the output has one value a sample.
        output: which output (its name or position), or the name of any layer, to explain from.
        through: {layer: channels, or a mask of one sample's output}: only relevance that passes there goes on
            (concept relevance, Achtibat et al. 2023); the rest is booked in the stabilizer column of that layer.
        create_graph: whether the result can be differentiated with respect to the model's parameters and those inputs
            that require a gradient (training with explanations); the steps are then compiled anew in every call.
        layers: whether the result holds the relevance and the bias relevance of every layer, as it does with
            `create_graph`; without it they are made by a second explanation where they are read.
        Raises InvalidInput, InvalidTarget.
        """
        call, target = self._asked(inputs, target, keywords, create_graph)
        with torch.inference_mode(False), torch.set_grad_enabled(create_graph):
            plan = self.plan(call, output, create_graph)
            run = self._forward(plan, call, not (layers or create_graph), through)
            values = [run.values[i] for i in plan.chosen]
            seeded = seeds_of_graph if plan.program.whole else seeds
            flows, value = seeded(target, values, plan.names, run.batch, laid(run, plan))
            self._send(run, self._sent(run, plan, flows, through), flows)
            again = partial(
                self.attribute, call, target=target, output=output, through=through, layers=True
            )
            return gather([run], plan.steps, plan.graph, value, call, False, again)

    def attribute_each(
        self,
        *inputs: Any,
        indices: Any = None,
        output: int | str | None = None,
        through: Mapping[str, Sequence[int] | Tensor] | None = None,
        layers: bool = False,
        **keywords: Any,
    ) -> Relevance:
        """Relevance for each of several indices of one output, from one forward pass; every tensor has a leading [T].

        indices: [T] places in an output [B, K], tuples of places in an output [B, L, V]; None means all of them. They
            may stand behind the inputs. layers: as in `attribute`.
        """
        call, indices = self._asked(inputs, indices, keywords, False)
        with torch.inference_mode(False), torch.no_grad():
            plan = self.plan(call, output)
            if len(plan.chosen) != 1:
                raise InvalidTarget(
                    f"the model has {len(plan.chosen)} outputs: choose one with output=NAME_OR_INDEX"
                )
            run = self._forward(plan, call, not layers, through)
            plan = self._sent(run, plan, [Flow()], through)
            y = run.values[plan.chosen[0]]
            y = y.unsqueeze(0) if plan.program.whole else y
            chosen = each_index(indices, y, run.batch, laid(run, plan)[0])
            runs = []
            values = []
            wide = not (plan.layouts or plan.program.whole) and plan.graph.batch_first
            for part in torch.split(chosen, max(1, FOLD // run.batch) if wide else 1):
                gain = one_hot(part, y)
                gain = gain.squeeze(0) if plan.program.whole else gain
                other = run.anew(len(part))
                self._send(other, plan, [Flow(gain=gain)])
                runs.append(other)
                values.append(y.reshape(run.batch, -1)[:, part].T)
            again = partial(
                self.attribute_each,
                call,
                indices=indices,
                output=output,
                through=through,
                layers=True,
            )
            return gather(runs, plan.steps, plan.graph, torch.cat(values), call, True, again)

    def plan(
        self,
        call: Call,
        output: int | str | None,
        create_graph: bool = False,
    ) -> Plan:
        """The steps to one output (or all).

        Raises UnsupportedOperation where the one output cannot be explained; of several that is seen when a function
        has chosen among them.
        """
        compiled = self._compiled(call)
        if create_graph:
            compiled = self._live.differentiable(call)
        program = compiled.program
        chosen, names = self._chosen(program, output)
        steps = self._steps(program, chosen)
        if len(chosen) == 1:
            check_explained(program, chosen)
        return Plan(program, steps, chosen, names, {}, compiled.flat, compiled.layouts)

    def _forward(
        self,
        plan: Plan,
        call: Call,
        lean: bool,
        through: Mapping[str, Sequence[int] | Tensor] | None,
    ) -> Execution:
        """The forward pass; with checkpoints it keeps what the target and the conditions read."""
        kept: list[int] | None = None
        if self.checkpoint:
            names = plan.program.names
            kept = [*plan.chosen, *(names[name] for name in through or () if name in names)]
        program = plan.program
        steps = plan.steps
        return forward(program, steps, call.tensors, plan.layouts, lean=lean, kept=kept)

    @staticmethod
    def _sent(
        run: Execution,
        plan: Plan,
        flows: Sequence[Flow | None],
        through: Mapping[str, Sequence[int] | Tensor] | None,
    ) -> Plan:
        """The plan with its conditions; raises where relevance starts from what cannot be explained."""
        pairs = zip(plan.chosen, flows, strict=True)
        used = tuple(index for index, flow in pairs if flow is not None)
        if len(plan.chosen) > 1:
            check_explained(plan.program, used)
        check_outputs([run.values[i] for i in used])
        return replace(plan, conditions=masks(through, plan.program, run)) if through else plan

    @staticmethod
    def _send(
        run: Execution,
        plan: Plan,
        flows: Sequence[Flow | None],
    ) -> None:
        starts: dict[int, Flow] = {}
        for index, flow in zip(plan.chosen, flows, strict=True):
            if flow is None:
                continue
            starts[index] = flow if index not in starts else starts[index] + flow
        backward(run, starts, plan.conditions)
        if plan.flat is not None and run.project:
            project(run, plan.steps, plan.flat)

    def _chosen(
        self,
        program: Program,
        output: int | str | None,
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Indices of the nodes to explain, and their names where a target function receives several of them."""
        outputs = program.graph.outputs
        names = program.graph.output_names
        if output is None:
            return outputs, names if len(outputs) > 1 else ()
        if (
            isinstance(output, int)
            and not isinstance(output, bool)
            and -len(outputs) <= output < len(outputs)
        ):
            return (outputs[output],), ()
        if (
            isinstance(output, str)
            and output in names
            and not (output.isdigit() and output in program.names)
        ):
            return (outputs[names.index(output)],), ()
        if isinstance(output, str) and output in program.names:
            return (program.names[output],), ()
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
        found = []
        for step in steps:
            head = step.node.index in heads
            found.append(Transparent(step.node, step.reads[0]) if head else step)
        return tuple(found)
