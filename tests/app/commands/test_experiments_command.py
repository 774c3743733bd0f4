"""`othello experiments`: requests refused before any work, results that repeat, processes side by side, the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

import pytest
import torch

from app.cli import run as command
from app.experiments import report, results, runner
from app.experiments.catalogue import experiment, experiments
from app.models import Model
from othello.errors import ConfigError
from othello.network import checkpoint
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Architecture, Network

ROOT = Path(__file__).parents[3]


def files(folder: Path) -> dict[str, bytes]:
    """Every result in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.mark.parametrize("name", ["heads", "exploration"])
def test_the_same_seed_gives_the_same_files_and_another_seed_others(
    name: str, model: Model, tmp_path: Path
) -> None:
    folders = [tmp_path / "first", tmp_path / "second", tmp_path / "other"]
    for folder, seed in zip(folders, (3, 3, 4)):
        assert (
            runner.run(name, runner.Request(folder, positions=3, seed=seed, quick=True))[1] is False
        )
    first, second, other = (files(folder) for folder in folders)
    assert first == second and {f"{name}.json", f"{name}.svg"} <= set(first)
    assert json.loads(other[f"{name}.json"])["key"] != json.loads(first[f"{name}.json"])["key"]
    assert name != "heads" or first["heads.svg"] != other["heads.svg"]


@pytest.mark.long
def test_every_experiment_repeats_to_the_byte_in_one_process_and_in_two(
    model: Model, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for processes, folder in zip(("1", "2"), folders):
        words = [
            "experiments",
            "all",
            "--quick",
            "--seed",
            "5",
            "--processes",
            processes,
            "--out",
            str(folder),
        ]
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from app.cli import main; main(sys.argv[1:])",
                *words,
            ],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    one, two = (files(folder) for folder in folders)
    assert set(one) == set(two) and {f"{name}.json" for name in experiments()} <= set(one)
    assert [name for name in one if one[name] != two[name]] == []
    assert not (tmp_path / "docs").exists()


def test_two_processes_make_the_records_of_one_and_pass_progress_on(
    model: Model, tmp_path: Path
) -> None:
    names, told = ("empty-board", "heads"), []
    for processes, folder in ((1, tmp_path / "one"), (2, tmp_path / "two")):
        request = runner.Request(folder, positions=2, quick=True)
        records = runner.run_all(
            request, names, lambda share, what: told.append((share, what)), processes
        )
        assert [record["name"] for record in records] == list(names)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert all(0 <= share <= 1 for share, _ in told) and any(
        what.startswith("heads") for _, what in told
    )
    assert set(runner.durations(tmp_path / "two")) >= set(names)


