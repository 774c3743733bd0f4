"""What `othello app` serves: the entry script, behind a check of the host that every request names.

Its visitors' threads come and go, and so does the memory of their explanations: it is given back at once.

A page of another site can let its name lead to this machine (DNS rebinding); its requests then name that site as host.
"""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route
from streamlit import config
from streamlit.starlette import App

from othello.operating_system import give_memory_back

give_memory_back()
hosts = Middleware(
    TrustedHostMiddleware,
    allowed_hosts=list(config.get_option("server.allowedHosts")),
    www_redirect=False,
)


def to_play(request: Request) -> RedirectResponse:
    """The Play page is the app's own address; who asks for it by its name is led there, with what the link says."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"./{query}")


app = App(
    Path(__file__).with_name("main.py"),
    routes=[Route("/play", to_play)],
    middleware=[hosts],
)
