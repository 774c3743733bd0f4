"""How good a player is: matches, ratings, ladders, reviews."""
