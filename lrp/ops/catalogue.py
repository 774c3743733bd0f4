"""Which ATen operation is which kind of layer, which step it gets, and whether its value is known to be ≥ 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

import lrp.tracing.attention
import lrp.tracing.recurrent  # noqa: F401  (both fill the expansions)
from lrp.compiler import CATALOGUE, Build, Compiler, Operation
from lrp.ops import builders as build
from lrp.ops import contractions, normalization, selections
from lrp.ops.embedding import OPERATION as EMBEDDING
from lrp.ops.embedding import Embedding
from lrp.ops.operations import Activation, Relu, Reshape, Route
from lrp.tracing.canonizers import SPLITS
from lrp.tracing.graph import Node, Ref


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
    positive = all(
        not isinstance(c, Ref) and bool(torch.as_tensor(c).ge(0).all()) for c in constants
    )
    return _inherited(compiler, node) and positive and float(node.kwargs.get("alpha", 1)) >= 0


def _inherited_by_product(compiler: Compiler, node: Node) -> bool:
    constants = [a for a in node.args[:2] if not compiler.is_signal(a)]
    return _inherited(compiler, node) and all(
        not isinstance(c, (Tensor, Ref)) and c >= 0 for c in constants
    )


def _add(
    names: Iterable[str],
    kind: str,
    make: Build,
    nonnegative: Callable[[Compiler, Node], bool] = _never,
) -> None:
    for name in names:
        CATALOGUE[name] = Operation(kind, make, nonnegative)


def _operations(names: str) -> list[str]:
    """Full names from words; a word without an overload means `.default`."""
    return [f"aten.{name}" if "." in name else f"aten.{name}.default" for name in names.split()]


for _n in (1, 2, 3):
    _add(
        [f"aten.conv{_n}d.default", f"aten.conv{_n}d.padding"], "conv", build.convolution(_n, False)
    )
    _add(
        [f"aten.conv_transpose{_n}d.{'default' if _n == 1 else 'input'}"],
        "conv",
        build.convolution(_n, True),
    )
    _add(
        _operations(f"max_pool{_n}d max_pool{_n}d_with_indices"),
        "maxpool",
        selections.max_pool(_n),
        _inherited,
    )
    _add(
        _operations(f"adaptive_max_pool{_n}d"),
        "maxpool",
        selections.adaptive_max_pool(_n),
        _inherited,
    )
    _add(_operations(f"avg_pool{_n}d adaptive_avg_pool{_n}d"), "average", build.mean, _inherited)
_add(_operations("max.dim min.dim amax amin"), "maxpool", selections.extremum, _inherited)

_add(_operations("linear"), "linear", build.linear)
_add(_operations("addmm"), "linear", build.addmm)
_add(_operations("matmul mm bmm mv"), "matmul", contractions.matmul)
_add(_operations("einsum"), "matmul", contractions.einsum)
_add(_operations("tensordot"), "matmul", contractions.tensordot)
_add([EMBEDDING], "route", lambda compiler, node: Embedding(node, node.args[1].index))

_add(
    _operations("batch_norm _native_batch_norm_legit_no_training"), "norm", normalization.batch_norm
)
_add(_operations("layer_norm rms_norm"), "norm", normalization.layer_norm)
_add(_operations("group_norm instance_norm"), "norm", normalization.group_norm)

_add(_operations("add.Tensor"), "sum", build.signed_sum(1), _inherited_by_sum)
_add(_operations("sub.Tensor"), "sum", build.signed_sum(-1))
_add(_operations("rsub.Scalar rsub.Tensor"), "sum", build.subtracted_from)
_add(_operations("mean.dim mean sum.dim_IntList sum"), "average", build.mean, _inherited)
_add(_operations("neg cumsum"), "average", build.mean)
_add(
    _operations(
        "upsample_nearest1d.vec upsample_nearest2d.vec upsample_nearest3d.vec _upsample_nearest_exact1d.vec "
        "_upsample_nearest_exact2d.vec _upsample_nearest_exact3d.vec upsample_linear1d.vec upsample_bilinear2d.vec "
        "_upsample_bilinear2d_aa.vec upsample_trilinear3d.vec grid_sampler grid_sampler_2d grid_sampler_3d"
    ),
    "average",
    build.mean,
    _inherited,
)
_add(_operations("upsample_bicubic2d.vec _upsample_bicubic2d_aa.vec col2im"), "average", build.mean)
_add(_operations("index_add scatter_add"), "average", build.added_at)

_add(_operations("mul.Tensor mul.Scalar"), "product", build.product, _inherited_by_product)
_add(_operations("div.Tensor div.Scalar"), "product", build.quotient)
_add(["lrp.gated"], "product", build.gated)
_add(["lrp.complement"], "activation", build.statistic, _always)
_add(["lrp.masked"], "route", build.masked)
_add(_operations("softmax.int _softmax"), "softmax", build.softmax, _always)
_add(
    _operations(
        "var.correction std.correction var.dim std.dim norm.ScalarOpt_dim linalg_vector_norm linalg_norm logsumexp "
        "log_softmax.int _log_softmax sign"
    ),
    "activation",
    build.statistic,
)

_add(_operations("relu"), "activation", build.unary(Relu), _always)
_add(
    _operations("clamp_min"),
    "activation",
    build.unary(Activation),
    lambda compiler, node: node.args[1] >= 0,
)
_add(
    _operations("sigmoid softplus relu6 hardsigmoid square sqrt rsqrt exp abs"),
    "activation",
    build.unary(Activation),
    _always,
)
_add(
    _operations(
        "tanh leaky_relu elu gelu silu hardswish hardtanh mish selu celu log_sigmoid prelu rrelu threshold hardshrink "
        "softshrink erf sin cos log log1p expm1 atan reciprocal pow.Tensor_Scalar clamp clamp.Tensor "
        "clamp_max nan_to_num"
    ),
    "activation",
    build.unary(Activation),
)

_add(_operations("cat"), "route", build.cat(False), _inherited)
_add(_operations("stack"), "route", build.cat(True), _inherited)
_add(_operations("pad constant_pad_nd"), "route", build.pad, _inherited)
_add(_operations("narrow"), "route", build.narrow, _inherited)
_add(
    _operations("dropout feature_dropout alpha_dropout contiguous clone alias lift_fresh_copy"),
    "route",
    build.identity,
    _inherited,
)
_add(
    _operations(
        "view reshape _unsafe_view flatten.using_ints unflatten.int squeeze squeeze.dim squeeze.dims unsqueeze"
    ),
    "route",
    build.unary(Reshape),
    _inherited,
)
_add(_operations("permute transpose.int t numpy_T"), "route", build.permute, _inherited)
_add(
    _operations(
        "slice.Tensor select.int expand index_select flip roll repeat repeat_interleave.self_int tile broadcast_to "
        "pixel_shuffle pixel_unshuffle channel_shuffle index.Tensor gather take_along_dim swapaxes movedim.int "
        "movedim.intlist mT rot90 unfold im2col diagonal diag_embed tril triu topk sort median.dim max_unpool2d "
        "max_unpool3d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d to.dtype to.device "
        "to.dtype_layout _to_copy"
    ),
    "route",
    build.unary(Route),
    _inherited,
)
_add(SPLITS, "route", build.unary(Route), _inherited)
_add(
    _operations("expand_as view_as type_as reshape_as to.other"),
    "route",
    build.first(Route),
    _inherited,
)
_add(
    _operations("where.self where.ScalarOther where.ScalarSelf where.Scalar"),
    "route",
    selections.choice(torch.where, (0, 1, 2), (1, 2)),
)
_add(
    _operations("masked_fill.Scalar masked_fill.Tensor"),
    "route",
    selections.choice(torch.where, (1, 2, 0), (1, 2)),
)
_add(_operations("maximum max.other"), "route", selections.choice(torch.maximum, (0, 1), (0, 1)))
_add(_operations("minimum min.other"), "route", selections.choice(torch.minimum, (0, 1), (0, 1)))
_add(
    _operations("copy fill.Tensor fill.Scalar"),
    "route",
    selections.choice(selections.overwritten, (0, 1), (1,)),
)
_add(
    _operations(
        "slice_scatter select_scatter diagonal_scatter scatter.src scatter.value index_put"
    ),
    "route",
    selections.scattered,
)
