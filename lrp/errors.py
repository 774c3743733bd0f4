"""Everything lrp can refuse, as one small tree.

LRPError (ValueError)
├── UnsupportedOperation   the model does something lrp has no rule for
├── InvalidInput           inputs or weights of the wrong shape, type, or not finite
├── ModelMismatch          the captured operations compute something else than the model does
├── InvalidTarget          an output, index or function that cannot be explained
├── RuleError              a rule with impossible parameters (α − β ≠ 1, ε < 0, low > high)
└── CompositeError         a composite that matches nothing, or no layer of that name
"""

from __future__ import annotations

MIXES = "it mixes the samples of a batch"


class LRPError(ValueError):
    """Base of every error that lrp raises on purpose."""


class UnsupportedOperation(LRPError):
    """An operation that cannot be explained: says which, where, why, and how to give it a rule where that helps."""

    def __init__(
        self,
        operation: str,
        where: str,
        reason: str = "",
        *,
        registrable: bool = True,
    ) -> None:
        self.operation = operation
        self.where = where
        self.of_batch = operation == "tracing" or reason == MIXES
        """Whether a batch size that the model does not leave free may be the cause."""
        place = where or "the model itself"
        detail = f" ({reason})" if reason else ""
        if "." not in operation:
            super().__init__(f"{operation} {place} failed{detail}")
        elif registrable:
            remedy = f"give it one with lrp.register_operation({operation!r}, ...)"
            super().__init__(f"no rule for {operation} in {place}{detail}; {remedy}")
        else:
            super().__init__(f"{operation} in {place} cannot be explained{detail}")

    def at(self, line: str) -> UnsupportedOperation:
        """The same error with the line of the model where the operation is written, if that is known."""
        if line and "line " not in str(self):
            self.args = (f"{self}; written in {line}",)
        return self


class InvalidInput(LRPError):
    """Inputs or weights that cannot be explained: shape, dtype, NaN or Inf."""


class ModelMismatch(LRPError):
    """The captured operations and the model give different outputs, even when captured anew."""


class InvalidTarget(LRPError):
    """A target or output that does not exist or is not linear in the outputs."""


class RuleError(LRPError):
    """A rule whose parameters contradict its definition."""


class CompositeError(LRPError):
    """A composite that names no layer of the model, or a preset that does not exist."""
