"""Games to report on: the agent's 61–3 against greedy play, and a close one."""

from __future__ import annotations

HOSTILE = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>"
SIMULATIONS = 8
EMPTIES = 16  # from which on the quick tests solve
LOST = (  # black takes the most discs at every move, white is mcts:24
    "e6f4d3d6f5f6c7e3g6c4f3c5b5g7g8g4h4h8f7f8h7h6e2e1c3b3c2d2e8g5e7d8d7c8h5b1h3g3h2h1f2f1g2c1d1g1a1b2a4a3a2a5c6b8b7a8a6"
    "a7b6b4"
)
CLOSE = (
    "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6a8h2h1g1f2g7g8"
    "a1b1h8h7"
)
