"""Where compiled code is kept: the user's cache, a private temporary folder, or nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
from othello import jit

@jit.kernel
def twice(x):
    return x + x

assert not jit.compiling()
assert twice(21) == 42
print(jit.CACHE, end="")
"""
REFUSE = """
import os
touch = os.utime

def refuse(path):
    if str(path).startswith({place!r}):
        raise PermissionError(path)
    touch(path)

os.utime = refuse
"""


def kept(folder: Path, before: str = "", **environment: str) -> tuple[str, str]:
    """Where a process keeps its kernels, and what it says on standard error."""
    program = folder / "program.py"
    if not program.exists():  # an older Numba compiles anew what was written again
        program.write_text(CODE)
    usual = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "TMPDIR": str(folder / "tmp")}
    ours = ("OTHELLO_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-c", before + "import runpy; runpy.run_path('program.py')"],
        cwd=folder,
        env={**inherited, **usual, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


def test_the_users_cache_comes_first_and_a_second_start_is_silent(folder: Path) -> None:
    cache, err = kept(folder, OTHELLO_CACHE=str(folder / "cache"))
    assert cache.startswith(str(folder / "cache")) and list(Path(cache).rglob("*twice*.nbc"))
    assert err.count("\n") == 1 and err.startswith("compiling for") and cache in err
    assert kept(folder, OTHELLO_CACHE=str(folder / "cache")) == (cache, "")


def test_without_a_cache_a_private_temporary_folder_keeps_the_code(folder: Path) -> None:
    nowhere = os.devnull + "/cache"
    cache, err = kept(folder, OTHELLO_CACHE=nowhere)
    private = folder / "tmp" / f"othello-lrp-{os.getuid()}"
    assert cache.startswith(str(private)) and private.stat().st_mode & 0o777 == 0o700
    assert cache in err and kept(folder, OTHELLO_CACHE=nowhere) == (cache, "")


@pytest.mark.parametrize("how", ["a file", "a link", "open to others"])
def test_a_temporary_folder_that_others_may_write_to_is_not_used(how: str, folder: Path) -> None:
    private = folder / "tmp" / f"othello-lrp-{os.getuid()}"
    if how == "a file":
        private.write_text("")
    elif how == "a link":
        (folder / "elsewhere").mkdir()
        private.symlink_to(folder / "elsewhere")
    else:
        private.mkdir()
        private.chmod(0o777)
    cache, err = kept(folder, OTHELLO_CACHE=os.devnull + "/cache")
    assert cache == "None" and err.count("\n") == 1 and "set OTHELLO_CACHE" in err


def test_a_cache_that_can_only_be_read_is_taken_along(folder: Path) -> None:
    place = str(folder / "cache")
    kept(folder, OTHELLO_CACHE=place)
    cache, err = kept(folder, REFUSE.format(place=place), OTHELLO_CACHE=place)
    assert cache.startswith(str(folder / "tmp")) and err == ""


def test_processes_that_a_program_spawns_compile_in_silence(folder: Path) -> None:
    (folder / "kernels_of_ours.py").write_text(
        "from othello import jit\n\n@jit.kernel\ndef twice(x):\n    return x + x\n"
    )
    program = folder / "spawns.py"
    program.write_text(
        "import multiprocessing, sys\nsys.path.insert(0, '.')\nimport kernels_of_ours\n"
        "if __name__ == '__main__':\n"
        "    workers = multiprocessing.get_context('spawn').Pool(2)\n"
        "    assert workers.map(kernels_of_ours.twice, [1.5, 2, 2.5]) == [3.0, 4, 5.0]\n"
        "    assert kernels_of_ours.twice(21) == 42\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    environment["OTHELLO_CACHE"] = str(folder / "cache")
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, program], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stderr.count("compiling for") == 1, done.stderr
