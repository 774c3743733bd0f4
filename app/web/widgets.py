"""The pages' widgets: each shows its value whenever it is built, keeps it everywhere and takes only what was offered.

Streamlit builds what is in a menu when the menu is opened, with the default of the last run; it forgets widgets that a
page does not draw; and it passes on whatever text a browser sends in place of an option.  So every widget that holds a
value is made here: its default is the value it has now, that value is noted for the next visit, and what comes from the
browser is compared with what was offered, also where a callback reads it before the widget is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

T = TypeVar("T")
Number = TypeVar("Number", int, float)


def _noted() -> dict[str, Any]:
    """{key: what the widget was last seen to hold} of this browser session."""
    found: dict[str, Any] = st.session_state.setdefault("noted", {})
    return found


def _name(key: str) -> str:
    """The name by which Streamlit knows a widget now; another one after `put` and `forget`."""
    born: dict[str, int] = st.session_state.get("born", {})
    return f"{key}_{born[key]}" if key in born else key


def _held(key: str, default: Any) -> Any:
    name = _name(key)
    return st.session_state[name] if name in st.session_state else _noted().get(key, default)


def note() -> None:
    """Note what the widgets hold, before a page is drawn that may lack them."""
    for key in _noted():
        _noted()[key] = _held(key, None)


def put(key: str, value: Any) -> None:
    """Let a widget show `value` from now on, also one that is in a closed menu.

    A browser goes on sending what a widget in a closed menu held, so it becomes another widget.
    """
    forget(key)
    _noted()[key] = value


def forget(*starts: str) -> None:
    """Let the widgets whose keys begin so show their defaults from now on."""
    born: dict[str, int] = st.session_state.setdefault("born", {})
    for key in [key for key in _noted() if key.startswith(starts)]:
        born[key] = born.get(key, 0) + 1
        del _noted()[key]


def _offered(value: object, options: Iterable[T]) -> T | None:
    return next((one for one in options if type(one) is type(value) and one == value), None)


def chosen(key: str, options: Iterable[T], default: T) -> T:
    """The option that a widget holds; `default` where it holds none of them."""
    found = _offered(_held(key, default), options)
    return default if found is None else found


def within(key: str, low: Number, high: Number, default: Number) -> Number:
    """The number in [low, high] that a widget holds; `default` where it holds anything else."""
    found = _held(key, default)
    fits = isinstance(found, int | float) and math.isfinite(found) and low <= found <= high
    given: Number = type(default)(found) if fits else default
    return given


def _correct(key: str, value: object) -> str:
    """The name of a widget that is about to be drawn; what it may not hold is replaced by `value`."""
    name = _name(key)
    if name in st.session_state and st.session_state[name] != value:
        st.session_state[name] = value
    return name


def _take(key: str, value: T) -> T:
    _noted()[key] = value
    return value


def button(
    label: str,
    icon: str,
    *,
    key: str,
    do: Callable[..., None],
    args: tuple[Any, ...] = (),
    **looks: Any,
) -> None:
    """A button with one of Google's Material icons, that does something when it is pressed."""
    st.button(label, icon=f":material/{icon}:", key=key, on_click=do, args=args, **looks)


def menu(label: str, icon: str, key: str) -> DeltaGenerator:
    """A menu whose content is always built; `close` closes it."""
    return st.popover(label, icon=f":material/{icon}:", key=key, on_change="rerun")


def close(key: str) -> None:
    """Close a menu, from the callback of what was pressed in it: on a phone it covers the board."""
    st.session_state[key] = False


def _maybe(
    widget: Callable[..., Any],
    label: str,
    choices: tuple[T, ...],
    key: str,
    now: T | None,
    **looks: Any,
) -> T | None:
    """One of Streamlit's widgets for a choice; nothing where it holds nothing that is offered."""
    return _take(key, _offered(widget(label, choices, key=_correct(key, now), **looks), choices))


def _always(
    widget: Callable[..., Any],
    label: str,
    choices: tuple[T, ...],
    key: str,
    now: T,
    **looks: Any,
) -> T:
    """The same where something is always chosen."""
    found = _maybe(widget, label, choices, key, now, **looks)
    return _take(key, now if found is None else found)


def select(
    label: str, options: Iterable[T], *, key: str, default: T | None = None, **looks: Any
) -> T:
    """A select box of which one option is always chosen: `default`, else the first, until somebody chooses."""
    choices = tuple(options)
    now = chosen(key, choices, default if default in choices else choices[0])
    return _always(st.selectbox, label, choices, key, now, index=choices.index(now), **looks)


def maybe(label: str, options: Iterable[T], *, key: str, **looks: Any) -> T | None:
    """A select box in which nothing is chosen until somebody chooses."""
    choices = tuple(options)
    now = chosen(key, choices, None)
    place = None if now is None else choices.index(now)
    return _maybe(st.selectbox, label, choices, key, now, index=place, **looks)


def chips(label: str, options: Iterable[T], *, key: str, **looks: Any) -> T | None:
    """Small buttons of which one may be chosen, and let go again."""
    choices = tuple(options)
    now = chosen(key, choices, None)
    return _maybe(st.pills, label, choices, key, now, default=now, **looks)


def segments(label: str, options: Iterable[T], *, key: str, default: T, **looks: Any) -> T:
    """A row of buttons of which one is always chosen."""
    choices = tuple(options)
    now = chosen(key, choices, default)
    looks |= {"default": now, "required": True}
    return _always(st.segmented_control, label, choices, key, now, **looks)


def tabs(names: Iterable[str], *, key: str) -> tuple[Any, ...]:
    """Tabs of which one is open, the first until somebody opens another; the page is drawn again then."""
    choices = tuple(names)
    now = chosen(key, choices, choices[0])
    found = st.tabs(choices, default=now, key=_correct(key, now), on_change="rerun")
    _take(key, now)
    return tuple(found)


def steps(label: str, options: Iterable[T], *, key: str, default: T, **looks: Any) -> T:
    """A slider over a few values."""
    choices = tuple(options)
    now = chosen(key, choices, default)
    return _always(st.select_slider, label, choices, key, now, value=now, **looks)


def slider(
    label: str, low: Number, high: Number, *, key: str, default: Number, **looks: Any
) -> Number:
    """A slider from `low` to `high`, all of one type."""
    now = within(key, low, high, default)
    given: Number = st.slider(label, low, high, value=now, key=_correct(key, now), **looks)
    return _take(key, given)


def number(
    label: str, low: Number, high: Number, *, key: str, default: Number, **looks: Any
) -> Number:
    """A field for a number from `low` to `high`, all of one type."""
    now = within(key, low, high, default)
    given: Number = st.number_input(label, low, high, value=now, key=_correct(key, now), **looks)
    return _take(key, given)


def toggle(label: str, *, key: str) -> bool:
    """A switch, off until somebody turns it on."""
    now = chosen(key, (False, True), False)
    return _take(key, st.toggle(label, value=now, key=_correct(key, now)))


def text(label: str, *, key: str, lines: int | None = None, **looks: Any) -> str:
    """A field for text, of several lines where `lines` gives its height in pixels."""
    held = _held(key, "")
    now = held if isinstance(held, str) else ""
    name = _correct(key, now)
    given: str | None
    if lines is None:
        given = st.text_input(label, value=now, key=name, **looks)
    else:
        given = st.text_area(label, value=now, key=name, height=lines, **looks)
    return _take(key, given or "")


def typed(key: str) -> str:
    """What stands in a field for text."""
    found = _held(key, "")
    return found.strip() if isinstance(found, str) else ""
