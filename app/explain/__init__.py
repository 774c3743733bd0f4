"""Explanations of positions and searches, without any front end: targets, maps, ledgers, colours, sentences."""
