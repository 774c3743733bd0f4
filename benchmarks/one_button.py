"""The least page that Streamlit can redraw: a button and the number of its presses, the floor for `benchmarks.page`."""

from __future__ import annotations

import streamlit as st


def main() -> None:
    presses = st.session_state.get("presses", 0) + st.button("Press")
    st.session_state.presses = presses
    st.text(f"pressed {presses} times")


if __name__ == "__main__":
    main()
