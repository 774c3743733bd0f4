"""A model captured and compiled, kept true to the model as it is: what changed is captured or compiled again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

import lrp.tracing.attention
import lrp.tracing.compounds
import lrp.tracing.recurrent  # noqa: F401  (each fills the expansions)
from lrp.compiler import Compiler, Program, Refused, is_random
from lrp.composites import Composite, as_composite
from lrp.errors import LRPError, ModelMismatch, UnsupportedOperation
from lrp.ops.context import Layout, Step
from lrp.propagate import forward, mixes, probe
from lrp.registration import collapsed
from lrp.rules import Flat
from lrp.tracing.agreement import called, check_weights, close
from lrp.tracing.calls import Call
from lrp.tracing.canonizers import alive, canonical
from lrp.tracing.capture import EXPORTING, MODULES, capture, twin
from lrp.tracing.complex_maps import real_maps
from lrp.tracing.content import Content
from lrp.tracing.folding import folded
from lrp.tracing.graph import Graph
from lrp.tracing.hooks import Quiet, hooked, quiet
from lrp.tracing.known import Known, alike, freed, newest
from lrp.tracing.watch import Values, counted, registered


@dataclass(frozen=True)
class Compiled:
    """The steps for one content of the model and one state of its parameters."""

    graph: Graph
    values: Values
    program: Program
    flat: Program | None
    layouts: Mapping[int, Layout]
    base: Program
    """The program for every size of inputs; in that for one size, steps that mix samples are refused."""


@dataclass
class _Captured:
    """One captured graph, what the model was made of then, and the newest compilation."""

    graph: Graph
    content: Content
    examples: Call | None  # for the first compilation
    fixed: bool  # the graph holds parameters as constants: a patched forward that calls the original module
    compiled: Compiled | None = None
    agreed: bool = False
    layouts: tuple[Mapping[int, Layout], Mapping[int, Step]] | None = None
    owners: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)

    def current(self, model: nn.Module) -> Compiled | None:
        """The compiled steps if they are those of the model as it is."""
        compiled = self.compiled
        if compiled is None or not self.content.guards.same() or not compiled.values.same():
            return None
        if self.fixed and self.content.modes != [module.training for module in model.modules()]:
            return None
        return compiled

    def twice(self) -> tuple[Tensor, ...]:
        """Examples with two samples where the batch size is free."""
        assert self.examples is not None
        if not self.graph.batch_symbols:
            return self.examples.tensors

        def doubled(x: Tensor) -> Tensor:
            return torch.cat([x[:1], x[:1]])

        return self.examples.change(doubled, batched=True).tensors


class Live:
    """The steps of one model under one composite, as the model is at every call of `at`."""

    def __init__(
        self,
        model: nn.Module,
        composite: Composite,
    ) -> None:
        self.model, self.composite = model, composite
        self._lock = threading.RLock()
        self._entries: dict[Any, _Captured] = {}
        self._known = Known(model)

    def at(self, call: Call) -> Compiled:
        """The steps for inputs like these. Raises what capture and compilation raise, and ModelMismatch."""
        entry = self._for(call)
        compiled = entry.current(self.model) if entry is not None and entry.agreed else None
        if compiled is not None and entry is not None and entry.content.complete:
            return compiled
        with self._lock, EXPORTING, torch.inference_mode(False), torch.no_grad():
            entry = self._refreshed(call)
            compiled = self._compiled(entry)
            if entry.agreed and entry.content.complete:
                return compiled
            if not self._agrees(entry, compiled, call):
                self._entries.clear()
                entry = self._capture(call, Content(self.model), anew=True)
                compiled = self._compiled(entry)
                if not self._agrees(entry, compiled, call):
                    self._entries.clear()
                    raise ModelMismatch(
                        f"the captured operations of {type(self.model).__name__} give other outputs than the model "
                        "itself: it depends on something that cannot be captured"
                    )
            entry.agreed = True
            return compiled

    def differentiable(self, call: Call) -> Compiled:
        """The steps with the parameters themselves in them, so that what they compute can be differentiated.

        They are compiled for one explanation, after those without history have been compared with the model.
        """
        known = self.at(call)
        with self._lock, EXPORTING, torch.inference_mode(False), torch.enable_grad():
            entry = self._for(call)
            tensors = known.graph.constants if entry is None else self._tensors(entry)
            program = Compiler(known.graph, tensors, self.composite, self.model).compile()
            steps = dict(program.steps)
            for index, step in known.program.steps.items():
                if isinstance(step, Refused):
                    steps[index] = step
            program = replace(program, steps=steps)
            flat = known.flat
            if flat is not None:
                composite = as_composite(Flat(bias="uniform"))
                flat = Compiler(known.graph, tensors, composite, self.model).compile()
            return replace(known, program=program, flat=flat)

    def _for(self, call: Call) -> _Captured | None:
        form = (call.form, call.sizes)
        return self._entries.get((None, form)) or self._entries.get((call.batch, form))

    def _refreshed(self, call: Call) -> _Captured:
        """The capture of the model as it is, made anew where its content has changed."""
        entry = self._for(call)
        if (
            entry is not None
            and entry.content.guards.same()
            and (not entry.fixed or entry.current(self.model))
        ):
            return entry
        content = Content(self.model)
        if entry is not None and entry.content.facts == content.facts and not entry.fixed:
            entry.content, entry.compiled, entry.owners = content, None, {}
            entry.agreed = False
            return entry
        self._entries.clear()
        return self._capture(call, content)

    def _capture(
        self,
        call: Call,
        content: Content,
        anew: bool = False,
    ) -> _Captured:
        """Captures the model for inputs of this size; if its batch size is free, for every one."""
        kinds = tuple((x.dtype, x.device) for x in call.tensors)
        key = (call.form, call.batched, kinds, tuple(sorted(MODULES.items())), content.facts)
        known = [] if anew else self._known.of(key)
        shapes = [x.shape for x in call.tensors]
        graph = next((graph for graph in known if graph is not None and graph.takes(shapes)), None)
        entry = None if graph is None else self._entry(graph, content, call)
        if entry is None and known and None not in known:
            entry = self._freed(call, content, known[0])
            graph = None if entry is None else entry.graph
            self._known.add(key, graph, content)
        if entry is None:
            entry = self._first(call, content, frozenset() if anew else self._quiet(call))
            self._known.add(key, entry.graph, content)
        self._compiled(entry)
        entry.examples = None
        batch = None if entry.graph.batch_symbols else call.batch
        self._entries = newest({**self._entries, (batch, (call.form, call.sizes)): entry})
        return entry

    def _first(self, call: Call, content: Content, quiet: Quiet) -> _Captured:
        """A capture for every batch size, or for this one where the model needs it (it counts its samples)."""
        try:
            found = self._entry(self._graph(call, quiet), content, call)
            if not (found.graph.batch_symbols and mixes(self._compiled(found).program)):
                return found
            refusal = None
        except Exception as error:
            lost = isinstance(error, LRPError) and not getattr(error, "of_batch", False)
            if lost or "data-dependent" in str(error):
                raise
            refusal = error
        try:
            fixed = self._entry(self._graph(call, quiet, fixed=True), content, call)
            if not mixes(self._compiled(fixed).program):
                return fixed
        except Exception as error:
            raise refusal or error from None
        if refusal is not None:
            raise refusal
        return found

    def _entry(
        self,
        graph: Graph,
        content: Content,
        call: Call,
    ) -> _Captured:
        places = {
            t.untyped_storage().data_ptr()
            for t in registered(self.model)
            if t.layout == torch.strided
        }
        fixed = any(t.untyped_storage().data_ptr() in places for t in graph.constants.values())
        return _Captured(graph, content, call.change(Tensor.clone), fixed)

    def _graph(
        self,
        call: Call,
        quiet: Quiet,
        free: Sequence[frozenset[int]] = (),
        fixed: bool = False,
    ) -> Graph:
        """The captured operations in the form that the compiler knows."""
        types = {
            p: f"{type(m).__module__}.{type(m).__qualname__}" for p, m in self.model.named_modules()
        }
        captured = capture(self.model, call, quiet, free, fixed)
        return folded(alive(real_maps(canonical(collapsed(captured, types)))))

    def _freed(
        self,
        call: Call,
        content: Content,
        other: Graph | None,
    ) -> _Captured | None:
        """A capture for this size and others, where that of another one is known; None if the model has none."""
        dims = None if other is None else freed(other, call)
        if other is None or dims is None:
            return None
        try:
            entry = self._entry(self._graph(call, self._quiet(call), dims), content, call)
            program = self._compiled(entry).program
        except Exception:
            return None
        refused = any(isinstance(step, Refused) for step in program.steps.values())
        return None if refused or entry.fixed or not alike(entry.graph, other) else entry

    def _tensors(self, entry: _Captured) -> dict[str, Tensor]:
        """The parameters, buffers and constants that the graph reads, as the model holds them now."""
        if not entry.owners:
            modules = dict(self.model.named_modules(remove_duplicate=False))
            for name in dict.fromkeys(name for node in entry.graph.nodes for name in node.params):
                path, _, leaf = name.rpartition(".")
                module = modules.get(path)
                held: tuple[dict[str, Any], ...] = (
                    (module._parameters, module._buffers) if module is not None else ()
                )
                own = next((d for d in held if leaf in d), None)
                entry.owners[name] = (entry.graph.constants, name) if own is None else (own, leaf)
        return {name: own[leaf] for name, (own, leaf) in entry.owners.items()}

    def _compiled(self, entry: _Captured) -> Compiled:
        """The compiled steps; compiled again when a parameter of the model has changed since."""
        compiled = entry.compiled
        if compiled is not None and compiled.values.same():
            return compiled
        with torch.inference_mode(False), torch.no_grad():
            values, graph = Values(counted(self.model)), entry.graph
            tensors = self._tensors(entry)
            check_weights(tensors)
            base, flat = self._programs(graph, tensors)
            program = base
            layouts: Mapping[int, Layout] = {}
            if not base.whole:
                layouts, mixing = entry.layouts or probe(base, entry.twice())
                entry.layouts = layouts, mixing
                program = replace(base, steps={**base.steps, **mixing})
                program.check()
            entry.compiled = Compiled(graph, values, program, flat, layouts, base)
            return entry.compiled

    def _programs(
        self,
        graph: Graph,
        tensors: Mapping[str, Tensor],
    ) -> tuple[Program, Program | None]:
        """The program, and the flat one if bias relevance is projected; for all sizes of one graph the same ones."""
        for entry in self._entries.values():
            known = entry.current(self.model) if entry.graph is graph else None
            if known is not None:
                return known.base, known.flat
        program = Compiler(graph, tensors, self.composite, self.model).compile()
        if all(getattr(step, "mode", None) != "project" for step in program.steps.values()):
            return program, None
        evenly = as_composite(Flat(bias="uniform"))
        return program, Compiler(graph, tensors, evenly, self.model).compile()

    def _called(self, call: Call) -> tuple[Tensor, ...]:
        """What the model itself returns, in eval mode."""
        return called(twin(self.model, buffers=True), call)

    def _quiet(self, call: Call) -> Quiet:
        """The model's hooks that only look on."""
        if not hooked(self.model):
            return frozenset()
        try:
            return quiet(twin(self.model, buffers=True), lambda other: called(other, call))
        except Exception:
            return frozenset()

    def refusal(self, call: Call) -> str | None:
        """What the model itself says to inputs that it does not take; None if it takes them."""
        with EXPORTING, torch.inference_mode(False), torch.no_grad():
            try:
                self._called(call)
            except Exception as error:
                return " ".join(str(error).split())[:200] or type(error).__name__
        return None

    def _agrees(self, entry: _Captured, compiled: Compiled, call: Call) -> bool:
        """Whether the graph gives the model's outputs: run on a copy of the model in eval mode, on few samples."""
        graph, program = compiled.graph, compiled.program
        if entry.fixed and any(entry.content.modes):
            return True
        if graph.batch_symbols and not program.whole:
            call = call.change(lambda x: x[:2], batched=True)
        try:
            wanted = self._called(call)
        except Exception as error:
            name, reason = type(self.model).__name__, str(error)[:200]
            raise UnsupportedOperation("calling", name, reason) from error
        steps = program.path(tuple(i for i in graph.outputs if i in program.steps))
        run = forward(program, steps, call.tensors, compiled.layouts)
        same = []
        for index, value in zip(graph.outputs, wanted, strict=False):
            drawn = any(is_random(step.node) for step in program.path((index,)))
            same.append(drawn or close(run.values[index], value))
        return len(wanted) == len(graph.outputs) and all(same)