def test_what_is_finished_is_kept_and_a_damaged_or_changed_result_is_made_again(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = runner.Request(tmp_path, positions=2, quick=True)
    assert runner.run("policy", request)[1] is False
    stamp = (tmp_path / "policy.json").stat().st_mtime_ns
    assert runner.run("policy", request)[1] is True
    assert (tmp_path / "policy.json").stat().st_mtime_ns == stamp
    assert (
        runner.run("policy", runner.Request(tmp_path, positions=2, quick=True, again=True))[1]
        is False
    )
    (tmp_path / "policy.svg").unlink()
    assert results.stored(tmp_path, "policy") is None and runner.run("policy", request)[1] is False
    (tmp_path / "policy.json").write_text("{")
    assert runner.run("policy", request)[1] is False
    monkeypatch.setattr(results, "deciding_sources", lambda: "another version of the code")
    assert runner.run("policy", request)[1] is False


def test_a_record_names_the_weights_the_code_and_the_versions_that_made_it(
    model: Model, tmp_path: Path
) -> None:
    record, _ = runner.run("empty-board", runner.Request(tmp_path))
    assert (
        record["checkpoint"]["sha256"] == model.sha256
        and record["versions"]["torch"] == torch.__version__
    )
    assert (
        all(len(record[part]) == 64 for part in ("code", "key")) and record["code"] != record["key"]
    )


def test_weights_of_the_posts_network_are_imported_and_explained_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(2)
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 6, 16, 12)).eval()
    file, folder = tmp_path / "best.pth.tar", tmp_path / "imported"
    torch.save({"state_dict": network.state_dict()}, file)
    assert command(["checkpoint", "import", str(file), "--to", str(folder)]) == 0
    for name in ("value-plus", "policy", "prior"):
        words = [
            "experiments",
            name,
            "--checkpoint",
            str(folder),
            "--out",
            str(tmp_path / "out"),
            "--positions",
            "2",
        ]
        assert command([*words, "--quick"]) == 0, capsys.readouterr().err
        record = results.stored(tmp_path / "out", name)
        assert record is not None and record["checkpoint"]["kind"] == "alpha-zero-general"
    found = results.stored(tmp_path / "out", "value-plus")
    assert (
        found is not None and found["numbers"]["share_on_empty_squares"] == 0
    )  # its plane has discs only
    prior = results.stored(tmp_path / "out", "prior")
    assert prior is not None and prior["numbers"]["difference"] < 1e-6
    assert round(prior["numbers"]["landmarks"]["corner"], 3) == 0.080


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("faithfullness", "faithfulness"), ("LSTMs", "lstm"), ("digit", "digits")],
)
def test_an_unknown_experiment_is_answered_with_the_nearest_name(typed: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {nearest}"):
        experiment(typed)


def test_experiments_are_known_by_name_and_number() -> None:
    assert [experiment(str(n)).name for n in range(1, len(experiments()) + 1)] == list(
        experiments()
    )
    assert [experiment(name).number for name in experiments()] == list(
        range(1, len(experiments()) + 1)
    )


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and the one or two lines of error of a command that must fail."""
    code = command(["experiments", *arguments])
    out, err = capsys.readouterr()
    assert out == "" and 1 <= len(err.strip().splitlines()) <= 2 and "Traceback" not in err
    return code, err


def test_bad_requests_are_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint(capsys, "prior", "--positions", "0")[0] == 2
    assert complaint(capsys, "all", "--positions", "0")[0] == 2
    assert complaint(capsys, "prior", "--seed", "-1")[0] == 2
    assert complaint(capsys, "all", "--processes", "0")[0] == 2
    code, message = complaint(capsys, "prior", "--processes", "2")
    assert code == 2 and "go with all" in message
    code, message = complaint(capsys, "priors")
    assert code == 2 and "did you mean prior?" in message
    file = tmp_path / "file"
    file.write_text("")
    code, message = complaint(capsys, "prior", "--out", str(file / "below"))
    assert code == 2 and str(file) in message
    small = tmp_path / "six"
    checkpoint.save(Network(Architecture(size=6, blocks=1, channels=4)), small)
    code, message = complaint(
        capsys, "prior", "--out", str(tmp_path / "out"), "--checkpoint", str(small)
    )
    assert code == 2 and "6×6" in message and "8×8" in message
    code, message = complaint(
        capsys, "all", "--out", str(tmp_path / "out"), "--checkpoint", str(small)
    )
    assert code == 2 and "6×6" in message and list((tmp_path / "out").iterdir()) == []
    assert (
        complaint(capsys, "prior", "--out", str(tmp_path), "--checkpoint", str(tmp_path / "none"))[
            0
        ]
        == 2
    )


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").is_dir(), reason="no folder that nobody may write"
)
def test_a_folder_without_permission_is_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    folder = (
        Path("/proc/self/here") if os.geteuid() == 0 else locked
    )  # root may write anywhere but there
    for name in ("prior", "all"):
        code, message = complaint(capsys, name, "--out", str(folder))
        assert code == 1 and str(folder) in message
    locked.chmod(0o700)


def test_a_missing_package_is_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda name: None)
    for name in ("digits", "all"):
        code, message = complaint(capsys, name, "--out", str(tmp_path))
        assert code == 2 and "sklearn" in message and "pip install" in message
    assert list(tmp_path.iterdir()) == []


def test_the_command_reports_json_and_lists_what_there_is(
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["experiments", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(experiments())
    assert command(["experiments", "6", "--out", "here", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (
        record["name"] == "prior"
        and len(record["checkpoint"]["sha256"]) == 64
        and record["numbers"]["prior"]
    )


def test_the_report_holds_every_figure_and_reading_with_words_for_those_who_cannot_see(
    model: Model, tmp_path: Path
) -> None:
    out, docs = tmp_path / "out", tmp_path / "docs"
    records = runner.run_all(runner.Request(out, positions=2, quick=True), ("empty-board", "prior"))
    page, text = report.write(records, out)
    html = page.read_text("utf-8")
    assert html.count("data:image/svg+xml;base64,") == 2 and "http" not in html.replace(
        "http-equiv", ""
    )
    for record in records:
        assert escape(record["title"]) in html and record["reading"] in text.read_text("utf-8")
        for figure in record["figures"]:
            assert (
                f'alt="{escape(figure["alt"], quote=True)}"' in html
                and figure["alt"] != figure["caption"]
            )
    published = report.publish(records, out, docs).read_text("utf-8")
    pictures = [line for line in published.splitlines() if line.startswith("![")]
    assert len(pictures) == 2
    for line in pictures:
        assert (docs / line.rpartition("(")[2].rstrip(")")).is_file() and len(
            line.partition("](")[0]
        ) > 60
    assert (
        "| 3 | [The empty board's heatmap is bias](#3-the-empty-boards-heatmap-is-bias) | figure 3 |"
        in published
    )
    assert {file.name for file in (docs / "experiments").iterdir()} == {
        f"{name}.{kind}" for name in ("empty-board", "prior") for kind in ("json", "svg")
    }


def test_the_docs_keep_the_full_run_of_the_shipped_weights(model: Model, tmp_path: Path) -> None:
    out, docs = tmp_path / "out", tmp_path / "docs"
    full, quick = (
        runner.run_all(runner.Request(out / size, quick=size == "quick"), ("empty-board",))
        for size in ("full", "quick")
    )
    assert report.outranks(quick, docs) == ""
    report.publish(quick, out / "quick", docs)
    assert report.outranks(full, docs) == report.outranks(quick, docs) == ""
    report.publish(full, out / "full", docs)
    assert "full-size" in report.outranks(quick, docs) and report.outranks(full, docs) == ""
    foreign = [{**full[0], "checkpoint": {**full[0]["checkpoint"], "sha256": "0" * 64}}]
    assert "not the weights" in report.outranks(foreign, docs)


def test_the_full_studys_winner_becomes_the_default_and_a_quick_one_does_not(
    tmp_path: Path,
) -> None:
    from app.explain import default

    choice = {key: default.STUDY[key] for key in default.STUDY if key not in ("weights", "key")}
    study: dict[str, Any] = {
        "name": "faithfulness",
        "settings": {"quick": True},
        "checkpoint": {"sha256": "a"},
        "key": "b",
        "numbers": {"choice": {**choice, "composite": "EpsilonGammaBox", "rule": "a rule"}},
    }
    file = tmp_path / "default.json"
    assert report.keeps_default([study], file) is None and not file.exists()
    study["settings"] = {"quick": False}
    assert report.keeps_default([study], file) == file
    found = json.loads(file.read_text("utf-8"))
    assert (
        found["composite"] == "EpsilonGammaBox" and found["weights"] == "a" and "rule" not in found
    )
    assert default.sentence(found).startswith("EpsilonGammaBox is")


def test_all_writes_its_pages_where_it_is_told_and_prints_the_seconds(
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        runner.run_all, "__defaults__", (("prior",), *runner.run_all.__defaults__[1:])
    )
    words = ["experiments", "all", "--quick", "--out", "out"]
    assert command(words) == 0 and "s of the processor" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").is_file() and not (tmp_path / "docs").exists()
    assert command([*words, "--docs", "pages", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "pages/experiments.md" in found["report"] and set(found["seconds"]) == {"prior"}


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in experiments() if experiment(name).needs_model])
def test_every_experiment_measures_an_imported_network_too(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    folder = tmp_path / "imported"
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 6, 16, 12)).eval()
    checkpoint.save(network, folder, {"source": "test"})
    record, _ = runner.run(name, runner.Request(tmp_path / "out", folder, positions=2, quick=True))
    assert record["checkpoint"]["kind"] == "alpha-zero-general" and len(record["reading"]) > 100
