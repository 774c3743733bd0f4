"""LSTM, GRU and Elman nets, whole or as cells, unrolled into their equations: products and affine layers explain them.

Arras et al. 2019 ("Explaining and interpreting LSTMs"): in a product gate · signal the signal takes all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lrp.errors import UnsupportedOperation
from lrp.tracing.canonizers import EXPANSIONS, Size, Writer
from lrp.tracing.graph import Node, Ref


@dataclass(frozen=True)
class Weights:
    """Parameters of one direction of one layer; `joint` is [W_ih, W_hh], `bias` the sum of both, `out` h's size."""

    w_ih: Any
    w_hh: Any
    b_ih: Any
    b_hh: Any
    projection: Any
    joint: Any
    bias: Any
    out: int


def _weights(
    writer: Writer,
    node: Node,
    label: str,
    own: Sequence[Any],
    biased: bool,
    out: int,
) -> Weights:
    """Weights from what torch lists for one direction: w_ih, w_hh, then b_ih, b_hh, then w_hr of an LSTM."""
    w_ih, w_hh = own[:2]
    b_ih, b_hh = (own[2], own[3]) if biased else (None, None)
    projection = own[-1] if len(own) in (3, 5) else None
    joint = bias = None
    if "gru" not in node.operation:
        joint = writer.emit(node, f"{label}weight", "aten.cat", ([w_ih, w_hh], 1), None)
        if biased:
            bias = writer.emit(node, f"{label}bias", "aten.add.Tensor", (b_ih, b_hh), None)
    return Weights(w_ih, w_hh, b_ih, b_hh, projection, joint, bias, out)


