"""Self-play on Ray: the same generations as without it, whatever happens to the workers; no Ray, a clear word."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from othello.network import checkpoint
from othello.network.architecture import Architecture
from othello.training import ray_executor
from othello.training.config import LearnerSettings, RunConfig, write_toml
from othello.training.loop import train
from othello.training.ray_executor import ClusterError, RayWorkers, ray_cluster, versions
from othello.training.replay import read_samples
from othello.training.run import Run
from othello.training.selfplay import SelfPlaySettings
from othello.training.worker import Chunk, play_chunk

SMALL = RunConfig(
    seed=8,
    games=24,
    chunk=4,
    workers=2,
    network=Architecture(size=4, blocks=1, channels=8),
    selfplay=SelfPlaySettings(
        simulations=8, slots=4, random_plies=2, solve_empties=4, label_empties=2, leaf_empties=2
    ),
    learner=LearnerSettings(batch=32, window_start=500),
)
SLOW = replace(
    SMALL, games=60, selfplay=SMALL.selfplay._replace(simulations=512)
)  # a chunk: 0.15 s of one core

PATIENT_RAY = {  # on a busy machine a node takes longer to start than Ray likes to wait
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",
}


@pytest.fixture(autouse=True)
def patient_and_single_threaded(monkeypatch):
    torch.set_num_threads(1)
    for name, value in PATIENT_RAY.items():
        monkeypatch.setenv(name, value)


def hashes(run: Run) -> list[str]:
    count = run.state.iteration + 1
    return [checkpoint.info(run.generation(number))["weights"]["sha256"] for number in range(count)]


def assert_every_game_counts_once(run: Run) -> None:
    assert run.state.games == run.config.games * run.state.iteration
    assert len(run.state.replay) == run.state.iteration
    for entry in run.state.replay:
        samples = read_samples(run.replay / entry.name)
        assert np.unique(samples.game).tolist() == list(range(run.config.games))
        assert np.all(np.diff(samples.game) >= 0), "a game's positions stand together, once"


def test_without_ray_the_command_says_what_to_install_and_writes_nothing(tmp_path):
    program = "import sys; sys.modules['ray'] = None\nfrom app.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        program,
        "train",
        "--ray",
        "--config",
        "othello4",
        "--run",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: --ray needs Ray: pip install 'othello-lrp[cluster]'\n",
    )
    assert not (tmp_path / "run").exists()


def test_an_address_goes_with_ray_only(tmp_path, capsys):
    from app.cli import run

    assert run(["train", "auto", "--config", "othello4", "--run", str(tmp_path / "run")]) == 2
    assert (
        "'auto' is not accepted here; the address of a Ray cluster goes with --ray"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "address, complaint",
    [
        ("ray://127.0.0.1:10001", "accepted: host:port of its head, or auto"),
        ("here", "accepted: host:port"),
        ("127.0.0.1:99999", "accepted: host:port"),
        ("127.0.0.1:1", "no Ray cluster at 127.0.0.1:1: Connection refused"),
        ("nowhere.invalid:6379", "no Ray cluster at nowhere.invalid:6379: "),
    ],
)
def test_an_address_without_a_cluster_is_refused_before_ray_is_asked(
    address, complaint, monkeypatch
):
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_executor, "_TRIAL", "raise SystemExit('not even tried')")
    with pytest.raises(ClusterError, match=complaint) as caught, ray_cluster(address):
        pass
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.long
def test_a_server_that_is_not_ray_is_given_up():
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with (
            pytest.raises(ClusterError, match=f"no Ray cluster answered at {address}"),
            ray_cluster(address),
        ):
            pass
    assert time.monotonic() - began < 60


def node(cpus: int = 1) -> dict[str, int]:
    """A node; ports of its own spare Ray a wait of 15 seconds at most, too short on a busy machine."""
    names = (
        "metrics_agent_port",
        "metrics_export_port",
        "runtime_env_agent_port",
        "dashboard_agent_listen_port",
    )
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {name: server.getsockname()[1] for name, server in zip(names, servers)}
    return {"num_cpus": cpus, "object_store_memory": 1 << 27, **ports}


@pytest.fixture
def two_nodes():
    """A cluster of a head, which plays nothing, and a node with one CPU, which may be removed."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    nodes = Cluster(
        initialize_head=True,
        head_node_args={"include_dashboard": False, "include_log_monitor": False, **node(0)},
    )
    yield nodes, nodes.add_node(**node())
    nodes.shutdown()


