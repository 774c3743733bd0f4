"""Our agent as an engine for other programs: GTP and NBoard servers on standard input and output."""
