"""The commands of the desktop: their buttons and what they do; their keys stand in `app.present.keys`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pygame

from app.desktop import files
from app.desktop.desk import Desk
from app.desktop.view import HEAT_MODES, Button
from app.game.session import SEATS
from app.present.keys import KEYS


class Key(NamedTuple):
    """A key, with Ctrl or without."""

    code: int
    ctrl: bool = False


_CODES = {  # of the keys whose name is not the letter that they write
    "ArrowLeft": (pygame.K_LEFT,),
    "ArrowRight": (pygame.K_RIGHT,),
    "ArrowUp": (pygame.K_UP,),
    "ArrowDown": (pygame.K_DOWN,),
    "Enter": (pygame.K_RETURN, pygame.K_KP_ENTER),
    "Backspace": (pygame.K_BACKSPACE,),
    "PageUp": (pygame.K_PAGEUP,),
    "PageDown": (pygame.K_PAGEDOWN,),
    "Home": (pygame.K_HOME,),
    "End": (pygame.K_END,),
    "Escape": (pygame.K_ESCAPE,),
    "F1": (pygame.K_F1,),
    "F12": (pygame.K_F12,),
    "+": (pygame.K_PLUS, pygame.K_KP_PLUS),
    "-": (pygame.K_MINUS, pygame.K_KP_MINUS),
}


def _keys(name: str) -> tuple[Key, ...]:
    """What pygame calls a key of `app.present.keys`."""
    ctrl = name.startswith("Ctrl+")
    plain = name.removeprefix("Ctrl+")
    return tuple(Key(code, ctrl) for code in _CODES.get(plain) or (ord(plain),))


def _never(desk: Desk) -> bool:
    return False


def _always(desk: Desk) -> bool:
    return True


def _nothing(desk: Desk) -> None:
    """What a button that only tells something does."""


class Command(NamedTuple):
    """Something that can be done: its action, and how its button looks if it has one."""

    name: str
    action: Callable[[Desk], None]
    label: Callable[[Desk], str] | str = ""
    on: Callable[[Desk], bool] = _never
    enabled: Callable[[Desk], bool] = _always
    weight: float = 1.0  # of the button beside the others of its row

    def button(self, desk: Desk) -> Button:
        """The button as it is now; a letter that is a key of its own stands on it."""
        label = self.label if isinstance(self.label, str) else self.label(desk)
        first = _FIRST.get(self.name, "")
        letter = first.upper() if len(first) == 1 and first.isalpha() else ""
        return Button(self.name, label, letter, self.on(desk), self.enabled(desk), self.weight)


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


_ALL = (
    Command("left", lambda desk: desk.move_cursor(0, -1)),
    Command("right", lambda desk: desk.move_cursor(0, 1)),
    Command("up", lambda desk: desk.move_cursor(-1, 0)),
    Command("down", lambda desk: desk.move_cursor(1, 0)),
    Command("play", lambda desk: desk.play_cursor()),
    Command(
        "undo",
        lambda desk: desk.walk(desk.game.undo),
        label="Undo",
        enabled=lambda desk: desk.game.cursor > 0,
    ),
    Command(
        "redo",
        lambda desk: desk.walk(desk.game.redo),
        label="Redo",
        enabled=lambda desk: desk.game.cursor < desk.game.length,
    ),
    Command("back", lambda desk: desk.jump(desk.game.cursor - 1)),
    Command("forward", lambda desk: desk.jump(desk.game.cursor + 1)),
    Command("first", lambda desk: desk.jump(0)),
    Command("last", lambda desk: desk.jump(desk.game.length)),
    Command(
        "hint",
        lambda desk: desk.ask_hint(),
        label="Hint",
        on=lambda desk: desk.hint is not None,
        enabled=lambda desk: desk.game.human_to_move,
    ),
    Command(
        "heat",
        _cycle_heat,
        label=lambda desk: f"Heat: {desk.heat}",
        on=lambda desk: desk.heat != "off",
        weight=1.25,
    ),
    Command(
        "bias",
        lambda desk: desk.switch_map("biases"),
        label="Biases",
        on=lambda desk: desk.biases and desk.heat != "off",
    ),
    Command(
        "numbers",
        lambda desk: desk.switch_map("numbers"),
        label="Numbers",
        on=lambda desk: desk.numbers and desk.heat != "off",
        weight=1.1,
    ),
    Command("new", _begin, label="New", weight=1.1),
    Command("seat", _cycle_seat, label=lambda desk: f"You: {desk.game.seat}", weight=1.7),
    Command(
        "pause",
        lambda desk: desk.pause(),
        label=lambda desk: "Go on" if desk.paused else "Pause",
        on=lambda desk: desk.paused,
    ),
    Command("stronger", lambda desk: desk.change_strength(1), label="+", weight=0.5),
    Command("weaker", lambda desk: desk.change_strength(-1), label="−", weight=0.5),
    Command("strength", _nothing, label=_strength, enabled=_never, weight=1.15),
    Command("save", _save, label="Save"),
    Command("open", lambda desk: desk.ask_text(), label="Open"),
    Command("copy", lambda desk: desk.want("copy")),
    Command("paste", lambda desk: desk.want("paste")),
    Command("screenshot", lambda desk: desk.want("screenshot"), label="PNG"),
    Command("film", lambda desk: desk.want("film"), label="GIF"),
    Command("dark", _toggle("dark")),
    Command("quit", lambda desk: desk.stop()),
    Command("help", _toggle("help"), label="?", weight=0.6),
    Command("escape", lambda desk: desk.clear()),
)
COMMANDS = {command.name: command for command in _ALL}
HELP = tuple((row.shown, row.words) for row in KEYS)
_NAMED = {name: keys for row in KEYS for name, keys in row.commands.items()}
_FIRST = {name: keys[0] for name, keys in _NAMED.items()}
_BY_KEY = {key: name for name, keys in _NAMED.items() for one in keys for key in _keys(one)}
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
