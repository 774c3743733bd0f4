"""An explainer as an Attribution of Captum, so that its NoiseTunnel and its metrics take it."""

from __future__ import annotations

from typing import Any

from captum.attr import Attribution
from captum.log import log_usage
from torch import Tensor

from lrp.explainer import LRP


class CaptumAttribution(Attribution):  # type: ignore[misc]
    """What Captum's tools call: relevance of the inputs [B, ...], like them.

    explainer: which model is explained, and by which rules.

    >>> import torch, lrp
    >>> from captum.attr import NoiseTunnel
    >>> model, x = torch.nn.Linear(4, 3), torch.rand(2, 4)
    >>> method = CaptumAttribution(lrp.LRP(model, "EpsilonPlus", x))
    >>> NoiseTunnel(method).attribute(x, target=1, nt_samples=3).shape
    torch.Size([2, 4])
    """

    def __init__(self, explainer: LRP) -> None:
        super().__init__(explainer.model)
        self.explainer = explainer

    @log_usage()  # type: ignore[untyped-decorator]
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
    ) -> Any:
        """Relevance of `inputs`; target: one of those that Captum and `LRP.attribute` both know.

        additional_forward_args: the model's arguments behind the inputs. With return_convergence_delta also [B]: the
        target without the relevance of the inputs, which is what biases and stabilizers took.
        """
        several = isinstance(inputs, tuple)
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        more = additional_forward_args
        behind = more if isinstance(more, tuple) else () if more is None else (more,)
        r = self.explainer.attribute(*given, *behind, target=target)
        found = r.inputs[: len(given)] if several else r.inputs[0]
        return (found, r.target - r.input_total) if return_convergence_delta else found

    def has_convergence_delta(self) -> bool:
        """Whether `attribute` can tell what it left out: yes."""
        return True

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether the scores are shares of the output rather than slopes: yes."""
        return True
