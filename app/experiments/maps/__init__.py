"""Maps of many positions: under several methods, and in clusters."""
