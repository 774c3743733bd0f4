"""The keys of the desktop and what they do; the help card and the event loop read the same table."""

from __future__ import annotations

from typing import NamedTuple

import pygame


class Binding(NamedTuple):
    """A key, with Ctrl or without, and the command it gives."""

    key: int
    command: str
    ctrl: bool = False


BINDINGS = (
    Binding(pygame.K_z, "undo", ctrl=True),
    Binding(pygame.K_y, "redo", ctrl=True),
    Binding(pygame.K_s, "save", ctrl=True),
    Binding(pygame.K_o, "open", ctrl=True),
    Binding(pygame.K_c, "copy", ctrl=True),
    Binding(pygame.K_v, "paste", ctrl=True),
    Binding(pygame.K_q, "quit", ctrl=True),
    Binding(pygame.K_u, "undo"),
    Binding(pygame.K_BACKSPACE, "undo"),
    Binding(pygame.K_r, "redo"),
    Binding(pygame.K_PAGEUP, "back"),
    Binding(pygame.K_PAGEDOWN, "forward"),
    Binding(pygame.K_HOME, "first"),
    Binding(pygame.K_END, "last"),
    Binding(pygame.K_h, "hint"),
    Binding(pygame.K_e, "heat"),
    Binding(pygame.K_b, "bias"),
    Binding(pygame.K_t, "numbers"),
    Binding(pygame.K_n, "new"),
    Binding(pygame.K_s, "seat"),
    Binding(pygame.K_p, "pause"),
    Binding(pygame.K_PLUS, "stronger"),
    Binding(pygame.K_EQUALS, "stronger"),
    Binding(pygame.K_KP_PLUS, "stronger"),
    Binding(pygame.K_MINUS, "weaker"),
    Binding(pygame.K_KP_MINUS, "weaker"),
    Binding(pygame.K_d, "dark"),
    Binding(pygame.K_F12, "screenshot"),
    Binding(pygame.K_g, "film"),
    Binding(pygame.K_F1, "help"),
    Binding(pygame.K_QUESTION, "help"),
    Binding(pygame.K_ESCAPE, "escape"),
    Binding(pygame.K_RETURN, "play"),
    Binding(pygame.K_KP_ENTER, "play"),
    Binding(pygame.K_SPACE, "play"),
    Binding(pygame.K_LEFT, "left"),
    Binding(pygame.K_RIGHT, "right"),
    Binding(pygame.K_UP, "up"),
    Binding(pygame.K_DOWN, "down"),
)

HELP = (
    ("arrows, Enter", "choose a square and play there (or click it)"),
    ("U, R", "undo, redo"),
    ("PgUp, PgDn, Home, End", "one ply back, one on, first, last; or click the graph"),
    ("H", "hint: what the agent would play here"),
    ("E", "heatmap: off, of the value, of the best move"),
    ("B, T", "the biases' map instead of the squares'; numbers on the squares"),
    ("N, S", "new game; play black, white, both, or watch"),
    ("P", "pause the agent, or let it go on from here"),
    ("+, −", "the agent's strength in simulations a move"),
    ("Ctrl+S, Ctrl+O", "save the transcript; open one (or drop a file)"),
    ("Ctrl+C, Ctrl+V", "copy the transcript; paste a game or a position"),
    ("F12, G", "picture of the window; film of the game with heatmaps"),
    ("D, F1, Esc", "light or dark; this card; close"),
)


def command_of(event: pygame.event.Event) -> str | None:
    """The command of a KEYDOWN event."""
    ctrl = bool(getattr(event, "mod", 0) & (pygame.KMOD_CTRL | pygame.KMOD_META))
    if getattr(event, "unicode", "") == "?":
        return "help"
    found = (
        binding.command for binding in BINDINGS if binding.key == event.key and binding.ctrl == ctrl
    )
    return next(found, None)
