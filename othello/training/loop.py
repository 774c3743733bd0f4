"""The training loop: while workers play iteration i with generation i, the learner makes generation i + 1.

The learner sees the iterations before i, so both run at once and yet nothing depends on timing: same seed and
settings, same generations.  An iteration counts when the manifest names it; killed before, it is played again, except
for chunks of games already on disk.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from othello import atomic
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Network
from othello.training.chunks import take
from othello.training.config import RunConfig
from othello.training.game_slots import SelfPlaySettings
from othello.training.learner import Learner, Losses
from othello.training.manifest import account
from othello.training.metrics import Metrics, MetricsLog
from othello.training.net2net import grow
from othello.training.replay import newest, read_samples, window_size, write_samples
from othello.training.run import ReplayFile, Run, State, file_record, locked
from othello.training.selfplay import Samples
from othello.training.worker import Chunk, ChunkReport, play_chunk, start_worker, whole_start

Report = Callable[[dict[str, Any]], None]
_log = logging.getLogger(__name__)


def local_workers(config: RunConfig) -> Executor:
    """The run's `workers` on this machine: processes of one thread each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # read when a worker loads its libraries
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(config.workers, mp_context=context, initializer=start_worker)


class Trainer:
    """A run under way; the lock must be held."""

    def __init__(self, run: Run, report: Report) -> None:
        self.run, self.report = run, report
        self.config = run.config
        self.backend = run.config.played_by()
        self.log = MetricsLog(run.metrics, run.config.learner.batch)
        torch.manual_seed(self.config.seed)
        network = Network(self.config.network)
        if run.state.generation_sha256:
            run.clear_unlisted()
            run.put_right()
            folder = run.generation(run.state.iteration)
            newest = checkpoint.load(folder)
            network.load_state_dict(newest.network.state_dict())
            self._tell_backend(newest.meta.get("backend", self.backend))
        self.learner = Learner(network, self.config.learner, self.config.device)
        if run.state.generation_sha256:
            self.learner.restore(checkpoint.load_tensors(folder / "optimizer.safetensors"))
        else:
            self._publish(self._start() if self.config.initial else State())
        self.parts = [read_samples(run.replay / entry.name) for entry in run.state.replay]

    def _start(self) -> State:
        """Take over the weights of `initial`, what they have seen, and where that is a run its games too."""
        folder = Path(self.config.initial)
        older = Run.open(folder, verify=True) if (folder / "state.json").exists() else None
        source = folder if older is None else older.generation(older.state.iteration)
        loaded = checkpoint.load(source)
        grow(self.learner.network, loaded.network)
        self.learner.average.load_state_dict(self.learner.network.state_dict())
        if older is None:
            return account(loaded.meta, source)
        replay = [replace(entry, name=f"initial-{entry.name}") for entry in older.state.replay]
        for entry, taken in zip(older.state.replay, replay):
            atomic.write_bytes(
                self.run.replay / taken.name, (older.replay / entry.name).read_bytes()
            )
        return replace(older.state, iteration=0, generation_sha256="", replay=replay)

    def _tell_backend(self, before: str) -> None:
        """Say that the games to come are made by another backend than those `before`."""
        if before != self.backend:
            _log.warning(
                "%s: its games were played by the %s backend, those to come are by %s; the last bits differ",
                self.run.folder,
                before,
                self.backend,
            )

    def _publish(self, state: State, **meta: Any) -> None:
        """Save the present weights as generation `state.iteration`, then let the manifest name it."""
        self.learner.check_finite()
        folder = self.run.generation(state.iteration)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save_tensors(folder / "optimizer.safetensors", self.learner.state())
        described = {
            "generation": state.iteration,
            "seed": self.config.seed,
            "games": state.games,
            "positions": state.positions,
            "evaluations": state.evaluations,
            "core_seconds": round(state.core_seconds, 1),
            "selfplay": self.config.selfplay._asdict(),
            "learner": asdict(self.config.learner),
            "backend": self.backend,
            **meta,
        }
        digest = checkpoint.save(self.learner.average, folder, described)
        self.run.commit(
            State(**{**asdict(state), "generation_sha256": digest, "replay": state.replay})
        )
        old = self.run.generation(state.iteration - 2) / "optimizer.safetensors"
        old.unlink(missing_ok=True)

    def _chunks(self, iteration: int) -> list[Chunk]:
        config, folder = self.config, self.run.chunks
        weights, digest, settings = self._player(iteration)
        chunks = []
        for start in range(0, config.games, config.chunk):
            stop = min(start + config.chunk, config.games)
            chunks.append(
                Chunk(
                    weights,
                    settings,
                    config.seed,
                    iteration,
                    start,
                    stop,
                    str(folder / f"{iteration:04d}-{start}-{stop}.npz"),
                    config.device,
                    digest,
                    self.backend,
                )
            )
        return chunks

    def _player(self, iteration: int) -> tuple[str, str, SelfPlaySettings]:
        """Who plays an iteration's games: a checkpoint, its SHA-256, and the settings of its search."""
        config = self.config
        if iteration >= config.teacher_until:
            weights = str(self.run.generation(iteration))
            return weights, self.run.state.generation_sha256, config.selfplay
        folder = checkpoint.locate(config.teacher)
        digest = checkpoint.info(folder)["weights"]["sha256"]
        settings = config.selfplay._replace(simulations=config.teacher_simulations)
        return str(folder), digest, settings

    def iterate(self, workers: Executor) -> Metrics:
        """One iteration: self-play and learning side by side, then the new generation and its manifest."""
        state, began = self.run.state, time.perf_counter()
        i = state.iteration
        chunks = self._chunks(i)
        learned, reports = self._play_and_learn(chunks, workers, began)
        samples = Samples.concatenate([self._samples(chunk, workers) for chunk in chunks])
        fresh = self.learner.measure(samples)
        replay = self._keep(samples)
        seconds = time.perf_counter() - began
        core = sum(report.seconds for report in reports)
        evaluations = sum(report.evaluations for report in reports)
        after = State(
            iteration=i + 1,
            games=state.games + self.config.games,
            positions=state.positions + len(samples.own),
            evaluations=state.evaluations + evaluations,
            replay=replay,
            core_seconds=state.core_seconds + core + learned["learner_seconds"],
        )
        metrics = Metrics(
            iteration=i,
            games=self.config.games,
            positions=len(samples.own),
            evaluations=evaluations,
            seconds=seconds,
            selfplay_core_seconds=core,
            fresh_policy=fresh.policy,
            fresh_value=fresh.value,
            fresh_score=fresh.score,
            fresh_value_error=fresh.value_error,
            **learned,
        )
        self.log.add(metrics)
        self._publish(after, fresh_value_error=round(fresh.value_error, 4))
        for chunk in chunks:
            Path(chunk.out).unlink(missing_ok=True)
        return metrics

    def _play_and_learn(
        self, chunks: list[Chunk], workers: Executor, began: float
    ) -> tuple[dict[str, Any], list[ChunkReport]]:
        """Learn from the games there are while the chunks are played: the learner's figures, the chunks' reports."""
        for chunk in chunks:
            take(Path(chunk.out), chunk.identity)
        with whole_start():
            futures = [workers.submit(play_chunk, chunk) for chunk in chunks]
        try:
            iteration = self.run.state.iteration
            return self._learn(iteration, began, futures), self._collect(futures, iteration)
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def _keep(self, samples: Samples) -> list[ReplayFile]:
        """Write an iteration's samples into the replay window; the files that it then consists of."""
        path = self.run.replay / f"{self.run.state.iteration:04d}.npz"
        write_samples(path, samples)
        self.parts.append(samples)
        replay = [*self.run.state.replay, file_record(path, len(samples.own))]
        limit = self.config.learner.window_limit
        while len(replay) > 1 and sum(entry.positions for entry in replay[1:]) >= limit:
            replay.pop(0)  # `Run.commit` removes the file once the manifest no longer names it
            self.parts.pop(0)
        return replay

    def _samples(self, chunk: Chunk, workers: Executor) -> Samples:
        """The samples of a finished chunk; one that was damaged on the disk in the meantime is played again."""
        path = Path(chunk.out)
        found = take(path, chunk.identity)
        if found is None:
            workers.submit(play_chunk, chunk).result()
            found = take(path, chunk.identity)
        if found is None:
            raise CheckpointError(
                f"{path}: damaged again after its games were played again; is the disk failing?"
            )
        return found

    def _learn(
        self, iteration: int, began: float, futures: list[Future[ChunkReport]]
    ) -> dict[str, Any]:
        settings = self.config.learner
        start = time.process_time()
        window, steps, losses = 0, 0, Losses(0.0, 0.0, 0.0, 0.0)
        if self.parts:
            window = window_size(self.run.state.positions, settings)
            samples = newest(self.parts, window)
            window = len(samples.own)
            steps = max(
                1, round(settings.samples_per_position * len(self.parts[-1].own) / settings.batch)
            )

            def progress(step: int, losses: Losses) -> None:
                if step % 8 == 0 or step == steps:
                    done = sum(future.done() for future in futures)
                    self.report(
                        {
                            "iteration": iteration,
                            "step": step,
                            "steps": steps,
                            "chunks_done": done,
                            "chunks": len(futures),
                            "losses": losses,
                            "seconds": time.perf_counter() - began,
                            "learner_seconds": time.process_time() - start,
                        }
                    )

            losses = self.learner.train(samples, steps, iteration, self.config.seed, progress)
        return {
            "learner_seconds": time.process_time() - start,
            "window": window,
            "steps": steps,
            "learning_rate": self.learner.learning_rate(iteration),
            "train_policy": losses.policy,
            "train_value": losses.value,
            "train_score": losses.score,
        }

    def _collect(self, futures: list[Future[ChunkReport]], iteration: int) -> list[ChunkReport]:
        waiting = set(futures)
        while waiting:
            _, waiting = wait(waiting, timeout=2.0)
            self.report(
                {
                    "iteration": iteration,
                    "chunks_done": len(futures) - len(waiting),
                    "chunks": len(futures),
                }
            )
        return [future.result() for future in futures]


