"""The command `othello`, also `python -m othello`: with torch and NumPy alone it says what to install."""

from __future__ import annotations

import importlib
import sys

from app.extras import advice


def main() -> None:
    """Run the command line and exit."""
    try:
        command_line = importlib.import_module("app.cli")
    except ModuleNotFoundError as error:
        print(f"error: {advice(error.name)}", file=sys.stderr)
        sys.exit(1)
    command_line.main()


if __name__ == "__main__":
    main()
