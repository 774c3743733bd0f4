"""Self-play, replay window, learner, and the loop that ties them together."""