def train(
    folder: Path,
    config: RunConfig | None = None,
    report: Report = lambda state: None,
    on_iteration: Callable[[Metrics], None] = lambda metrics: None,
    iterations: int | None = None,
    workers: Callable[[RunConfig], Executor] = local_workers,
    accept_changes: bool = False,
) -> Run:
    """Start the run in `folder` with `config`, or go on with the one there; returns when its iterations are done.

    `iterations` ends it earlier: after so many from now.  `report` gets the state of the iteration under way a few
    times a second, `on_iteration` every finished one; `workers` makes what plays the games.  Settings of an existing
    run that were edited are a `ConfigError` unless `accept_changes`, which notes them in the run.  Raises `RunLocked`
    if another process trains there, `NotFinite` at the first NaN, `ConfigError`, `CheckpointError`.
    """
    with locked(folder):
        resuming = (folder / "state.json").exists()
        if resuming:
            run = Run.open(folder, verify=True, accept=accept_changes)
        else:
            run = Run.create(folder, config, accept=accept_changes)
        trainer = Trainer(run, report)
        pool = workers(run.config)
        try:
            last = run.config.iterations if iterations is None else run.state.iteration + iterations
            while run.state.iteration < min(last, run.config.iterations):
                on_iteration(trainer.iterate(pool))
        finally:
            _stop(pool)
        return run


def _stop(pool: Executor) -> None:
    """End the workers now: their unfinished chunks are not worth waiting for."""
    processes = list(getattr(pool, "_processes", {}).values() or [])
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout=5)
