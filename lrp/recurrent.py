"""LSTM and GRU unrolled into their equations, so that the rules for products and affine layers explain them.

Arras et al. 2019 ("Explaining and interpreting LSTMs"): in a product gate · signal the signal takes all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lrp.canonize import EXPANSIONS, Size, Writer
from lrp.errors import UnsupportedOperation
from lrp.graph import Node, Ref

aten = torch.ops.aten


class _Cell:
    """Emits the nodes of one direction of one layer."""

    def __init__(self, writer: Writer, node: Node, label: str, width: int, batch: Size) -> None:
        self.writer, self.node, self.label, self.width, self.batch = writer, node, label, width, batch

    def emit(self, step: int, name: str, operation: str, function: Any, *args: Any, width: int | None = None) -> Ref:
        """A node at one time step, of shape [B, width]."""
        full = f"{self.label}t{step}.{name}"
        return self.writer.emit(self.node, full, operation, function, args, (self.batch, width or self.width))

    def part(self, step: int, name: str, whole: Ref, place: int) -> Ref:
        """One gate's rows of a pre-activation."""
        start = place * self.width
        return self.emit(step, name, "aten.narrow.default", aten.narrow.default, whole, 1, start, self.width)

    def sigmoid(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.sigmoid.default", aten.sigmoid.default, z)

    def tanh(self, step: int, name: str, z: Ref) -> Ref:
        return self.emit(step, name, "aten.tanh.default", aten.tanh.default, z)

    def gated(self, step: int, name: str, signal: Ref, gate: Ref) -> Ref:
        return self.emit(step, name, "lrp.gated", torch.mul, signal, gate)

    def add(self, step: int, name: str, x: Ref, y: Ref) -> Ref:
        return self.emit(step, name, "aten.add.Tensor", aten.add.Tensor, x, y)


def _lstm_step(
    cell: _Cell, t: int, x: Ref, h: Ref | None, c: Ref | None, weights: Sequence[Any], inputs: int
) -> tuple[Ref, Ref]:
    """i, f, g, o = rows of W [x, h] + b;  c = f·c + i·g;  h = o·tanh(c). h and c are None where they start at zero."""
    joint, w_ih, b = weights[:3]
    width = cell.width
    if h is None:
        z = cell.emit(t, "gates", "aten.linear.default", aten.linear.default, x, w_ih, b, width=4 * width)
    else:
        both = cell.emit(t, "xh", "aten.cat.default", aten.cat.default, [x, h], 1, width=inputs + width)
        z = cell.emit(t, "gates", "aten.linear.default", aten.linear.default, both, joint, b, width=4 * width)
    i, f, g, o = (cell.part(t, name, z, place) for place, name in enumerate(("zi", "zf", "zg", "zo")))
    signal = cell.tanh(t, "g", g)
    kept = cell.gated(t, "new", signal, cell.sigmoid(t, "i", i))
    if c is not None:
        kept = cell.add(t, "c", cell.gated(t, "kept", c, cell.sigmoid(t, "f", f)), kept)
    return cell.gated(t, "h", cell.tanh(t, "tanh", kept), cell.sigmoid(t, "o", o)), kept


def _gru_step(cell: _Cell, t: int, x: Ref, h: Ref | None, weights: Sequence[Any], start: Ref) -> Ref:
    """r, z = σ(..);  n = tanh(W x + b + r·(W h + b));  h = n − z·n + z·h."""
    _, w_ih, _, b_ih, w_hh, b_hh = weights
    width = cell.width
    zi = cell.emit(t, "x", "aten.linear.default", aten.linear.default, x, w_ih, b_ih, width=3 * width)
    before = start if h is None else h
    zh = cell.emit(t, "hidden", "aten.linear.default", aten.linear.default, before, w_hh, b_hh, width=3 * width)
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
    x, states, params, biased, layers, _, _, both, batch_first = writer.moved(node.args)
    states = list(states) if lstm else [states]
    if isinstance(x, Ref) and len(writer.shape(x)) != 3:
        raise UnsupportedOperation(node.operation, node.module, "an input without batch")
    time, directions = (1 if batch_first else 0), (2 if both else 1)
    shape = writer.shape(x)
    length, batch = int(shape[time]), shape[1 - time]
    each = 4 if biased else 2
    if len(params) != each * layers * directions:
        raise UnsupportedOperation(node.operation, node.module, "projections (proj_size)")
    zero = all(isinstance(s, Ref) and writer.nodes[s.index].operation.startswith("aten.zeros") for s in states)
    sequence = [
        writer.emit(node, f"x{t}", "aten.select.int", aten.select.int, (x, time, t), (batch, shape[2]))
        for t in range(length)
    ]
    inputs, width = int(shape[2]), int(writer.shape(states[0])[2])
    last: list[list[Ref]] = [[], []]
    for layer in range(layers):
        halves = []
        for direction in range(directions):
            place = layer * directions + direction
            own = params[place * each : (place + 1) * each]
            label = f"l{layer}{'r' if direction else ''}."
            dims = (inputs, width, batch)
            mirrored = direction == 1
            halves.append(_run(writer, node, label, sequence, own, states, place, zero, dims, lstm, last, mirrored))
        if directions == 1:
            sequence = halves[0]
        else:
            shape_both = (batch, 2 * width)
            sequence = [
                writer.emit(node, f"l{layer}.both{t}", "aten.cat.default", aten.cat.default, ([a, b], 1), shape_both)
                for t, (a, b) in enumerate(zip(*halves, strict=True))
            ]
        inputs = width * directions
    sizes: list[Size] = [length, batch, inputs] if time == 0 else [batch, length, inputs]
    out = writer.emit(node, "output", "aten.stack.default", aten.stack.default, (sequence, time), sizes)
    stacked = tuple(
        writer.emit(node, name, "aten.stack.default", aten.stack.default, (found, 0), (len(found), batch, width))
        for name, found in zip(("h_n", "c_n"), last, strict=True)
        if found
    )
    return (out, *stacked)


def _run(
    writer: Writer, node: Node, label: str, sequence: Sequence[Ref], own: Sequence[Any], states: Sequence[Any],
    place: int, zero: bool, dims: tuple[int, int, Size], lstm: bool, last: list[list[Ref]], backwards: bool,
) -> list[Ref]:  # fmt: skip
    """The hidden states of one direction of one layer, in order of time."""
    inputs, width, batch = dims
    cell = _Cell(writer, node, label, width, batch)
    w_ih, w_hh = own[:2]
    b_ih, b_hh = (own[2], own[3]) if len(own) == 4 else (None, None)
    joint = bias = None
    if lstm:
        joint = writer.emit(node, f"{label}weight", "aten.cat.default", aten.cat.default, ([w_ih, w_hh], 1), None)
    if lstm and b_ih is not None:
        bias = writer.emit(node, f"{label}bias", "aten.add.Tensor", aten.add.Tensor, (b_ih, b_hh), None)
    weights = [joint, w_ih, bias, b_ih, w_hh, b_hh]
    start = [
        writer.emit(node, f"{label}start{i}", "aten.select.int", aten.select.int, (s, 0, place), (batch, width))
        for i, s in enumerate(states)
    ]
    h: Ref | None = None if zero else start[0]
    c: Ref | None = None if zero or not lstm else start[1]
    found: dict[int, Ref] = {}
    order = range(len(sequence) - 1, -1, -1) if backwards else range(len(sequence))
    for t in order:
        if lstm:
            h, c = _lstm_step(cell, t, sequence[t], h, c, weights, inputs)
        else:
            h = _gru_step(cell, t, sequence[t], h, weights, start[0])
        found[t] = h
    assert h is not None
    last[0].append(h)
    if c is not None:
        last[1].append(c)
    return [found[t] for t in range(len(sequence))]


EXPANSIONS["aten.lstm.input"] = _recurrent
EXPANSIONS["aten.gru.input"] = _recurrent
