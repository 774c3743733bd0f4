"""The network by OpenVINO in bfloat16: close to float64, the same in every batch and thread."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from othello.network import backends
from othello.network.backends import fastest
from othello.network.evaluator import NetworkEvaluator
from tests.othello.network.test_evaluator import slow_evaluation
from tests.othello.networks import lively_network, random_words

needs_openvino = pytest.mark.skipif(
    not backends.has_amx(), reason="needs the extra amx and a processor with AMX tiles"
)


@needs_openvino
@pytest.mark.parametrize(
    "architecture",
    [
        {"blocks": 2, "channels": 32},
        {"blocks": 0, "channels": 8, "planes": 2},
        {"blocks": 1, "channels": 20, "size": 6, "value_channels": 3},
        {"blocks": 1, "channels": 8, "size": 4, "planes": 3},
    ],
    ids=str,
)
def test_it_stays_close_to_the_network_in_float64(architecture: dict[str, int]) -> None:
    network = lively_network(**architecture)
    own, opp = random_words(150, network.architecture.size)
    logits, value = NetworkEvaluator(network, backend="openvino")(own, opp)
    exact_logits, exact_value = slow_evaluation(network, own, opp)
    assert logits.dtype == value.dtype == np.float32
    assert np.abs(logits - exact_logits).max() < 0.1 and np.abs(value - exact_value).max() < 0.05


@needs_openvino
def test_a_position_gets_the_same_in_every_batch_and_thread() -> None:
    evaluate = NetworkEvaluator(lively_network(blocks=2, channels=32), backend="openvino")
    own, opp = random_words(131, 8)
    together = evaluate(own, opp)
    answers: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def ask(count: int) -> None:
        parts = [
            evaluate(own[at : at + count], opp[at : at + count]) for at in range(0, 131, count)
        ]
        answers[count] = tuple(np.concatenate(column) for column in zip(*parts))

    threads = [threading.Thread(target=ask, args=(count,)) for count in (1, 3, 64, 131)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [1, 3, 64, 131]
    for logits, values in answers.values():
        assert np.array_equal(logits, together[0]) and np.array_equal(values, together[1])
    empty = evaluate(own[:0], opp[:0])
    assert empty[0].shape == (0, 65) and empty[1].shape == (0,)


@pytest.mark.parametrize(
    ("device", "dtype", "tiles", "expected"),
    [
        ("cpu", None, True, "openvino"),
        ("cpu", None, False, "winograd"),
        ("cpu", "float32", True, "winograd"),
        ("cpu", "bfloat16", False, "torch"),
        ("cuda", None, True, "torch"),
    ],
)
def test_the_fastest_backend_is_chosen_by_device_precision_and_processor(
    device: str, dtype: str | None, tiles: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "has_amx", lambda: tiles)
    assert fastest(device, dtype) == expected
