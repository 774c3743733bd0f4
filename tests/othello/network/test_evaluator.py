"""Every backend against the network itself in float64, and what searches rely on: threads, batches, no side effects."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Network
from othello.network.backends import fastest
from othello.network.batchnorm_folding import fold
from othello.network.cpu import inference
from othello.network.cpu.inference import WinogradBackend
from othello.network.encoding import encode
from othello.network.evaluator import NetworkEvaluator
from tests.othello.networks import enliven, lively_network, random_words

BACKENDS = ("winograd", "torch")


def slow_evaluation(
    network: Network, own: np.ndarray, opp: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    a = network.architecture
    exact = Network(a).double().eval()
    exact.load_state_dict(network.state_dict())
    with torch.no_grad():
        policy, value = exact(torch.from_numpy(encode(own, opp, a.size, a.planes)).double())
    return policy.numpy(), value.numpy()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "architecture",
    [
        {"blocks": 4, "channels": 48},
        {"blocks": 6, "channels": 64},
        {"blocks": 10, "channels": 128},
        {"blocks": 0, "channels": 8},
        {
            "blocks": 2,
            "channels": 20,
            "planes": 2,
            "policy_channels": 3,
            "value_channels": 1,
            "value_hidden": 5,
        },
        {"blocks": 3, "channels": 24, "planes": 3, "size": 6},
        {"blocks": 2, "channels": 40, "size": 6},
        {"blocks": 2, "channels": 16, "size": 4},
        {"blocks": 1, "channels": 1, "size": 4},
    ],
    ids=str,
)
def test_every_backend_agrees_with_the_network_in_float64(
    backend: str, architecture: dict[str, int]
) -> None:
    network = lively_network(**architecture)
    own, opp = random_words(19, network.architecture.size)
    logits, value = NetworkEvaluator(network, backend=backend)(own, opp)
    exact_logits, exact_value = slow_evaluation(network, own, opp)
    assert logits.dtype == value.dtype == np.float32
    assert exact_logits.std() > 0.05 and exact_value.std() > 0.01, (
        "the comparison would show nothing"
    )
    assert np.abs(logits - exact_logits).max() < 2e-5
    assert np.abs(value - exact_value).max() < 2e-5


@settings(max_examples=25)
@given(
    st.sampled_from([4, 6, 8]),
    st.integers(0, 3),
    st.integers(1, 40),
    st.integers(2, 4),
    st.integers(1, 20),
    st.integers(1, 9),
    st.integers(1, 30),
    st.integers(0, 40),
)
def test_the_compiled_network_agrees_with_torch_for_any_architecture_and_batch(
    size: int,
    blocks: int,
    channels: int,
    planes: int,
    policy: int,
    value: int,
    hidden: int,
    batch: int,
) -> None:
    network = lively_network(
        size=size,
        blocks=blocks,
        channels=channels,
        planes=planes,
        policy_channels=policy,
        value_channels=value,
        value_hidden=hidden,
    )
    own, opp = random_words(batch, size)
    fast, slow = (NetworkEvaluator(network, backend=backend)(own, opp) for backend in BACKENDS)
    assert fast[0].shape == slow[0].shape == (batch, size * size + 1) and fast[1].shape == (batch,)
    assert np.allclose(fast[0], slow[0], atol=5e-5) and np.allclose(fast[1], slow[1], atol=5e-5)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_an_evaluation_is_the_same_bits_whatever_else_is_in_the_batch(size: int) -> None:
    network = lively_network(size=size, blocks=2, channels=24)
    own, opp = random_words(23, size)
    logits, value = WinogradBackend(fold(network))(own, opp)
    for chunk in (1, 2, 5, 64):
        again = WinogradBackend(fold(network), chunk)(own, opp)
        assert np.array_equal(logits, again[0]) and np.array_equal(value, again[1])
    single = WinogradBackend(fold(network))(own[7:8], opp[7:8])
    assert np.array_equal(single[0][0], logits[7]) and single[1][0] == value[7]


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_threads_may_call_one_evaluator_at_once(backend: str) -> None:
    evaluate = NetworkEvaluator(lively_network(blocks=2, channels=16), backend=backend)
    batches = [random_words(count, 8, seed) for seed, count in enumerate((1, 17, 40, 5, 33, 16))]
    expected = [evaluate(*words) for words in batches]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            logits, value = evaluate(*batches[index])
            if not np.allclose(logits, expected[index][0], atol=1e-6):
                wrong.append(index)
            if not np.allclose(value, expected[index][1], atol=1e-6):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_evaluator_changes_neither_the_network_nor_follows_its_training(backend: str) -> None:
    network = lively_network(blocks=1, channels=8).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    own, opp = random_words(3, 8)
    evaluate = NetworkEvaluator(network, backend=backend)
    first = evaluate(own, opp)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert np.array_equal(first[0], evaluate(own, opp)[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_belong_to_the_caller_and_arguments_stay(backend: str) -> None:
    evaluate = NetworkEvaluator(lively_network(blocks=1, channels=8), backend=backend)
    own, opp = random_words(4, 8)
    kept = own.copy(), opp.copy()
    first = evaluate(own, opp)
    saved = first[0].copy()
    evaluate(opp, own)
    assert np.array_equal(first[0], saved)
    assert np.array_equal(own, kept[0]) and np.array_equal(opp, kept[1])


def test_read_only_strided_and_signed_words_compile_nothing_new() -> None:
    evaluate = NetworkEvaluator(lively_network(blocks=1, channels=8))
    own, opp = random_words(6, 8)
    expected = evaluate(own, opp)[0]
    frozen = own.copy(), opp.copy()
    for words in frozen:
        words.flags.writeable = False
    assert np.array_equal(evaluate(*frozen)[0], expected)
    assert np.array_equal(evaluate(own.view(np.int64), opp.view(np.int64))[0], expected)
    assert len(inference._evaluate.signatures) == 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "name", ["stem.weight", "blocks.1.conv1.weight", "policy_conv.weight", "value_hidden.weight"]
)
def test_a_number_that_is_not_finite_shows_in_the_results(backend: str, name: str) -> None:
    network = lively_network(blocks=2, channels=16)
    with torch.no_grad():
        network.get_parameter(name).view(-1)[0] = float("nan")
    logits, value = NetworkEvaluator(network, backend=backend)(*random_words(40, 8))
    assert np.isnan(logits).any() or np.isnan(value).any()


def test_strided_words_are_accepted_and_mismatched_ones_refused() -> None:
    evaluate = NetworkEvaluator(lively_network(blocks=1, channels=8))
    own, opp = random_words(6, 8)
    assert np.array_equal(
        evaluate(own[::2], opp[::2])[0], evaluate(own[::2].copy(), opp[::2].copy())[0]
    )
    with pytest.raises(ValueError, match="two arrays"):
        evaluate(own[:2], opp)


def test_auto_takes_the_compiled_kernel_for_float32_on_a_cpu() -> None:
    network = lively_network(blocks=1, channels=8)
    assert NetworkEvaluator(network).backend == fastest("cpu", None)
    assert NetworkEvaluator(network, dtype="float32").backend == "winograd"


@pytest.mark.parametrize(
    "choice",
    [
        {"backend": "onnx"},
        {"backend": "winograd", "dtype": "bfloat16"},
        {"backend": "openvino", "dtype": "float32"},
        {"backend": "torch", "dtype": "f16"},
    ],
)
def test_unknown_choices_are_refused_with_the_known_ones(choice: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"one of|only"):
        NetworkEvaluator(lively_network(blocks=1, channels=8), **choice)


def test_bfloat16_stays_close() -> None:
    network = lively_network(blocks=2, channels=16)
    own, opp = random_words(5, 8)
    logits, value = NetworkEvaluator(network, dtype="bfloat16")(own, opp)
    exact_logits, exact_value = slow_evaluation(network, own, opp)
    assert np.abs(logits - exact_logits).max() < 0.1 and np.abs(value - exact_value).max() < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-2), ("bfloat16", 0.15)])
def test_a_cuda_device_agrees(dtype: str, tolerance: float) -> None:
    network = lively_network(blocks=4, channels=48)
    own, opp = random_words(300, 8)
    logits, value = NetworkEvaluator(network, device="cuda", dtype=dtype)(own, opp)
    exact_logits, exact_value = slow_evaluation(network, own, opp)
    assert (
        np.abs(logits - exact_logits).max() < tolerance
        and np.abs(value - exact_value).max() < tolerance
    )


def test_an_imported_network_is_evaluated_from_the_view_of_the_side_to_move() -> None:
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 6, 12, 10))
    enliven(network, 0)
    network.eval()
    own, opp = random_words(4, 8)
    logits, value = NetworkEvaluator(network)(own, opp)
    planes = encode(own, opp, 8, 2)
    with torch.no_grad():
        expected = network(torch.from_numpy(planes[:, :1] - planes[:, 1:]))
    assert np.allclose(logits, expected[0].numpy(), atol=1e-6) and np.allclose(
        value, expected[1].numpy(), atol=1e-6
    )
