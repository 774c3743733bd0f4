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

aten = torch.ops.aten


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
    writer: Writer, node: Node, label: str, own: Sequence[Any], biased: bool, out: int
) -> Weights:
    """Weights from what torch lists for one direction: w_ih, w_hh, then b_ih, b_hh, then w_hr of an LSTM."""
    w_ih, w_hh = own[:2]
    b_ih, b_hh = (own[2], own[3]) if biased else (None, None)
    projection = own[-1] if len(own) in (3, 5) else None
    joint = bias = None
    if "gru" not in node.operation:
        joint = writer.emit(
            node, f"{label}weight", "aten.cat.default", aten.cat.default, ([w_ih, w_hh], 1), None
        )
        if biased:
            bias = writer.emit(
                node, f"{label}bias", "aten.add.Tensor", aten.add.Tensor, (b_ih, b_hh), None
            )
    return Weights(w_ih, w_hh, b_ih, b_hh, projection, joint, bias, out)


class _Cell:
    """Emits the nodes of one direction of one layer."""

    def __init__(self, writer: Writer, node: Node, label: str, width: int, batch: Size) -> None:
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
        function: Any,
        *args: Any,
        width: int | None = None,
    ) -> Ref:
        """A node at one time step, of shape [B, width]."""
        full = f"{self.label}t{step}.{name}"
        return self.writer.emit(
            self.node, full, operation, function, args, (self.batch, width or self.width)
        )

    def part(self, step: int, name: str, whole: Ref, place: int) -> Ref:
        """One gate's rows of a pre-activation."""
        start = place * self.width
        return self.emit(
            step, name, "aten.narrow.default", aten.narrow.default, whole, 1, start, self.width
        )

    def sigmoid(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.sigmoid.default", aten.sigmoid.default, z)

    def tanh(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.tanh.default", aten.tanh.default, z)

    def gated(self, step: int, name: str, signal: Ref, gate: Ref) -> Ref:
        return self.emit(step, name, "lrp.gated", torch.mul, signal, gate)

    def add(self, step: int, name: str, x: Ref, y: Ref) -> Ref:
        return self.emit(step, name, "aten.add.Tensor", aten.add.Tensor, x, y)


def _lstm_step(
    cell: _Cell, t: int, x: Ref, h: Ref | None, c: Ref | None, weights: Weights, inputs: int
) -> tuple[Ref, Ref]:
    """i, f, g, o = rows of W [x, h] + b;  c = f·c + i·g;  h = o·tanh(c), projected where W_hr is given.

    h and c are None where they start at zero.
    """
    joint, w_ih, b, projection = weights.joint, weights.w_ih, weights.bias, weights.projection
    width = cell.width
    if h is None:
        z = cell.emit(
            t, "gates", "aten.linear.default", aten.linear.default, x, w_ih, b, width=4 * width
        )
    else:
        both = cell.emit(
            t, "xh", "aten.cat.default", aten.cat.default, [x, h], 1, width=inputs + weights.out
        )
        z = cell.emit(
            t, "gates", "aten.linear.default", aten.linear.default, both, joint, b, width=4 * width
        )
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
        shown = cell.emit(
            t, "projected", "aten.linear.default", aten.linear.default, shown, projection, width=out
        )
    return shown, kept


def _elman_step(
    cell: _Cell, t: int, x: Ref, h: Ref | None, weights: Weights, inputs: int, rectified: bool
) -> Ref:
    """h = tanh or relu of W [x, h] + b."""
    if h is None:
        z = cell.emit(
            t, "z", "aten.linear.default", aten.linear.default, x, weights.w_ih, weights.bias
        )
    else:
        both = cell.emit(
            t, "xh", "aten.cat.default", aten.cat.default, [x, h], 1, width=inputs + cell.width
        )
        z = cell.emit(
            t, "z", "aten.linear.default", aten.linear.default, both, weights.joint, weights.bias
        )
    return (
        cell.emit(t, "h", "aten.relu.default", aten.relu.default, z)
        if rectified
        else cell.tanh(t, "h", z)
    )


def _gru_step(cell: _Cell, t: int, x: Ref, h: Ref | None, weights: Weights, start: Ref) -> Ref:
    """r, z = σ(..);  n = tanh(W x + b + r·(W h + b));  h = n − z·n + z·h."""
    w_ih, b_ih, w_hh, b_hh = weights.w_ih, weights.b_ih, weights.w_hh, weights.b_hh
    width = cell.width
    zi = cell.emit(
        t, "x", "aten.linear.default", aten.linear.default, x, w_ih, b_ih, width=3 * width
    )
    before = start if h is None else h
    zh = cell.emit(
        t, "hidden", "aten.linear.default", aten.linear.default, before, w_hh, b_hh, width=3 * width
    )
    (ri, ui, ni), (rh, uh, nh) = (
        [cell.part(t, f"{name}{side}", z, place) for place, name in enumerate("rzn")]
        for side, z in (("x", zi), ("h", zh))
    )
    reset = cell.sigmoid(t, "r", cell.add(t, "zr", ri, rh))
    update = cell.sigmoid(t, "z", cell.add(t, "zz", ui, uh))
    new = cell.tanh(t, "n", cell.add(t, "zn", ni, cell.gated(t, "reset", nh, reset)))
    rest = cell.emit(t, "keep", "lrp.complement", complement, update)
    out = cell.gated(t, "new", new, rest)
    return out if h is None else cell.add(t, "h", out, cell.gated(t, "kept", h, update))


def complement(gate: torch.Tensor) -> torch.Tensor:
    """1 − gate."""
    return 1 - gate


def _recurrent(writer: Writer, node: Node) -> Any:
    """(output, h_n) or (output, h_n, c_n) as new references."""
    lstm = node.operation == "aten.lstm.input"
    x, states, params, biased, layers, dropout, training, both, batch_first = writer.moved(
        node.args
    )
    states = list(states) if lstm else [states]
    if dropout and training:
        raise UnsupportedOperation(
            node.operation, node.module, "dropout that stays on in eval mode is random"
        )
    if isinstance(x, Ref) and len(writer.shape(x)) != 3:
        raise UnsupportedOperation(node.operation, node.module, "an input without batch")
    time, directions = (1 if batch_first else 0), (2 if both else 1)
    shape = writer.shape(x)
    length, batch = int(shape[time]), shape[1 - time]
    each = len(params) // (layers * directions)
    zero = all(
        isinstance(s, Ref) and writer.nodes[s.index].operation.startswith("aten.zeros")
        for s in states
    )
    sequence = [
        writer.emit(
            node, f"x{t}", "aten.select.int", aten.select.int, (x, time, t), (batch, shape[2])
        )
        for t in range(length)
    ]
    inputs, width = int(shape[2]), int(writer.shape(states[-1])[2])
    out = int(writer.shape(states[0])[2])
    last: list[list[Ref]] = [[], []]
    for layer in range(layers):
        halves = []
        for direction in range(directions):
            place = layer * directions + direction
            label = f"l{layer}{'r' if direction else ''}."
            weights = _weights(
                writer, node, label, params[place * each : (place + 1) * each], biased, out
            )
            cell = _Cell(writer, node, label, width, batch)
            halves.append(
                _run(cell, sequence, weights, states, place, zero, inputs, last, direction == 1)
            )
        if directions == 1:
            sequence = halves[0]
        else:
            shape_both = (batch, 2 * out)
            sequence = [
                writer.emit(
                    node,
                    f"l{layer}.both{t}",
                    "aten.cat.default",
                    aten.cat.default,
                    ([a, b], 1),
                    shape_both,
                )
                for t, (a, b) in enumerate(zip(*halves, strict=True))
            ]
        inputs = out * directions
    sizes: list[Size] = [length, batch, inputs] if time == 0 else [batch, length, inputs]
    whole = writer.emit(
        node, "output", "aten.stack.default", aten.stack.default, (sequence, time), sizes
    )
    stacked = tuple(
        writer.emit(
            node,
            name,
            "aten.stack.default",
            aten.stack.default,
            (found, 0),
            (len(found), batch, size),
        )
        for name, found, size in zip(("h_n", "c_n"), last, (out, width), strict=True)
        if found
    )
    return (whole, *stacked)


def _run(
    cell: _Cell,
    sequence: Sequence[Ref],
    weights: Weights,
    states: Sequence[Any],
    place: int,
    zero: bool,
    inputs: int,
    last: list[list[Ref]],
    backwards: bool,
) -> list[Ref]:
    """The hidden states of one direction of one layer, in order of time."""
    operation = cell.node.operation
    sizes = (weights.out, cell.width)
    start = [
        cell.writer.emit(
            cell.node,
            f"{cell.label}start{i}",
            "aten.select.int",
            aten.select.int,
            (s, 0, place),
            (cell.batch, size),
        )
        for i, (s, size) in enumerate(zip(states, sizes, strict=False))
    ]
    h: Ref | None = None if zero else start[0]
    c: Ref | None = None if zero or len(start) == 1 else start[1]
    found: dict[int, Ref] = {}
    order = range(len(sequence) - 1, -1, -1) if backwards else range(len(sequence))
    for t in order:
        if "lstm" in operation:
            h, c = _lstm_step(cell, t, sequence[t], h, c, weights, inputs)
        elif "gru" in operation:
            h = _gru_step(cell, t, sequence[t], h, weights, start[0])
        else:
            h = _elman_step(cell, t, sequence[t], h, weights, inputs, "relu" in operation)
        found[t] = h
    assert h is not None
    last[0].append(h)
    if c is not None:
        last[1].append(c)
    return [found[t] for t in range(len(sequence))]


def _one_step(writer: Writer, node: Node) -> Any:
    """LSTMCell as (h, c); GRUCell and RNNCell as h."""
    x, states, w_ih, w_hh, b_ih, b_hh = (*writer.moved(node.args), None, None)[:6]
    lstm = "lstm" in node.operation
    h, c = states if lstm else (states, None)
    if len(writer.shape(x)) != 2:
        raise UnsupportedOperation(node.operation, node.module, "an input without batch")
    width, inputs = int(writer.shape(h)[1]), int(writer.shape(x)[1])
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
