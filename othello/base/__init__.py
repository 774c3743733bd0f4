"""Bases of games: which moves were played in a position, how often, and with what result."""
