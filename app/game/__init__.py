"""A game without a face: its line of play, the session, the opponents."""
