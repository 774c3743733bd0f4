"""Files of the desktop: games read in any format, transcripts and pictures written under names that are still free."""

from __future__ import annotations

import io
from pathlib import Path

import pygame

from app.game.session import Session
from othello import atomic
from othello.errors import ParseError
from othello.records.formats import guess_format, read_games
from othello.records.game import GameRecord
from othello.records.sgf import write_sgf
from othello.rules.board import Board
from othello.rules.notation import MAX_TEXT, format_moves

MAX_FILE = 5_000_000  # bytes of a game file


def open_game(game: Session, text: str) -> str:
    """Make `game` the one that `text` names: a file, a transcript, a board string or `start`; a sentence on it.

    Raises ParseError, IllegalMove or OSError, and leaves the game as it was.
    """
    text = text.strip()
    path = (
        Path(text).expanduser()
        if 0 < len(text) <= 1000 and "\n" not in text and "\0" not in text
        else None
    )
    try:
        is_file = path is not None and path.is_file()
    except OSError:
        is_file = False
    if path is not None and is_file:
        return open_file(game, path)
    if len(text) > MAX_TEXT:
        raise ParseError(f"a text of {len(text)} characters; at most {MAX_TEXT} are accepted")
    if not text:
        raise ParseError(
            "nothing to open: a file, a transcript, a board string or `start` is accepted"
        )
    game.open(text)
    return "Opened."


def open_file(game: Session, path: Path) -> str:
    """As `open_game`, the first game of a file."""
    if path.stat().st_size > MAX_FILE:
        raise ParseError(f"{path.name}: larger than {MAX_FILE // 1_000_000} MB")
    data = path.read_bytes()
    records = read_games(data, guess_format(data, path.name), game.start.size)
    if not records:
        raise ParseError(f"{path.name}: holds no game")
    game.new_game(start=records[0].start, actions=records[0].actions)
    more = f", the first of {len(records)} games" if len(records) > 1 else ""
    return f"Opened {path.name}{more}."


def save_game(game: Session, folder: Path) -> Path:
    """Write the game's whole line: a transcript, or SGF where it did not begin with the usual position."""
    line = game.line
    if line.start == Board.initial(line.start.size):
        path = free_name(folder, "othello", ".txt")
        atomic.write_text(path, format_moves(line.actions, line.start.size) + "\n")
    else:
        path = free_name(folder, "othello", ".sgf")
        atomic.write_text(path, write_sgf([GameRecord.from_actions(line.actions, line.start)]))
    return path


def save_picture(surface: pygame.Surface, path: Path) -> Path:
    """Write a surface as PNG."""
    out = io.BytesIO()
    pygame.image.save(surface, out, "picture.png")
    atomic.write_bytes(path, out.getvalue())
    return path


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """The first of stem-1, stem-2, … that does not exist in a folder."""
    number = 1
    while (path := folder / f"{stem}-{number}{suffix}").exists():
        number += 1
    return path
