"""The errors that Othello code raises on purpose; each message says what was wrong, where, and what is accepted.

OthelloError (a ValueError)
├── IllegalMove        a move the rules forbid in that position
├── ParseError         text that is not a position, transcript, game record or player spec
├── CheckpointError    weights that are missing, damaged or of another shape
├── ConfigError        a setting out of range or unknown
├── EvaluationError    an evaluator's answer that is not finite or of the wrong shape
├── RunLocked          another process trains in this run directory
└── EngineError        an external engine that died, hung or broke the protocol
"""

from __future__ import annotations


class OthelloError(ValueError):
    """Base of every error this project raises on purpose; its text is one or two lines fit for a user."""


class IllegalMove(OthelloError):
    """A move that the rules forbid in the position where it was tried."""


class ParseError(OthelloError):
    """Text that is not in the format it was read as."""


class CheckpointError(OthelloError):
    """A checkpoint that is missing, damaged, untrusted or does not fit."""


class ConfigError(OthelloError):
    """A setting that is unknown or out of its range."""


class EvaluationError(OthelloError):
    """An evaluator's answer that no search may use: not finite, or of another shape or type than it must have."""


class RunLocked(OthelloError):
    """A training run directory that another process holds."""


class EngineError(OthelloError):
    """An external engine that died, hung or broke its protocol."""
