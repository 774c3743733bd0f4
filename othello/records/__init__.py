"""Games and positions in the file formats of the Othello world: transcripts, OBF, GGF, SGF, PGN, WTHOR, lists.

>>> from othello.records import GameRecord, read_ggf, write_ggf
>>> game = GameRecord.from_transcript("f5d6c3d3c4", black="Ada", white="Alan")
>>> read_ggf(write_ggf([game])) == [game]
True
"""

from othello.records.files import load_games, open_game, save_games, scan_file
from othello.records.formats import FORMATS, guess_format, read_games, scan_games, write_games
from othello.records.game import Ending, GameRecord, Ply, Theory
from othello.records.ggf import read_ggf, write_ggf
from othello.records.obf import ScoredPosition, read_obf, write_obf
from othello.records.pgn import read_pgn, write_pgn
from othello.records.sgf import read_sgf, write_sgf
from othello.records.wthor import WthorFiles, read_names, read_wthor, write_wthor

__all__ = [
    "FORMATS",
    "Ending",
    "GameRecord",
    "Ply",
    "ScoredPosition",
    "Theory",
    "WthorFiles",
    "guess_format",
    "load_games",
    "open_game",
    "read_games",
    "read_ggf",
    "read_names",
    "read_obf",
    "read_pgn",
    "read_sgf",
    "read_wthor",
    "save_games",
    "scan_file",
    "scan_games",
    "write_games",
    "write_ggf",
    "write_obf",
    "write_pgn",
    "write_sgf",
    "write_wthor",
]
