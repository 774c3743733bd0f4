"""Layer-wise Relevance Propagation for any torch model, with every unit of relevance accounted for."""

from lrp import bias, composites, concepts, errors, plot, rules
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
