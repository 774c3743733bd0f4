"""The solver's workspace: one block of 64-bit words with its counters, its move lists and its hash table.

Compiled functions get the block's address and read it by `load` and `store`, because one number is cheaper to hand
down a recursion than an array.  A workspace belongs to one board size and one thread at a time.

    word 0 NODES      nodes visited since the counter was last cleared
         1 LIMIT      nodes at which the search stops
         2 STOP       not 0: the search unwinds and its result means nothing; any thread may set it
         3 BOARD      mask of the N×N board       4 LEFT, 5 TOP: its left and its upper half, for quadrants
         6 SHIFT      64 - log2(buckets)          7 GENERATION of the table's newest entries
         8 MARK       a constant that tells a workspace from other arrays
         9 FUNCTIONS  addresses of compiled functions: SEARCH, FEW and LOOK_AHEAD
    from MOVES        move lists, one of LIST entries of 4 words (square, flips, score, -) for each number of empties
    from TABLE        buckets of two entries of 4 words (own, opp, bounds, -), one cache line each

The recursive functions call themselves and each other by `call`, through the addresses in the workspace: Numba does not
find a function that calls itself again when it loads its caller from the cache, and a kernel that uses the solver
need not compile it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from othello.errors import ConfigError
from othello.jit import kernel
from othello.rules.bitboard import BOARD_MASK, Integer

Workspace = NDArray[np.uint64]

NODES: Final = 0
LIMIT: Final = 1
STOP: Final = 2
BOARD: Final = 3
LEFT: Final = 4
TOP: Final = 5
SHIFT: Final = 6
GENERATION: Final = 7
MARK: Final = 8
SEARCH: Final = 9
FEW: Final = 10
LOOK_AHEAD: Final = 11
MARK_WORD: Final = 0x0BE110501BE5
MOVES: Final = 16
LIST: Final = (
    50  # any board's moves (`othello.search.tree.MAX_MOVES`), and an odd number of cache lines
)
TABLE: Final = MOVES + 65 * LIST * 4 + 8 - (MOVES + 65 * LIST * 4) % 8
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_U = np.uint64


@intrinsic
def _load(typingctx: Any, address: Any, index: Any) -> Any:
    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        base = b.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return b.load(b.gep(base, [arguments[1]]))

    return types.uint64(types.int64, types.int64), generate


@intrinsic
def _store(typingctx: Any, address: Any, index: Any, word: Any) -> Any:
    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        base = b.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        b.store(arguments[2], b.gep(base, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint64), generate


@intrinsic
def _call(
    typingctx: Any,
    memory: Any,
    function: Any,
    own: Any,
    opp: Any,
    alpha: Any,
    beta: Any,
    extra: Any,
) -> Any:
    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        base = b.inttoptr(arguments[0], word.as_pointer())
        address = b.load(b.gep(base, [arguments[1]]))
        kind = ir.FunctionType(word, [word] * 6)
        return b.call(b.inttoptr(address, kind.as_pointer()), [*arguments[2:], arguments[0]])

    return types.int64(
        types.int64, types.int64, types.uint64, types.uint64, *[types.int64] * 3
    ), generate


load = cast(Callable[[Integer, Integer], np.uint64], _load)
"""`load(memory, index)`: a word of the workspace."""

store = cast(Callable[[Integer, Integer, np.uint64], None], _store)
"""`store(memory, index, word)`: write a word of the workspace."""


call = cast(
    Callable[[Integer, int, np.uint64, np.uint64, Integer, Integer, Integer], Integer], _call
)
"""`call(memory, function, own, opp, alpha, beta, extra)`: the result of the function whose address is in a word."""

SIGNATURE: Final = types.int64(types.uint64, types.uint64, *[types.int64] * 4)
"""What `call` calls: a C function of (own, opp, alpha, beta, extra, memory)."""


def allocate(size: int = 8, table_bits: int = 16) -> Workspace:
    """A workspace for N×N boards whose table has 2**table_bits buckets of 64 bytes; it lacks its functions yet."""
    if not 1 <= table_bits <= 28:
        raise ConfigError(
            f"solver table of 2**{table_bits} buckets: accepted are 2**1..2**28 (64 bytes each)"
        )
    words = TABLE + (8 << table_bits)
    block = np.zeros(words + 8, np.uint64)
    start = (-block.ctypes.data // 8) % 8  # so that a bucket is one cache line
    workspace = block[start : start + words]
    board = int(BOARD_MASK[size])
    half = size // 2
    workspace[BOARD] = board
    workspace[LEFT] = board & (0x0101010101010101 * ((1 << half) - 1))
    workspace[TOP] = board & ((1 << (8 * half)) - 1)
    workspace[SHIFT] = 64 - table_bits
    workspace[MARK] = MARK_WORD
    workspace[LIMIT] = np.iinfo(np.int64).max
    return workspace


@kernel
def count_node(memory: Integer) -> bool:
    """Count one more node; false if the search has to unwind, because it was told to or this node reached its limit."""
    nodes = load(memory, NODES) + _ONE
    store(memory, NODES, nodes)
    if nodes >= load(memory, LIMIT):
        store(memory, STOP, _ONE)
    return load(memory, STOP) == _ZERO


@kernel
def bucket_of(own: np.uint64, opp: np.uint64, memory: Integer) -> Integer:
    """Index of the first word of a position's bucket."""
    mixed = (
        own * _U(0x9E3779B97F4A7C15)
        ^ (opp * _U(0xC2B2AE3D27D4EB4F) >> _U(17))
        ^ opp * _U(0x165667B19E3779F9)
    )
    mixed ^= mixed >> _U(32)
    mixed *= _U(0xD6E8FEB86659FD93)
    return np.int64(TABLE) + np.int64((mixed >> load(memory, SHIFT)) << _U(3))


