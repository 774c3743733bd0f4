"""Build the wheel and the source distribution, install each into empty environments, and try what they promise there.

    python .ci/packages.py              build into dist/, then check both, with the index that pip is configured with
    python .ci/packages.py --borrow     dependencies are linked, one by one, from the Python that runs this

With the base alone, torch and NumPy, `lrp` and the first example of its documentation; with the extras app, experiments
and train the commands of the list, the page with every experiment's figure, the app's server and the desktop's window,
from a folder that is not the checkout.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "othello-lrp"
BASE = """
import sys
import lrp
exec(compile(sys.argv[1], "docs/lrp.md", "exec"), {"__name__": "example"})
foreign = {name.partition(".")[0] for name in sys.modules} & set(sys.argv[2].split(","))
assert not foreign, f"imported {foreign}"
"""
COMMANDS = (  # with the extras play, app, experiments and train
    ("othello", "match", "net:othello8", "greedy", "--games", "2"),
    ("othello", "checkpoint", "info", "othello8-strong"),
    ("othello", "explain", "f5d6c3d3c4", "--png", "why.png"),
    ("othello", "desktop", "--game", "f5d6c3d3c4", "--png", "board.png"),
    ("othello", "train", "--config", "othello4", "--iterations", "1"),
    ("othello", "experiments"),
)
PAGE = """
from streamlit.testing.v1 import AppTest
from pathlib import Path
import app.web
from app.experiments.catalogue import experiments
page = AppTest.from_file(str(Path(app.web.__file__).parent / "main.py"), default_timeout=300).run()
assert not page.exception, page.exception
code = "from app.web.views import experiments; experiments.page()"
page = AppTest.from_string(code, default_timeout=300)
page.session_state["e_open"] = True
page.run()
shown = 0
for name in experiments():
    page.selectbox(key="e_name").select(name).run()
    assert not page.exception, (name, page.exception)
    shown += any("data:image/" in block.proto.body for block in page.get("html"))
print(f"{shown} of {len(experiments())} experiments with their figures")
assert shown == len(page.selectbox(key="e_name").options) == len(experiments())
"""
ANSWERS = """
import sys, urllib.request
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=5) as page:
    assert page.status == 200 and b"<html" in page.read()
"""
READY = 120.0  # seconds that a server or a window may take to come


def main() -> int:
    """Build, install, try; 0 if all of it went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--borrow", action="store_true", help="link this Python's dependencies")
    parser.add_argument("--builder", default=sys.executable, help="a Python that has build")
    asked = parser.parse_args()
    for file in build(asked.out.resolve(), asked.builder):
        with tempfile.TemporaryDirectory(prefix="othello-packages-") as folder:
            check(file, Path(folder), asked.borrow)
    return 0


def build(out: Path, builder: str) -> list[Path]:
    """A fresh wheel and source distribution."""
    shutil.rmtree(out, ignore_errors=True)
    run([builder, "-m", "build", "--outdir", str(out), str(ROOT)], ROOT)
    found = sorted([*out.glob("*.whl"), *out.glob("*.tar.gz")])
    assert len(found) == 2, found
    return found


