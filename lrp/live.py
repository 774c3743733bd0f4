"""A model captured and compiled, kept true to the model as it is: what changed is captured or compiled again."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

import lrp.tracing.attention
import lrp.tracing.bags
import lrp.tracing.recurrent
import lrp.tracing.similarity  # noqa: F401  (each fills the expansions)
from lrp.compiler import Compiler, Program, Refused, finite
from lrp.composites import Composite, as_composite
from lrp.errors import ModelMismatch, UnsupportedOperation
from lrp.ops.context import Layout, Step
from lrp.propagate import forward, probe
from lrp.registration import collapsed
from lrp.rules import Flat
from lrp.tracing.calls import Call, results
from lrp.tracing.canonizers import alive, canonical
from lrp.tracing.capture import EXPORTING, MODULES, capture, twin
from lrp.tracing.complex_maps import real_maps
from lrp.tracing.content import Content
from lrp.tracing.folding import folded
from lrp.tracing.graph import Graph
from lrp.tracing.hooks import Quiet, hooked, quiet
from lrp.tracing.watch import Values, registered

KEPT = 4
"""Graphs that are remembered for one model, for the next explainers of the same model with the same content."""
SIZES = 8
"""Sizes of inputs for which one explainer keeps a graph; of more, the newest."""
_LOCK = threading.Lock()
_KNOWN: weakref.WeakKeyDictionary[nn.Module, list[tuple[Any, Graph]]] = weakref.WeakKeyDictionary()
TOLERANCE = {torch.float64: 1e-7, torch.float32: 2e-3}
"""How far the graph's outputs may lie from the model's, of the largest one; 0.1 for shorter types."""


@dataclass(frozen=True)
class Compiled:
    """The steps for one content of the model and one state of its parameters."""

    graph: Graph
    values: Values
    program: Program
    flat: Program | None
    layouts: Mapping[int, Layout]


@dataclass
class _Captured:
    """One captured graph, what the model was made of then, and the newest compilation."""

    graph: Graph
    content: Content
    examples: Call
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
        key = (
            (call.form, call.sizes, tuple((x.dtype, x.device) for x in call.tensors)),
            tuple(sorted(MODULES.items())),
            content.facts,
        )
        with _LOCK:
            known = _KNOWN.setdefault(self.model, [])
            found = None if anew else next((graph for other, graph in known if other == key), None)
        if found is None or not (found.batch_symbols or found.input_shapes[0][0] == call.batch):
            types = {
                p: f"{type(m).__module__}.{type(m).__qualname__}"
                for p, m in self.model.named_modules()
            }
            quiet = frozenset() if anew else self._quiet(call)
            found = real_maps(canonical(collapsed(capture(self.model, call, quiet), types)))
            found = folded(alive(found))
        places = {
            t.untyped_storage().data_ptr()
            for t in registered(self.model)
            if t.layout == torch.strided
        }
        fixed = any(t.untyped_storage().data_ptr() in places for t in found.constants.values())
        if content.complete and not content.own and not found.constants:
            with _LOCK:
                known.append((key, found))
                del known[:-KEPT]
        entry = _Captured(found, content, call.change(Tensor.clone), fixed)
        self._compiled(entry)
        batch = None if found.batch_symbols else call.batch
        entries = {**self._entries, (batch, (call.form, call.sizes)): entry}
        self._entries = dict(list(entries.items())[-SIZES:])
        return entry

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
            values, tensors, graph = (
                Values(registered(self.model)),
                self._tensors(entry),
                entry.graph,
            )
            finite(tensors)
            program = Compiler(graph, tensors, self.composite, self.model).compile()
            flat = None
            if any(getattr(step, "mode", None) == "project" for step in program.steps.values()):
                flat = Compiler(
                    graph, tensors, as_composite(Flat(bias="uniform")), self.model
                ).compile()
            layouts: Mapping[int, Layout] = {}
            if not graph.batch_first and not program.whole:
                layouts, mixing = entry.layouts or probe(program, entry.twice())
                entry.layouts = layouts, mixing
                program = replace(program, steps={**program.steps, **mixing})
                program.check()
            entry.compiled = Compiled(graph, values, program, flat, layouts)
            return entry.compiled

    def _called(self, call: Call) -> tuple[Tensor, ...]:
        """What the model itself returns, in eval mode."""
        return _called(twin(self.model, buffers=True), call)

    def _quiet(self, call: Call) -> Quiet:
        """The model's hooks that only look on."""
        if not hooked(self.model):
            return frozenset()
        try:
            return quiet(twin(self.model, buffers=True), lambda other: _called(other, call))
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

    def _agrees(
        self,
        entry: _Captured,
        compiled: Compiled,
        call: Call,
    ) -> bool:
        """Whether the graph gives the model's outputs: run on a copy of the model in eval mode, on few samples."""
        graph, program = compiled.graph, compiled.program
        if any("dropout" in node.operation and True in node.args for node in graph.nodes):
            return True
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
        found = [run.values[i] for i in graph.outputs]
        return len(found) == len(wanted) and all(map(_close, found, wanted))


def _called(
    model: nn.Module,
    call: Call,
) -> tuple[Tensor, ...]:
    """The tensors that a copy of the model returns."""
    given = call.change(Tensor.clone)
    return results(model(*given.args, **given.kwargs))[1]


def _close(
    found: Any,
    wanted: Tensor,
) -> bool:
    """Whether two outputs are equal up to rounding; what is not finite is judged elsewhere."""
    if not isinstance(found, Tensor) or found.shape != wanted.shape:
        return False
    if not bool(torch.isfinite(wanted).all()):
        return True
    if not wanted.is_floating_point():
        return bool((found == wanted).all())
    size = float(wanted.abs().max()) if wanted.numel() else 0.0
    apart = float((found - wanted).abs().max()) if wanted.numel() else 0.0
    return apart <= TOLERANCE.get(wanted.dtype, 0.1) * size + 1e-6
