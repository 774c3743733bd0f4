"""Layer-wise Relevance Propagation for any torch model, with every unit of relevance accounted for."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from lrp import bias, composites, errors, rules
from lrp.composites import Composite
from lrp.errors import (
    CompositeError,
    InvalidInput,
    InvalidTarget,
    LRPError,
    ModelMismatch,
    RuleError,
    UnsupportedOperation,
)
from lrp.explainer import LRP
from lrp.registration import activation, average, custom, register_module, register_operation, route
from lrp.result import Relevance

if TYPE_CHECKING:
    from lrp import concepts, plot

__version__ = "0.1.0"
__all__ = [
    "LRP",
    "Composite",
    "CompositeError",
    "InvalidInput",
    "InvalidTarget",
    "LRPError",
    "ModelMismatch",
    "Relevance",
    "RuleError",
    "UnsupportedOperation",
    "activation",
    "average",
    "bias",
    "composites",
    "concepts",
    "custom",
    "errors",
    "plot",
    "register_module",
    "register_operation",
    "route",
    "rules",
]


def __getattr__(name: str) -> ModuleType:
    """`lrp.plot` and `lrp.concepts`, imported when they are first asked for."""
    if name in ("concepts", "plot"):
        return importlib.import_module(f"lrp.{name}")
    raise AttributeError(f"module 'lrp' has no attribute {name!r}")