def workers_of(node: Any) -> int:
    """Processes that play, or have played, on a node; none is started before there is a task for it."""
    import psutil

    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return sum(child.name().startswith("ray::") for child in raylet.children())


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_node_is_killed_in_mid_iteration_and_the_generations_are_those_of_a_local_run(
    tmp_path, two_nodes
):
    nodes, second = two_nodes
    local = train(tmp_path / "local", SLOW, iterations=2)
    found: dict[str, int] = {}

    def lose_the_node(progress) -> None:
        chunks = list((tmp_path / "ray" / "replay" / "chunks").glob("0000-*.npz"))
        if not found and len(chunks) >= 2:
            found["workers"] = workers_of(second)
            nodes.remove_node(second, allow_graceful=False)
            found["done"] = len(list((tmp_path / "ray" / "replay" / "chunks").glob("0000-*.npz")))
            nodes.add_node(**node())

    def join_another(metrics) -> None:
        if metrics.iteration == 0:
            nodes.add_node(**node())
            nodes.wait_for_nodes()

    with ray_cluster(nodes.address) as workers:
        run = train(tmp_path / "ray", SLOW, lose_the_node, join_another, 2, workers)
    assert found["workers"] >= 1, "nobody else can have played"
    assert 2 <= found["done"] < SLOW.games / SLOW.chunk
    assert_every_game_counts_once(run)
    assert hashes(run) == hashes(local)
    import ray

    ray.init(address=nodes.address, log_to_driver=False)
    assert sum(node["Alive"] for node in ray.nodes()) == 3, "a cluster that was joined stays"
    ray.shutdown()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_killed_worker_is_replaced_and_what_cannot_be_played_is_reported(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    import psutil

    local = train(tmp_path / "local", SLOW, iterations=1)
    with ray_cluster() as workers:
        killed = []

        def kill_a_worker(progress) -> None:
            family = psutil.Process().children(recursive=True)
            players = [process for process in family if process.name() == "ray::play"]
            if players and not killed:
                players[0].kill()
                killed.append(players[0])

        run = train(tmp_path / "ray", SLOW, report=kill_a_worker, iterations=1, workers=workers)
        assert killed
        assert_every_game_counts_once(run)
        assert hashes(run) == hashes(local)

        damaged = tmp_path / "damaged"
        damaged.mkdir()
        (damaged / "meta.json").write_bytes((run.generation(1) / "meta.json").read_bytes())
        (damaged / "weights.safetensors").write_bytes(b"not weights")
        pool = workers(SLOW)
        future = pool.submit(
            play_chunk, Chunk(str(damaged), SLOW.selfplay, 1, 0, 0, 2, str(tmp_path / "out.npz"))
        )
        with pytest.raises(checkpoint.CheckpointError, match="truncated"):
            future.result(timeout=120)
        pool.shutdown()
        assert not (tmp_path / "out.npz").exists()

        with monkeypatch.context() as patch:
            patch.setattr(ray_executor, "_CPUS", 1000)
            starved = RayWorkers(patience=1.0)
        with pytest.raises(ClusterError, match="no free CPU"):
            starved.submit(
                play_chunk, Chunk(str(run.generation(0)), SLOW.selfplay, 1, 0, 0, 2, "out.npz")
            ).result(timeout=120)
        starved.shutdown()

        monkeypatch.setattr(ray_executor, "versions", lambda: {**versions(), "torch": "1.0"})
        pool = workers(SLOW)
        with pytest.raises(
            ClusterError, match=r"has torch .*; install there what is here: .* torch==1\.0 "
        ):
            pool.submit(
                play_chunk, Chunk(str(run.generation(0)), SLOW.selfplay, 1, 0, 0, 2, "out.npz")
            ).result(timeout=120)
        pool.shutdown()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_trainer_that_ends_leaves_no_ray_process_behind(tmp_path, how):
    pytest.importorskip("ray")
    import psutil

    (tmp_path / "slow.toml").write_text(write_toml(SLOW))
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "train",
        "--ray",
        "--config",
        str(tmp_path / "slow.toml"),
    ]
    process = subprocess.Popen(
        [*command, "--run", str(tmp_path / "run")],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    chunks = tmp_path / "run" / "replay" / "chunks"
    while not list(chunks.glob("*.npz")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in child.name() for child in family)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # Ctrl-C reaches Ray's processes too
    else:
        process.send_signal(how)
    out, _ = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(
        family, timeout=120 if how == signal.SIGKILL else 20
    )  # Ray's agents look now and then
    assert not alive
    if how != signal.SIGKILL:
        assert process.returncode == 0 and "stopped, resume with: othello train --run" in out
    resumed = train(tmp_path / "run", iterations=1)
    assert_every_game_counts_once(resumed)
