"""Whom the server answers: requests that name this machine or a host the operator named, by HTTP and by WebSocket."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.app.web.served import ROOT, START, Served, serve

PATHS = (
    "/",
    "/inspect",
    "/_stcore/health",
    "/_stcore/host-config",
    "/static/index.html",
    "/media/x.png",
)
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamlit",
}
FOREIGN = (
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.2",
    "",
)
OWN = (
    "localhost",
    "localhost:{port}",
    "127.0.0.1:{port}",
    "othello.example",
    "othello.example:{port}",
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose operator named a host, and has no home."""
    folder, host = tmp_path_factory.mktemp("named"), ("--allowed-host", "othello.example")
    running = serve(folder, *host, home=os.devnull + "/home")
    yield running
    running.stop()


def status(served: Served, path: str, host: str, **headers: str) -> int:
    """The status of the answer to a request that names a host."""
    port = int(served.address.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host.format(port=port))
        for name, value in headers.items():
            connection.putheader(name, value.format(host=host.format(port=port)))
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused(host: str, named: Served) -> None:
    assert {status(named, path, host) for path in PATHS} == {400}
    for origin in ({}, {"Origin": "http://{host}"}, {"Origin": named.address}):
        assert status(named, "/_stcore/stream", host, **UPGRADE, **origin) in (400, 403)


@pytest.mark.parametrize("host", OWN)
def test_this_machine_and_a_host_that_the_operator_named_are_answered(
    host: str, named: Served
) -> None:
    assert status(named, "/", host) == status(named, "/_stcore/health", host) == 200
    assert status(named, "/_stcore/stream", host, **UPGRADE, Origin="http://{host}") == 101
    assert status(named, "/_stcore/stream", host, **UPGRADE, Origin="http://evil.example") == 403


@pytest.mark.parametrize("name", ["http://a.example/", "a example", "*", "-- a", ""])
def test_what_is_no_name_of_a_host_is_refused_in_one_line(name: str) -> None:
    command = [sys.executable, "-c", START, "app", "--allowed-host", name]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (
        ended.returncode == 2
        and "is no name of a host" in ended.stderr
        and ended.stderr.count("\n") == 1
    )
