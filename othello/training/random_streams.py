"""Random streams for self-play: one of 64 bits for every game, so that no game can disturb another.

SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel


def game_stream(seed: int, iteration: int, game: int) -> int:
    """The first state of a game's random stream."""
    return int(np.random.SeedSequence((seed, iteration, game)).generate_state(1, np.uint64)[0])


@kernel
def next_random(random: NDArray[np.uint64], g: int) -> np.uint64:
    """The next word of stream `g`."""
    random[g] += np.uint64(0x9E3779B97F4A7C15)
    word = random[g]
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel
def below(random: NDArray[np.uint64], g: int, limit: int) -> int:
    """Uniform in 0..limit − 1."""
    return int(next_random(random, g) % np.uint64(limit))


@kernel
def uniform(random: NDArray[np.uint64], g: int) -> float:
    """Uniform in (0, 1)."""
    return (np.float64(next_random(random, g) >> np.uint64(12)) + 0.5) / 4503599627370496.0


@kernel
def gumbel(random: NDArray[np.uint64], g: int) -> float:
    """A standard Gumbel variable."""
    return -np.log(-np.log(uniform(random, g)))


@kernel
def gamma(random: NDArray[np.uint64], g: int, shape: float) -> float:
    """A Gamma(shape, 1) variable, shape ≤ 1 (Marsaglia and Tsang 2000: Gamma(shape + 1) · U^(1 / shape))."""
    d = shape + 1.0 - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    while True:
        radius, angle = np.sqrt(-2.0 * np.log(uniform(random, g))), 2.0 * np.pi * uniform(random, g)
        normal = radius * np.cos(angle)
        v = (1.0 + c * normal) ** 3
        if v > 0 and np.log(uniform(random, g)) < 0.5 * normal * normal + d * (1.0 - v + np.log(v)):
            return d * v * uniform(random, g) ** (1.0 / shape)
