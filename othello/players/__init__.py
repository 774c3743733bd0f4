"""Who can sit at a board."""
