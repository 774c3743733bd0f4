"""What `othello app` serves: the entry script, behind a check of the host that every request names.

A page of another site can let its name lead to this machine (DNS rebinding); its requests then name that site as host.
"""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit import config
from streamlit.starlette import App

hosts = Middleware(
    TrustedHostMiddleware,
    allowed_hosts=list(config.get_option("server.allowedHosts")),
    www_redirect=False,
)
app = App(Path(__file__).with_name("main.py"), middleware=[hosts])
