"""Worker processes are started whole: a signal that comes meanwhile waits, and Ctrl-C does not reach them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from othello.training.worker import whole_start

MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_workers_have_started(number: signal.Signals) -> None:
    told: list[str] = []
    before = signal.signal(number, lambda *_: told.append("signal"))
    try:
        with whole_start():
            signal.raise_signal(number)
            told.append("started")
        assert told == ["started", "signal"]
        signal.raise_signal(number)
        assert told == ["started", "signal", "signal"]
    finally:
        signal.signal(number, before)


def test_an_interrupt_of_the_terminal_does_not_reach_a_worker() -> None:
    with whole_start():
        worker = subprocess.run([sys.executable, "-c", MASK], capture_output=True, text=True)
    assert worker.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
