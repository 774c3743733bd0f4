"""Experiments: the figures of the project's first blog post, and whether the explanations are true; one module each."""