class _Cell:
    """Emits the nodes of one direction of one layer."""

    def __init__(
        self,
        writer: Writer,
        node: Node,
        label: str,
        width: int,
        batch: Size,
    ) -> None:
        self.writer, self.node, self.label, self.width, self.batch = (
            writer,
            node,
            label,
            width,
            batch,
        )

    def emit(
        self,
        step: int,
        name: str,
        operation: str,
        *args: Any,
        width: int | None = None,
        function: Any = None,
    ) -> Ref:
        """A node at one time step, of shape [B, width]."""
        full = f"{self.label}t{step}.{name}"
        return self.writer.emit(
            self.node, full, operation, args, (self.batch, width or self.width), function
        )

    def part(self, step: int, name: str, whole: Ref, place: int) -> Ref:
        """One gate's rows of a pre-activation."""
        start = place * self.width
        return self.emit(step, name, "aten.narrow", whole, 1, start, self.width)

    def sigmoid(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.sigmoid", z)

    def tanh(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.tanh", z)

    def gated(self, step: int, name: str, signal: Ref, gate: Ref) -> Ref:
        return self.emit(step, name, "lrp.gated", signal, gate, function=torch.mul)

    def add(self, step: int, name: str, x: Ref, y: Ref) -> Ref:
        return self.emit(step, name, "aten.add.Tensor", x, y)


def _lstm_step(
    cell: _Cell,
    t: int,
    x: Ref,
    h: Ref | None,
    c: Ref | None,
    weights: Weights,
    inputs: int,
) -> tuple[Ref, Ref]:
    """i, f, g, o = rows of W [x, h] + b;  c = f·c + i·g;  h = o·tanh(c), projected where W_hr is given.

    h and c are None where they start at zero.
    """
    joint, w_ih, b, projection = weights.joint, weights.w_ih, weights.bias, weights.projection
    width = cell.width
    if h is None:
        z = cell.emit(t, "gates", "aten.linear", x, w_ih, b, width=4 * width)
    else:
        both = cell.emit(t, "xh", "aten.cat", [x, h], 1, width=inputs + weights.out)
        z = cell.emit(t, "gates", "aten.linear", both, joint, b, width=4 * width)
    i, f, g, o = (
        cell.part(t, name, z, place) for place, name in enumerate(("zi", "zf", "zg", "zo"))
    )
    signal = cell.tanh(t, "g", g)
    kept = cell.gated(t, "new", signal, cell.sigmoid(t, "i", i))
    if c is not None:
        kept = cell.add(t, "c", cell.gated(t, "kept", c, cell.sigmoid(t, "f", f)), kept)
    shown = cell.gated(t, "h", cell.tanh(t, "tanh", kept), cell.sigmoid(t, "o", o))
    if projection is not None:
        out = weights.out
        shown = cell.emit(t, "projected", "aten.linear", shown, projection, width=out)
    return shown, kept


def _elman_step(
    cell: _Cell,
    t: int,
    x: Ref,
    h: Ref | None,
    weights: Weights,
    inputs: int,
    rectified: bool,
) -> Ref:
    """h = tanh or relu of W [x, h] + b."""
    if h is None:
        z = cell.emit(t, "z", "aten.linear", x, weights.w_ih, weights.bias)
    else:
        both = cell.emit(t, "xh", "aten.cat", [x, h], 1, width=inputs + cell.width)
        z = cell.emit(t, "z", "aten.linear", both, weights.joint, weights.bias)
    return cell.emit(t, "h", "aten.relu", z) if rectified else cell.tanh(t, "h", z)


def _gru_step(
    cell: _Cell,
    t: int,
    x: Ref,
    h: Ref | None,
    weights: Weights,
    start: Ref,
) -> Ref:
    """r, z = σ(..);  n = tanh(W x + b + r·(W h + b));  h = n − z·n + z·h."""
    w_ih, b_ih, w_hh, b_hh = weights.w_ih, weights.b_ih, weights.w_hh, weights.b_hh
    width = cell.width
    zi = cell.emit(t, "x", "aten.linear", x, w_ih, b_ih, width=3 * width)
    before = start if h is None else h
    zh = cell.emit(t, "hidden", "aten.linear", before, w_hh, b_hh, width=3 * width)
    (ri, ui, ni), (rh, uh, nh) = (
        [cell.part(t, f"{name}{side}", z, place) for place, name in enumerate("rzn")]
        for side, z in (("x", zi), ("h", zh))
    )
    reset = cell.sigmoid(t, "r", cell.add(t, "zr", ri, rh))
    update = cell.sigmoid(t, "z", cell.add(t, "zz", ui, uh))
    new = cell.tanh(t, "n", cell.add(t, "zn", ni, cell.gated(t, "reset", nh, reset)))
    rest = cell.emit(t, "keep", "lrp.complement", update, function=complement)
    out = cell.gated(t, "new", new, rest)
    return out if h is None else cell.add(t, "h", out, cell.gated(t, "kept", h, update))


def complement(gate: torch.Tensor) -> torch.Tensor:
    """1 − gate."""
    return 1 - gate


def _recurrent(writer: Writer, node: Node) -> Any:
    """(output, h_n) or (output, h_n, c_n) as new references."""
    arguments = writer.moved(node.args)
    x, states, params, biased, layers, dropout, training, both, batch_first = arguments
    states = list(states) if node.operation == "aten.lstm.input" else [states]
    if dropout and training:
        reason = "dropout that stays on in eval mode is random"
        raise UnsupportedOperation(node.operation, node.module, reason)
    shape, time, directions = writer.shape(x), (1 if batch_first else 0), (2 if both else 1)
    if len(shape) != 3:
        raise UnsupportedOperation(node.operation, node.module, "an input without batch")
    length = int(shape[time])
    batch = shape[1 - time]
    each = len(params) // (layers * directions)
    out = int(writer.shape(states[0])[2])
    width = int(writer.shape(states[-1])[2])
    sequence = []
    for t in range(length):
        sizes = (batch, shape[2])
        sequence.append(writer.emit(node, f"x{t}", "aten.select.int", (x, time, t), sizes))
    last: list[list[Ref]] = [[], []]
    for layer in range(layers):
        halves = []
        for direction in range(directions):
            place = layer * directions + direction
            label = f"l{layer}{'r' if direction else ''}."
            own = params[place * each : (place + 1) * each]
            cell = _Cell(writer, node, label, width, batch)
            weights = _weights(writer, node, label, own, biased, out)
            starts = _starts(cell, states, place, (out, width))
            hidden, states_at_end = _run(cell, sequence, weights, starts, direction == 1)
            halves.append(hidden)
            for found, state in zip(last, states_at_end, strict=False):
                found.append(state)
        sequence = halves[0] if directions == 1 else _side_by_side(cell, layer, halves, out)
    return _results(cell, sequence, last, time, (out, width))


def _side_by_side(cell: _Cell, layer: int, halves: list[list[Ref]], out: int) -> list[Ref]:
    """Both directions' hidden states at each time step as one."""
    made = []
    for t, pair in enumerate(zip(*halves, strict=True)):
        name = f"l{layer}.both{t}"
        shape = (cell.batch, 2 * out)
        made.append(cell.writer.emit(cell.node, name, "aten.cat", (list(pair), 1), shape))
    return made


def _results(
    cell: _Cell,
    sequence: list[Ref],
    last: list[list[Ref]],
    time: int,
    widths: tuple[int, int],
) -> tuple[Ref, ...]:
    """The whole output, and the states at its end."""
    batch = cell.batch
    size = cell.writer.shape(sequence[0])[1]
    sizes: list[Size] = [batch, size]
    sizes.insert(time, len(sequence))
    made = [cell.writer.emit(cell.node, "output", "aten.stack", (sequence, time), sizes)]
    for name, found, width in zip(("h_n", "c_n"), last, widths, strict=True):
        if found:
            shape = (len(found), batch, width)
            made.append(cell.writer.emit(cell.node, name, "aten.stack", (found, 0), shape))
    return tuple(made)


@dataclass(frozen=True)
class Starts:
    """The states before the first step, and whether they are zeros that need no product."""

    states: list[Ref]
    zero: bool


def _starts(
    cell: _Cell,
    states: Sequence[Any],
    place: int,
    widths: tuple[int, int],
) -> Starts:
    zero = all(
        isinstance(s, Ref) and cell.writer.nodes[s.index].operation.startswith("aten.zeros")
        for s in states
    )
    made = []
    for i, (state, width) in enumerate(zip(states, widths, strict=False)):
        name = f"{cell.label}start{i}"
        shape = (cell.batch, width)
        select = (state, 0, place)
        made.append(cell.writer.emit(cell.node, name, "aten.select.int", select, shape))
    return Starts(made, zero)


def _run(
    cell: _Cell,
    sequence: Sequence[Ref],
    weights: Weights,
    starts: Starts,
    backwards: bool,
) -> tuple[list[Ref], tuple[Ref, ...]]:
    """The hidden states of one direction of one layer, in order of time, and the states at its end."""
    operation = cell.node.operation
    inputs = int(cell.writer.shape(sequence[0])[1])
    known = [None, None] if starts.zero else [*starts.states, None]
    h, c = known[:2]
    found: dict[int, Ref] = {}
    places = range(len(sequence))
    for t in reversed(places) if backwards else places:
        if "lstm" in operation:
            h, c = _lstm_step(cell, t, sequence[t], h, c, weights, inputs)
        elif "gru" in operation:
            h = _gru_step(cell, t, sequence[t], h, weights, starts.states[0])
        else:
            h = _elman_step(cell, t, sequence[t], h, weights, inputs, "relu" in operation)
        found[t] = h
    assert h is not None
    return [found[t] for t in places], (h,) if c is None else (h, c)


def _one_step(writer: Writer, node: Node) -> Any:
    """LSTMCell as (h, c); GRUCell and RNNCell as h."""
    x, states, w_ih, w_hh, b_ih, b_hh = (*writer.moved(node.args), None, None)[:6]
    lstm = "lstm" in node.operation
    h, c = states if lstm else (states, None)
    if len(writer.shape(x)) != 2:
        raise UnsupportedOperation(node.operation, node.module, "an input without batch")
    width = int(writer.shape(h)[1])
    inputs = int(writer.shape(x)[1])
    own = [w_ih, w_hh] if b_ih is None else [w_ih, w_hh, b_ih, b_hh]
    weights = _weights(writer, node, "", own, b_ih is not None, width)
    cell = _Cell(writer, node, "", width, writer.shape(x)[0])
    if lstm:
        return _lstm_step(cell, 0, x, h, c, weights, inputs)
    if "gru" in node.operation:
        return _gru_step(cell, 0, x, h, weights, h)
    return _elman_step(cell, 0, x, h, weights, inputs, "relu" in node.operation)


for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    EXPANSIONS[f"aten.{_name}.input"] = _recurrent
    EXPANSIONS[f"aten.{_name}_cell.default"] = _one_step
