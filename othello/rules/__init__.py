"""The game as values: boards, notation, symmetries, openings."""
