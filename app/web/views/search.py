"""Placeholder."""

import streamlit as st


def page():
    st.title("soon")
