"""Studies of what is inside the network: concepts, clusters of maps, a twin without constants."""
