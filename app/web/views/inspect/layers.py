"""The Layers tool of the Inspect page: every layer's account, its map, its bias map, and a rule of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from app.explain.composites import BIAS_MEANINGS
from app.explain.explanation import Explanation, LayerAccount
from app.explain.overrides import RULES, Override, join
from app.present.numbers import signed
from app.web import state, widgets
from app.web.components import parts
from app.web.components.maps import Legend, Look
from othello.errors import ParseError

AS_PRESET = "as the preset"
MODES, ANY = (AS_PRESET, *BIAS_MEANINGS), (-1e9, 1e9)
NUMBERS = {"Epsilon": ("ε",), "Gamma": ("γ",), "AlphaBeta": ("α",), "ZBox": ("lowest", "highest")}


def overrides() -> dict[str, Override]:
    """{layer: its override} as chosen on this page."""
    found: dict[str, Override] = st.session_state.setdefault("i_overrides", {})
    return found


def composite_of(preset: str) -> str:
    """The composite's name with the overrides chosen on this page."""
    return join(preset, list(overrides().values())) if overrides() else preset


def reminder() -> None:
    """Which layers have a rule of their own, and the way back."""
    if overrides():
        with st.container(horizontal=True, vertical_alignment="center"):
            words = ", ".join(str(one) for one in overrides().values())
            st.caption(f"Layers with a rule of their own: {state.plain(words)}")
            st.button("Back to the preset", key="i_clear", on_click=_clear)


def _clear() -> None:
    overrides().clear()
    widgets.forget("i_rule_", "i_mode_", "i_number_")


def draw(found: Explanation, look: Look) -> None:
    """The table of the layers and what is known of the one that is chosen."""
    if not found.accounts:
        st.caption(
            "Layers are shown for targets of the network itself, not for a search or a difference of positions."
        )
        return
    listed = found.bias.keys() | overrides().keys()
    accounts = [one for one in found.accounts if one.weights or one.name in listed]
    names = [one.name for one in accounts]
    chosen = st.session_state.get("i_layer")
    if chosen not in names:
        chosen = next(iter(names), None)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _table(accounts, chosen)
        st.caption(
            "From the input to the output. Relevance is ΣR at a layer's output; of it the bias and the stabilizer keep "
            "their parts and the rest goes on; the closure is rounding. Click a layer for its maps and its rule."
        )
    with right:
        if chosen is not None:
            _rule(chosen)
            _maps(found, chosen, look)


def _table(accounts: list[LayerAccount], chosen: str | None) -> None:
    rows = []
    for one in accounts:
        numbers = [signed(number) for number in (one.relevance, one.bias, one.stabilizer)]
        rows.append(
            {
                "cells": [
                    one.name,
                    *numbers,
                    f"{one.closure:.0e}".replace("-", "−"),
                    _own(one.name),
                ],
                "value": one.name,
                "chosen": one.name == chosen,
            }
        )
    parts.moves(
        ("layer", "relevance", "bias keeps", "stabilizer", "closure", "rule"),
        rows,
        key="i_layers",
        title="Layers",
        verb="show this layer",
        serial=st.session_state.get("inspect_serial", 0),
        on_pick=_on_pick,
    )


def _own(layer: str) -> str:
    one = overrides().get(layer)
    if one is None:
        return "preset"
    return " / ".join([one.rule or "preset", *([one.bias] if one.bias else [])])


def _on_pick() -> None:
    st.session_state.i_layer = parts.picked("i_layers", "pick")


def _rule(layer: str) -> None:
    """The widgets for a layer's own rule and bias mode."""
    one = overrides().get(layer, Override(layer))
    name, *given = one.rule.split(":")
    follow_up: dict[str, Any] = {"on_change": _override, "args": (layer,)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label, key, rules = f"Rule of {layer}", f"i_rule_{layer}", (AS_PRESET, *RULES)
        widgets.select(label, rules, key=key, default=name, width=170, **follow_up)
        for number, usual in enumerate(RULES[name][1] if name in RULES else ()):
            widgets.number(
                NUMBERS[name][number],
                *ANY,
                key=f"i_number_{layer}_{name}_{number}",
                default=float(given[number]) if given else usual,
                format="%g",
                width=120,
                **follow_up,
            )
        widgets.select(
            "Bias", MODES, key=f"i_mode_{layer}", default=one.bias, width=150, **follow_up
        )


def _maps(found: Explanation, layer: str, look: Look) -> None:
    """The relevance at a layer's output and what its bias keeps of it, on one scale."""
    if layer not in found.layers:
        st.caption("This layer's units do not lie on squares: it has no map.")
        return
    here = found.layers[layer]
    kept = found.bias_maps.get(layer, np.zeros_like(here))
    legend = Legend.of(found, look, here, kept)
    left, right = st.columns(2)
    with left:
        legend.picture(
            found.board,
            here,
            key="i_layer_map",
            title="Relevance here",
            label=f"Relevance at layer {layer}",
        )
    with right:
        legend.picture(
            found.board,
            kept,
            key="i_layer_bias",
            title="What its bias keeps",
            label=f"Bias relevance of layer {layer}",
        )


def _override(layer: str) -> None:
    """Take the widgets of one layer into its override; a rule that cannot be is an error and changes nothing."""
    name = widgets.chosen(f"i_rule_{layer}", (AS_PRESET, *RULES), AS_PRESET)
    mode = widgets.chosen(f"i_mode_{layer}", MODES, AS_PRESET)
    usual = RULES[name][1] if name in RULES else ()
    numbers = [
        widgets.within(f"i_number_{layer}_{name}_{n}", *ANY, number)
        for n, number in enumerate(usual)
    ]
    rule = "" if name == AS_PRESET else ":".join([name, *(f"{number:g}" for number in numbers)])
    bias = "" if mode == AS_PRESET else mode
    overrides().pop(layer, None)
    if rule or bias:
        overrides()[layer] = Override(layer, rule, bias)


def follow(given: tuple[Override, ...]) -> None:
    """Take over the overrides of a link."""
    if len(given) > 64:
        raise ParseError("at most 64 layers may have a rule of their own")
    overrides().clear()
    overrides().update({one.layer: one for one in given})
