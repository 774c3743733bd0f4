"""The function that the agent learned, and the files it is kept in."""
