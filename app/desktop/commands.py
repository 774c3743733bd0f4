"""The commands of the desktop as one table: their keys, what the help card says, their buttons, and what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pygame

from app.desktop import files
from app.desktop.desk import Desk
from app.desktop.view import HEAT_MODES, Button
from app.game.session import SEATS


class Key(NamedTuple):
    """A key, with Ctrl or without."""

    code: int
    ctrl: bool = False


def _never(desk: Desk) -> bool:
    return False


def _always(desk: Desk) -> bool:
    return True


def _nothing(desk: Desk) -> None:
    """What a button that only tells something does."""


class Command(NamedTuple):
    """Something that can be done: its keys, its action, and how its button looks if it has one."""

    name: str
    action: Callable[[Desk], None]
    keys: tuple[Key, ...] = ()
    label: Callable[[Desk], str] | str = ""
    on: Callable[[Desk], bool] = _never
    enabled: Callable[[Desk], bool] = _always
    weight: float = 1.0  # of the button beside the others of its row

    def button(self, desk: Desk) -> Button:
        """The button as it is now; a letter that is a key of its own stands on it."""
        label = self.label if isinstance(self.label, str) else self.label(desk)
        first = self.keys[0] if self.keys else Key(0)
        letter = chr(first.code).upper() if not first.ctrl and 97 <= first.code <= 122 else ""
        return Button(self.name, label, letter, self.on(desk), self.enabled(desk), self.weight)


class HelpRow(NamedTuple):
    """A line of the help card and the commands that it is about."""

    keys: str
    words: str
    commands: tuple[Command, ...]


def _ctrl(code: int) -> Key:
    return Key(code, ctrl=True)


def _cycle_heat(desk: Desk) -> None:
    desk.heat = HEAT_MODES[(HEAT_MODES.index(desk.heat) + 1) % len(HEAT_MODES)]


def _cycle_seat(desk: Desk) -> None:
    desk.game.seat = SEATS[(SEATS.index(desk.game.seat) + 1) % len(SEATS)]
    desk.paused = False


def _begin(desk: Desk) -> None:
    desk.game.new_game(start=desk.game.start)
    desk.paused = False


def _save(desk: Desk) -> None:
    desk.notice = f"Saved {files.save_game(desk.game, desk.folder)}"


def _toggle(name: str) -> Callable[[Desk], None]:
    return lambda desk: setattr(desk, name, not getattr(desk, name))


def _strength(desk: Desk) -> str:
    simulations = desk.game.strength.simulations
    return f"{simulations} sims" if simulations else "policy"


TABLE = (
    HelpRow(
        "arrows, Enter",
        "choose a square and play there (or click it)",
        (
            Command("left", lambda desk: desk.move_cursor(0, -1), (Key(pygame.K_LEFT),)),
            Command("right", lambda desk: desk.move_cursor(0, 1), (Key(pygame.K_RIGHT),)),
            Command("up", lambda desk: desk.move_cursor(-1, 0), (Key(pygame.K_UP),)),
            Command("down", lambda desk: desk.move_cursor(1, 0), (Key(pygame.K_DOWN),)),
            Command(
                "play",
                lambda desk: desk.play_cursor(),
                (Key(pygame.K_RETURN), Key(pygame.K_KP_ENTER), Key(pygame.K_SPACE)),
            ),
        ),
    ),
    HelpRow(
        "U, R",
        "undo, redo",
        (
            Command(
                "undo",
                lambda desk: desk.walk(desk.game.undo),
                (Key(pygame.K_u), Key(pygame.K_BACKSPACE), _ctrl(pygame.K_z)),
                label="Undo",
                enabled=lambda desk: desk.game.cursor > 0,
            ),
            Command(
                "redo",
                lambda desk: desk.walk(desk.game.redo),
                (Key(pygame.K_r), _ctrl(pygame.K_y)),
                label="Redo",
                enabled=lambda desk: desk.game.cursor < desk.game.length,
            ),
        ),
    ),
    HelpRow(
        "PgUp, PgDn, Home, End",
        "one ply back, one on, first, last; or click the graph",
        (
            Command("back", lambda desk: desk.jump(desk.game.cursor - 1), (Key(pygame.K_PAGEUP),)),
            Command(
                "forward", lambda desk: desk.jump(desk.game.cursor + 1), (Key(pygame.K_PAGEDOWN),)
            ),
            Command("first", lambda desk: desk.jump(0), (Key(pygame.K_HOME),)),
            Command("last", lambda desk: desk.jump(desk.game.length), (Key(pygame.K_END),)),
        ),
    ),
    HelpRow(
        "H",
        "hint: what the agent would play here",
        (
            Command(
                "hint",
                lambda desk: desk.ask_hint(),
                (Key(pygame.K_h),),
                label="Hint",
                on=lambda desk: desk.hint is not None,
                enabled=lambda desk: desk.game.human_to_move,
            ),
        ),
    ),
    HelpRow(
        "E",
        "heatmap: off, of the value, of the best move",
        (
            Command(
                "heat",
                _cycle_heat,
                (Key(pygame.K_e),),
                label=lambda desk: f"Heat: {desk.heat}",
                on=lambda desk: desk.heat != "off",
                weight=1.25,
            ),
        ),
    ),
    HelpRow(
        "B, T",
        "the biases' map instead of the squares'; numbers on the squares",
        (
            Command(
                "bias",
                lambda desk: desk.switch_map("biases"),
                (Key(pygame.K_b),),
                label="Biases",
                on=lambda desk: desk.biases and desk.heat != "off",
            ),
            Command(
                "numbers",
                lambda desk: desk.switch_map("numbers"),
                (Key(pygame.K_t),),
                label="Numbers",
                on=lambda desk: desk.numbers and desk.heat != "off",
                weight=1.1,
            ),
        ),
    ),
    HelpRow(
        "N, S",
        "new game; play black, white, both, or watch",
        (
            Command("new", _begin, (Key(pygame.K_n),), label="New", weight=1.1),
            Command(
                "seat",
                _cycle_seat,
                (Key(pygame.K_s),),
                label=lambda desk: f"You: {desk.game.seat}",
                weight=1.7,
            ),
        ),
    ),
    HelpRow(
        "P",
        "pause the agent, or let it go on from here",
        (
            Command(
                "pause",
                lambda desk: desk.pause(),
                (Key(pygame.K_p),),
                label=lambda desk: "Go on" if desk.paused else "Pause",
                on=lambda desk: desk.paused,
            ),
        ),
    ),
    HelpRow(
        "+, −",
        "the agent's strength in simulations a move",
        (
            Command(
                "stronger",
                lambda desk: desk.change_strength(1),
                (Key(pygame.K_PLUS), Key(pygame.K_EQUALS), Key(pygame.K_KP_PLUS)),
                label="+",
                weight=0.5,
            ),
            Command(
                "weaker",
                lambda desk: desk.change_strength(-1),
                (Key(pygame.K_MINUS), Key(pygame.K_KP_MINUS)),
                label="−",
                weight=0.5,
            ),
            Command("strength", _nothing, label=_strength, enabled=_never, weight=1.15),
        ),
    ),
    HelpRow(
        "Ctrl+S, Ctrl+O",
        "save the transcript; open one (or drop a file)",
        (
            Command("save", _save, (_ctrl(pygame.K_s),), label="Save"),
            Command("open", lambda desk: desk.ask_text(), (_ctrl(pygame.K_o),), label="Open"),
        ),
    ),
    HelpRow(
        "Ctrl+C, Ctrl+V",
        "copy the transcript; paste a game or a position",
        (
            Command("copy", lambda desk: desk.want("copy"), (_ctrl(pygame.K_c),)),
            Command("paste", lambda desk: desk.want("paste"), (_ctrl(pygame.K_v),)),
        ),
    ),
    HelpRow(
        "F12, G",
        "picture of the window; film of the game with heatmaps",
        (
            Command(
                "screenshot",
                lambda desk: desk.want("screenshot"),
                (Key(pygame.K_F12),),
                label="PNG",
            ),
            Command("film", lambda desk: desk.want("film"), (Key(pygame.K_g),), label="GIF"),
        ),
    ),
    HelpRow(
        "D, F1, Esc",
        "light or dark; this card; close",
        (
            Command("dark", _toggle("dark"), (Key(pygame.K_d),)),
            Command(
                "help",
                _toggle("help"),
                (Key(pygame.K_F1), Key(pygame.K_QUESTION)),
                label="?",
                weight=0.6,
            ),
            Command("escape", lambda desk: desk.clear(), (Key(pygame.K_ESCAPE),)),
            Command("quit", lambda desk: desk.stop(), (_ctrl(pygame.K_q),)),
        ),
    ),
)
COMMANDS = {command.name: command for row in TABLE for command in row.commands}
HELP = tuple((row.keys, row.words) for row in TABLE)
_BY_KEY = {key: command.name for command in COMMANDS.values() for key in command.keys}
_ROWS = (
    ("undo", "redo", "hint"),
    ("heat", "bias", "numbers"),
    ("new", "seat", "weaker", "strength", "stronger"),
    ("open", "save", "screenshot", "film", "help"),
)


def command_of(event: pygame.event.Event) -> str | None:
    """The command of a KEYDOWN event."""
    ctrl = bool(getattr(event, "mod", 0) & (pygame.KMOD_CTRL | pygame.KMOD_META))
    if getattr(event, "unicode", "") == "?":
        return "help"
    return _BY_KEY.get(Key(event.key, ctrl))


def buttons(desk: Desk) -> tuple[tuple[Button, ...], ...]:
    """The rows of buttons; who only watches has a pause in the place of the hint."""
    watching = desk.game.seat == "watch"
    rows = []
    for names in _ROWS:
        shown = ["pause" if watching and name == "hint" else name for name in names]
        rows.append(tuple(COMMANDS[name].button(desk) for name in shown))
    return tuple(rows)


def do(desk: Desk, name: str) -> None:
    """Carry out a command; what is wrong with it becomes the notice."""
    if name not in ("left", "right", "up", "down"):
        desk.notice = ""
    desk.attempt(lambda: COMMANDS[name].action(desk))
