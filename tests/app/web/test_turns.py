"""Turns to search: never more at once than there may be, in the order of coming, with a word to those who wait."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.web import turns
from app.web.turns import Precedence, Turns


def until(true: Any) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.005)
    raise AssertionError("never came true")


@pytest.mark.parametrize("at_once", [1, 3])
def test_never_more_search_at_once_and_they_come_in_order(at_once: int) -> None:
    line, order, together = Turns(at_once), list[int](), list[int]()
    said: dict[int, list[int]] = {}
    gates = [threading.Event() for _ in range(10)]

    def visitor(number: int) -> None:
        with line.turn(said.setdefault(number, []).append):
            order.append(number)
            together.append(line.under_way)
            assert gates[number].wait(60)

    visitors = [threading.Thread(target=visitor, args=(number,)) for number in range(10)]
    for number, thread in enumerate(visitors):
        thread.start()
        until(lambda number=number: number in said and len(order) == min(number + 1, at_once))
        if number >= at_once:
            until(lambda number=number: said[number])
    for number, gate in enumerate(gates):
        until(lambda number=number: len(order) == min(number + at_once, 10))
        gate.set()
        visitors[number].join(60)
    assert order == sorted(order) and max(together) <= at_once and line.under_way == 0
    assert [said[n][0] for n in range(at_once, 10)] == list(range(1, 11 - at_once))
    assert all(not said[n] for n in range(at_once))
    for numbers in said.values():
        assert numbers == sorted(numbers, reverse=True)


def test_who_leaves_while_waiting_or_fails_while_searching_makes_room() -> None:
    line, go_on = Turns(1), threading.Event()

    def hold() -> None:
        with line.turn(lambda before: None):
            assert go_on.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    until(lambda: line.under_way == 1)

    def leave(before: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), line.turn(leave):
        raise AssertionError("it was not its turn")
    go_on.set()
    holder.join(60)
    with pytest.raises(ZeroDivisionError), line.turn(leave):
        raise ZeroDivisionError
    assert line.under_way == 0


def test_what_is_urgent_comes_before_what_waits_and_never_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, began = Precedence(1), list[int]()

    def work(number: int) -> None:
        with order.afterwards(lambda before: None):
            began.append(number)

    late = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    with order.first():
        with order.first():  # does not wait for the other
            for thread in late:
                thread.start()
                time.sleep(0.02)
        assert began == [] and order.urgent == 1
        with order.aside():  # a search, for which nobody waits
            late[0].join(60)
        assert began[:1] == [0] and order.urgent == 1
    for thread in late:
        thread.join(60)
    assert began == [0, 1, 2] and order.urgent == 0
    monkeypatch.setattr(turns, "_BEHIND", 0.01)
    with order.first():
        work(3)  # boards may keep it waiting for so long, and no longer
    assert began[-1] == 3


def test_who_waits_for_boards_may_leave() -> None:
    order, gate, began = Precedence(1), threading.Event(), threading.Event()

    def hold() -> None:
        with order.afterwards(lambda before: None):
            began.set()
            assert gate.wait(60)

    def leave(before: int) -> None:
        raise KeyboardInterrupt

    holder = threading.Thread(target=hold)
    holder.start()
    assert began.wait(60)
    with pytest.raises(KeyboardInterrupt), order.afterwards(leave):
        raise AssertionError("it was not its turn")
    gate.set()
    holder.join(60)
    with order.afterwards(leave):
        pass


def test_a_search_within_a_search_does_not_wait_for_itself() -> None:
    line = Turns(1)
    with line.turn(print), line.turn(print):
        assert line.under_way == 1
    assert line.under_way == 0


def page() -> None:
    import streamlit as st

    from app.web import turns

    with turns.searching(st.empty()):
        st.text("searched")


def test_a_page_says_how_many_are_before_it_and_then_searches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, said, go_on = Turns(1), list[str](), threading.Event()
    monkeypatch.setattr(turns, "_turns", lambda: line)
    words = turns.waiting_words

    def noted(before: int) -> str:
        said.append(words(before))
        go_on.set()
        return said[-1]

    monkeypatch.setattr(turns, "waiting_words", noted)

    def hold() -> None:
        with line.turn(lambda before: None):
            assert go_on.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    until(lambda: line.under_way == 1)
    shown = AppTest.from_function(page).run(timeout=60)
    holder.join(60)
    assert not shown.exception and [text.value for text in shown.text] == ["searched"]
    assert said == ["waiting for 1 search…"] and not shown.caption
