"""The Streamlit app; `othello app` starts it."""
