"""Tree search over any evaluator; it knows neither torch nor the network."""