@kernel
def find(own: np.uint64, opp: np.uint64, bucket: Integer, memory: Integer) -> np.uint64:
    """The bounds stored for a position, 0 if there are none."""
    if load(memory, bucket) == own and load(memory, bucket + 1) == opp:
        return load(memory, bucket + 2)
    if load(memory, bucket + 4) == own and load(memory, bucket + 5) == opp:
        return load(memory, bucket + 6)
    return _ZERO


@kernel
def bounds(
    lower: Integer, upper: Integer, bit: Integer, empties: Integer, memory: Integer
) -> np.uint64:
    """Bounds as one word: from the low byte lower + 64, upper + 64, best square (64: none), empties, generation."""
    word = _U(lower + 64) | _U(upper + 64) << _U(8) | _U(bit) << _U(16) | _U(empties) << _U(24)
    return word | load(memory, GENERATION) << _U(32)


@kernel
def lower_of(word: np.uint64) -> Integer:
    return np.int64(word & _U(255)) - np.int64(64)


@kernel
def upper_of(word: np.uint64) -> Integer:
    return np.int64(word >> _U(8) & _U(255)) - np.int64(64)


@kernel
def square_of(word: np.uint64) -> Integer:
    return np.int64(word >> _U(16) & _U(255))


@kernel
def remember(
    own: np.uint64, opp: np.uint64, bucket: Integer, word: np.uint64, memory: Integer
) -> None:
    """Store bounds: over the same position, else over the first entry if it is older or smaller, else the second."""
    place = bucket + 4
    if load(memory, bucket) == own and load(memory, bucket + 1) == opp:
        place = bucket
    elif load(memory, bucket + 4) != own or load(memory, bucket + 5) != opp:
        first = load(memory, bucket + 2)
        older = first >> _U(32) != word >> _U(32)
        if older or (first >> _U(24) & _U(255)) <= (word >> _U(24) & _U(255)):
            place = bucket
    store(memory, place, own)
    store(memory, place + 1, opp)
    store(memory, place + 2, word)
