"""The desktop board: pygame around the same headless session and the same explanations as the web page."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # stdout belongs to the commands
