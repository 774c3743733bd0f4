"""What an explainer is asked: the call, checked against the example calls, and the target that may stand behind it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from lrp.errors import InvalidInput
from lrp.tracing.agreement import is_finite
from lrp.tracing.calls import Call


class CallReader:
    """How an explainer reads the arguments of `attribute`."""

    model: nn.Module
    _examples: Call

    def checked(
        self,
        inputs: Any,
        history: bool = False,
    ) -> Call:
        """The inputs as a call, without their history unless it is wanted.

        Raises InvalidInput unless they are like the examples and finite.
        """
        call = (
            inputs
            if isinstance(inputs, Call)
            else self._inputs((inputs,), {}, self._is_whole(inputs))
        )
        examples = self._examples
        if len(call.args) != len(examples.args):
            wanted, given = len(examples.args), len(call.args)
            raise InvalidInput(f"the model takes {wanted} inputs, not {given}")
        check_kinds(call)
        for x in call.tensors:
            if x.is_floating_point() and not is_finite(x):
                raise InvalidInput(
                    "an input contains NaN or Inf; only finite inputs can be explained"
                )
        if call.form == examples.form:
            for x, example in zip(call.tensors, examples.tensors, strict=True):
                _check_like(x, example)
        for x, own in zip(call.tensors, call.batched, strict=True):
            if not own and x.is_floating_point() and not self._is_graph():
                sizes = f"{call.batch} and {x.shape[0]}"
                raise InvalidInput(f"inputs have different batch sizes: {sizes}")
        return call if history else call.change(plain)

    def _is_graph(self) -> bool:
        """Whether the inputs are one sample, such as the nodes and the edges of a graph."""
        return False

    def _asked(
        self,
        inputs: tuple[Any, ...],
        target: Any,
        keywords: dict[str, Any],
        history: bool,
    ) -> tuple[Call, Any]:
        """The checked call, and the target: the one given by name, or what stands behind the inputs."""
        if not inputs and keywords.keys() == {"inputs"} and "inputs" not in self._examples.kwargs:
            inputs, keywords = (keywords["inputs"],), {}
        known = len(self._examples.args)
        first = inputs[0] if inputs else None
        packed = self._is_whole(first)
        taken = 1 if packed or isinstance(first, Call) else known
        rest = inputs[taken:]
        if len(rest) > 1 or (rest and target is not None):
            raise InvalidInput(f"the model takes {known} inputs, not {len(inputs)}")
        if not isinstance(first, Call):
            first = self.checked(self._inputs(inputs[:taken], keywords, packed), history)
        return first, rest[0] if rest else target

    def _is_whole(self, argument: Any) -> bool:
        """Whether a tuple stands for all positional arguments: it does unless the model's first one is a tuple."""
        args = self._examples.args
        if args and isinstance(args[0], (tuple, list)):
            return False
        return isinstance(argument, (tuple, list))

    def _inputs(
        self,
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        packed: bool,
    ) -> Call:
        """The call with these arguments, of which one tuple may stand for all positional ones."""
        call = Call.of(args[0] if packed else args, keywords, packed)
        if not call.tensors:
            raise InvalidInput(
                "inputs are a tensor, a tuple of tensors, or whatever the model takes, with a tensor among it"
            )
        return call

    def _is_packed(self, argument: Any) -> bool:
        """Whether a tuple stands for all positional arguments: today's form of several inputs."""
        if not isinstance(argument, (tuple, list)) or hasattr(argument, "_fields"):
            return False
        try:
            inspect.signature(self.model.forward).bind(*argument)
        except (TypeError, ValueError):
            return False
        return True


def _check_like(
    x: Tensor,
    example: Tensor,
) -> None:
    """Raises InvalidInput for another rank or type than the example's."""
    if x.dim() != example.dim():
        wanted = ", ".join(map(str, example.shape[1:]))
        raise InvalidInput(f"an input has shape [B, {wanted}], not {list(x.shape)}")
    if x.dtype != example.dtype:
        raise InvalidInput(
            f"an input has type {example.dtype}, not {x.dtype}: inputs are floating point, token ids or masks "
            "as in the example"
        )


def plain(x: Tensor) -> Tensor:
    """The tensor without its history; a copy if it was made in inference mode, which autograd refuses."""
    if not x.is_inference():
        return x.detach()
    with torch.inference_mode(False):
        return x.clone()


def is_integral(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)


def check_kinds(call: Call) -> None:
    """Raises InvalidInput for complex numbers, and for numbers without a batch; other integers may be scalars."""
    for place, x in enumerate(call.tensors):
        if x.dim() == 0 and (place == 0 or x.is_floating_point()):
            raise InvalidInput("an input needs a batch dimension: shape [B, ...]")
        if x.dim() and not x.numel() and call.batched[place]:
            raise InvalidInput("the batch is empty")
        if x.is_complex():
            raise InvalidInput(f"inputs are floating point, not {x.dtype}: convert them")
