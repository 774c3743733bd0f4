"""Which ATen operation is which kind of layer, which step it gets, and whether its value is known to be ≥ 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import lrp.recurrent  # noqa: F401  (fills the expansions of LSTM and GRU)
from lrp import builders as build
from lrp.canonize import SPLITS
from lrp.compile import CATALOGUE, Build, Compiler, Operation
from lrp.graph import Node, Ref
from lrp.operations import Activation, Relu, Reshape, Route


def _never(compiler: Compiler, node: Node) -> bool:
    return False


def _always(compiler: Compiler, node: Node) -> bool:
    return True


def _inherited(compiler: Compiler, node: Node) -> bool:
    """≥ 0 if every signal it reads is ≥ 0."""
    return all(ref in compiler.positive for ref in node.refs if ref in compiler.signal)


def _inherited_by_sum(compiler: Compiler, node: Node) -> bool:
    terms = node.args[:2]
    constants = [t for t in terms if not compiler.is_signal(t)]
    positive = all(not isinstance(c, Ref) and bool(torch.as_tensor(c).ge(0).all()) for c in constants)
    return _inherited(compiler, node) and positive and float(node.kwargs.get("alpha", 1)) >= 0


def _inherited_by_product(compiler: Compiler, node: Node) -> bool:
    constants = [a for a in node.args[:2] if not compiler.is_signal(a)]
    return _inherited(compiler, node) and all(not isinstance(c, (Tensor, Ref)) and c >= 0 for c in constants)


def _add(
    names: Sequence[str], kind: str, make: Build, nonnegative: Callable[[Compiler, Node], bool] = _never
) -> None:
    for name in names:
        CATALOGUE[name] = Operation(kind, make, nonnegative)


for _n in (1, 2, 3):
    _add([f"aten.conv{_n}d.default", f"aten.conv{_n}d.padding"], "conv", build.convolution(_n, False))
    _add([f"aten.conv_transpose{_n}d.{'default' if _n == 1 else 'input'}"], "conv", build.convolution(_n, True))
    _add([f"aten.max_pool{_n}d.default"], "maxpool", build.max_pool(_n), _inherited)
    _add([f"aten.avg_pool{_n}d.default", f"aten.adaptive_avg_pool{_n}d.default"], "average", build.mean, _inherited)
_add(["aten.linear.default"], "linear", build.linear)
_add(["aten.addmm.default"], "linear", build.addmm)
_add(["aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default"], "norm", build.batch_norm)
_add(["aten.add.Tensor"], "sum", build.signed_sum(1), _inherited_by_sum)
_add(["aten.sub.Tensor"], "sum", build.signed_sum(-1))
for _name in ("mean.dim", "mean.default", "sum.dim_IntList", "sum.default"):
    _add([f"aten.{_name}"], "average", build.mean, _inherited)
_add(["aten.neg.default", "aten.cumsum.default"], "average", build.mean)
_add(["aten.mul.Tensor", "aten.mul.Scalar"], "product", build.product, _inherited_by_product)
_add(["aten.div.Tensor", "aten.div.Scalar"], "product", build.quotient)
_add(["lrp.gated"], "product", build.gated)
_add(["lrp.complement"], "activation", build.statistic, _always)
_add(["lrp.masked"], "route", build.masked)
_add(["aten.matmul.default", "aten.mm.default", "aten.bmm.default"], "matmul", build.matmul)
_add(["aten.softmax.int", "aten._softmax.default"], "softmax", build.softmax, _always)
_add(["aten.cat.default"], "route", build.cat(False), _inherited)
_add(["aten.stack.default"], "route", build.cat(True), _inherited)
_add(["aten.pad.default", "aten.constant_pad_nd.default"], "route", build.pad, _inherited)
_add(["aten.narrow.default"], "route", build.narrow, _inherited)
_add(["aten.layer_norm.default", "aten.rms_norm.default"], "norm", build.layer_norm)
_add(["aten.group_norm.default", "aten.instance_norm.default"], "norm", build.group_norm)
_add(
    ["aten.pow.Tensor_Scalar", "aten.square.default", "aten.sqrt.default", "aten.rsqrt.default", "aten.exp.default",
     "aten.reciprocal.default", "aten.var.correction", "aten.std.correction", "aten.abs.default",
     "aten.norm.ScalarOpt_dim", "aten.linalg_vector_norm.default", "aten.log_softmax.int", "aten._log_softmax.default"],
    "activation", build.statistic,
)  # fmt: skip
_add(
    [f"aten.upsample_{m}.vec" for m in ("nearest1d", "nearest2d", "nearest3d", "bilinear2d", "linear1d")],
    "average", build.mean, _inherited,
)  # fmt: skip
_add(["aten.upsample_bicubic2d.vec"], "average", build.mean)
_add(["aten.relu.default"], "activation", build.unary(Relu), _always)
_add(
    ["aten.sigmoid.default", "aten.softplus.default", "aten.relu6.default", "aten.hardsigmoid.default"],
    "activation", build.unary(Activation), _always,
)  # fmt: skip
_add(
    ["aten.tanh.default", "aten.leaky_relu.default",
     "aten.elu.default", "aten.gelu.default", "aten.silu.default",
     "aten.hardswish.default", "aten.hardtanh.default", "aten.mish.default", "aten.selu.default", "aten.celu.default",
     "aten.log_sigmoid.default"],
    "activation", build.unary(Activation),
)  # fmt: skip
_add(
    ["aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default",
     "aten.contiguous.default", "aten.clone.default", "aten.alias.default", "aten.lift_fresh_copy.default"],
    "route", build.identity, _inherited,
)  # fmt: skip
_add(
    ["aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
     "aten.unflatten.int", "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims", "aten.unsqueeze.default"],
    "route", build.unary(Reshape), _inherited,
)  # fmt: skip
_add(
    ["aten.permute.default", "aten.transpose.int", "aten.t.default", "aten.numpy_T.default"],
    "route", build.permute, _inherited,
)  # fmt: skip
_add(
    ["aten.slice.Tensor", "aten.select.int", "aten.expand.default", "aten.index_select.default",
     "aten.flip.default", "aten.roll.default",
     "aten.repeat.default", "aten.pixel_shuffle.default", "aten.index.Tensor", "aten.gather.default",
     "aten.broadcast_to.default",
     "aten.swapaxes.default", "aten.movedim.int", "aten.tile.default", "aten.unfold.default", "aten.diagonal.default",
     *SPLITS],
    "route", build.unary(Route), _inherited,
)  # fmt: skip