def check(file: Path, folder: Path, borrow: bool) -> None:
    """Install a distribution into an environment without extras, then into one with them, and try both."""
    base = environment(folder / "base")
    install(base, file, [], borrow)
    (folder / "base-elsewhere").mkdir()
    text = (ROOT / "docs" / "lrp.md").read_text("utf-8")
    example = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example is not None
    missing = sorted(modules_beyond_base())
    run(
        [str(base / "bin" / "python"), "-c", BASE, example[1], ",".join(missing)],
        folder / "base-elsewhere",
    )
    refused = run([str(base / "bin" / "othello"), "perft", "3"], folder / "base-elsewhere", 1)
    assert refused.count("\n") == 1 and f"pip install '{NAME}[play]'" in refused, refused
    print(f"{file.name}: lrp and its first example with torch and NumPy alone", flush=True)
    full = environment(folder / "full")
    install(full, file, ["app", "experiments", "train"], borrow)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    for command in COMMANDS:
        run([str(full / "bin" / command[0]), *command[1:]], elsewhere)
        print(f"{file.name}: {' '.join(command)}", flush=True)
    shown = re.search(
        r"\d+ of \d+ exp.*", run([str(full / "bin" / "python"), "-c", PAGE], elsewhere)
    )
    print(f"{file.name}: {shown and shown[0]}", flush=True)
    stays(full, elsewhere, ["app", "--port", str(port := free_port())], port)
    stays(full, elsewhere, ["desktop"])
    print(f"{file.name}: othello app answers, othello desktop opens a window", flush=True)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stays(where: Path, folder: Path, words: list[str], port: int | None = None) -> None:
    """Start a command that runs until Ctrl-C, wait for its page or its window, and end it by Ctrl-C."""
    with screen(folder) as (seen, display):
        environment = {**os.environ, **({} if port else display)}
        environment.pop("PYTHONPATH", None)
        process = subprocess.Popen(
            [str(where / "bin" / "othello"), *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ask = [str(where / "bin" / "python"), "-c", ANSWERS, str(port)]
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < READY:
            if subprocess.run(ask, capture_output=True).returncode == 0 if port else seen():
                break
            time.sleep(0.5)
        else:
            process.kill()
            raise SystemExit(f"othello {' '.join(words)}: nothing came, {process.wait()}")
        process.send_signal(signal.SIGINT)
        code = process.wait(READY)
    if code not in (0, 130):
        raise SystemExit(f"othello {' '.join(words)}: exit code {code} after Ctrl-C")


@contextlib.contextmanager
def screen(folder: Path) -> Iterator[tuple[Callable[[], bool], dict[str, str]]]:
    """Whether a window is seen on a screen of its own, and the variables that lead there.

    Where the X server Xvfb is not installed windows are opened without a screen, and seen after READY / 6.
    """
    if shutil.which("Xvfb") is None:
        begun = time.monotonic()
        yield lambda: time.monotonic() - begun > READY / 6, {"SDL_VIDEODRIVER": "dummy"}
        return
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1400x1000x24", "-fbdir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    number = server.stdout.readline().strip()
    picture = folder / "Xvfb_screen0"  # what is on the screen, after a header
    try:
        yield lambda: len(set(picture.read_bytes()[4096:])) > 64, {"DISPLAY": f":{number}"}
    finally:
        server.terminate()
        server.wait()


def environment(folder: Path) -> Path:
    """An environment with Python alone."""
    run([sys.executable, "-m", "venv", str(folder)], ROOT)
    return folder


def install(where: Path, file: Path, extras: list[str], borrow: bool) -> None:
    """Install a distribution with its extras, from an index or with what this Python has."""
    pip = [
        str(where / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
    ]
    if borrow:
        lend(where, needed(extras))
        run([*pip, "--no-deps", str(file)], ROOT)
        return
    constraints = ["-c", str(ROOT / "constraints.txt")]
    run([*pip, *constraints, f"{file}[{','.join(extras)}]" if extras else str(file)], ROOT)


def needed(extras: list[str]) -> set[str]:
    """The distributions that the base and some extras need, and what those need, by their installed metadata."""
    found: set[str] = set()
    todo = [(canonical(NAME), frozenset(extras))]
    while todo:
        name, chosen = todo.pop()
        for entry in requirements(name):
            package, wanted, condition = entry
            asked = re.findall(r"extra == ['\"]([\w.-]+)['\"]", condition)
            if asked and not chosen & set(asked):
                continue
            if package == canonical(NAME):
                todo.append((package, frozenset(wanted)))
            elif package not in found and installed(package):
                found.add(package)
                todo.append((package, frozenset(wanted)))
    return found


def requirements(name: str) -> list[tuple[str, list[str], str]]:
    """(package, its extras, condition) of what a distribution requires; of the project by its pyproject.toml."""
    if name == canonical(NAME):
        import tomllib

        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        lines = list(project["dependencies"])
        for extra, entries in project["optional-dependencies"].items():
            lines += [f"{entry.partition(';')[0]}; extra == '{extra}'" for entry in entries]
    else:
        lines = metadata.requires(name) or []
    found = []
    for line in lines:
        words = re.match(r"([\w.-]+)\s*(?:\[([\w,.\s-]*)\])?[^;]*(?:;(.*))?", line)
        assert words is not None, line
        extras = [extra.strip() for extra in (words[2] or "").split(",") if extra.strip()]
        found.append((canonical(words[1]), extras, words[3] or ""))
    return found


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(name: str) -> bool:
    """Whether this Python has a distribution."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def lend(where: Path, names: set[str]) -> None:
    """Link the files of distributions of this Python into another environment."""
    theirs = next((where / "lib").glob("python*/site-packages"))
    ours = Path(sysconfig.get_paths()["purelib"])
    for name in names:
        for file in metadata.files(name) or []:
            top = Path(file).parts[0]
            if top not in ("..", "__pycache__") and not (theirs / top).exists():
                os.symlink(ours / top, theirs / top)


def modules_beyond_base() -> set[str]:
    """Modules of this Python that neither the base nor what it needs brings."""
    base = needed([])
    owners = metadata.packages_distributions()
    return {
        module
        for module, names in owners.items()
        if not {canonical(name) for name in names} & base
        and module
        not in ("lrp", "othello", "app", "pip", "setuptools", "_distutils_hack", "pkg_resources")
        and module not in sys.stdlib_module_names
    }


def run(command: list[str], folder: Path, code: int = 0) -> str:
    """What a command writes, in a folder and with nothing of this checkout on its path."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != code:
        raise SystemExit(
            f"{' '.join(command)[:200]}: exit code {done.returncode}\n{done.stderr[-2000:]}"
        )
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
