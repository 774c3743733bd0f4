"""Clients for other programs that play Othello: processes that speak GTP or NBoard over pipes."""
