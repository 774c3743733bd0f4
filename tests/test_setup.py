"""Setting up: `make` against stand-ins, on the loopback address, of the default index and of that with CPU builds."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINNED = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)[1]  # type: ignore[index]
BUILD_SYSTEM = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    return shutil.copy("othello_lrp-0.1.0-py3-none-any.whl", folder).rpartition("/")[2]
"""
needs_make = pytest.mark.skipif(
    shutil.which("make") is None or not sys.platform.startswith("linux"),
    reason="only Linux has the CUDA build",
)


def wheel(
    name: str, version: str, *requires: str, extras: tuple[str, ...] = ()
) -> tuple[str, bytes]:
    """A wheel of nothing that requires something: its file's name and contents."""
    module, buffer = name.replace("-", "_"), io.BytesIO()
    lines = [f"Requires-Dist: {entry}" for entry in requires] + [
        f"Provides-Extra: {entry}" for entry in extras
    ]
    files = {
        "METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""]
        ),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{module}-{version}.dist-info/{file}", text)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


class Index:
    """A package index of some wheels; `asked` are the pages that were read."""

    def __init__(self, *wheels: tuple[str, bytes]) -> None:
        self.files, self.asked = dict(wheels), list[str]()
        index = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                body = index.page(self.path)
                self.send_response(200 if body else 404)
                self.send_header(
                    "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                )
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server.server_port}/simple"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, path: str) -> bytes:
        """A wheel, or the list of the wheels of a project."""
        project, _, file = path.removeprefix("/simple/").partition("/")
        if file:
            return self.files.get(file.replace("%2B", "+"), b"")
        names = [name for name in self.files if name.partition("-")[0].replace("_", "-") == project]
        return "".join(
            f'<a href="{name.replace("+", "%2B")}">{name}</a>' for name in names
        ).encode()

    def close(self) -> None:
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def default() -> Iterator[Index]:
    """What pip is configured to use: the CUDA build of torch with what it needs."""
    index = Index(
        wheel("torch", PINNED, "filelock", "nvidia-cublas", "nvidia-cudnn"),
        wheel("filelock", "3.1"),
        wheel("nvidia-cublas", "13.1"),
        wheel("nvidia-cudnn", "9.1"),
    )
    yield index
    index.close()


@pytest.fixture
def cpu() -> Iterator[Index]:
    """The index with the CPU build, and with another package that must not be taken from there."""
    index = Index(wheel("torch", f"{PINNED}+cpu", "filelock"), wheel("filelock", "99.0"))
    yield index
    index.close()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds pip alone, copied from this one, which is faster than to install it."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    pip = metadata.distribution("pip")
    for file in pip.files or ():
        if not file.is_absolute() and ".." not in file.parts:
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pip.locate_file(file), packages / file)
    return folder


@pytest.fixture
def project(tmp_path: Path, environment: Path) -> Path:
    """The project's set-up in an empty folder, with a stand-in of the project that needs torch alone."""
    folder = tmp_path / "project"
    for file in ("Makefile", "constraints.txt", ".ci/install.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    extras = ("amx", "app", "cluster", "dev", "experiments", "test", "train")
    name, data = wheel("othello-lrp", "0.1.0", "torch>=2.9,<3", extras=extras)
    (folder / name).write_bytes(data)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(BUILD_SYSTEM)
    shutil.copytree(environment, folder / ".venv", symlinks=True)
    return folder


def make(
    project: Path, default: Index, index: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """`make install` with pip configured by a file of its own, which names the default index twice."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match("pip_|make|mflags|.*proxy", name, re.I)
    }
    configuration = (
        f"index-url = {default.address}\nextra-index-url = {default.address}\nno-cache-dir = true\n"
    )
    (project / "pip.conf").write_text(f"[global]\n{configuration}")
    pip = {"PIP_CONFIG_FILE": str(project / "pip.conf"), "PIP_NO_COMPILE": "1"}
    command = ["make", "install", f"PYTHON={sys.executable}", f"TORCH_INDEX={index}", *arguments]
    return subprocess.run(
        command, cwd=project, env=kept | pip, capture_output=True, text=True, timeout=120
    )


def installed(project: Path) -> dict[str, str]:
    """{package: version} in the project's environment."""
    command = [
        ".venv/bin/python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "list",
        "--format",
        "json",
    ]
    listed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout
    return {entry["name"]: entry["version"] for entry in json.loads(listed)}


@needs_make
def test_where_the_index_with_cpu_builds_answers_no_cuda_package_is_installed(
    project: Path, default: Index, cpu: Index
) -> None:
    done = make(project, default, cpu.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"torch {PINNED}+cpu: CPU build, no CUDA packages"
    found = installed(project)
    assert found["torch"] == f"{PINNED}+cpu" and not [
        name for name in found if name.startswith("nvidia")
    ]
    assert found["filelock"] == "3.1", "only torch itself may come from the other index"
    assert all(page.startswith("/simple/torch/") for page in cpu.asked)
    asked = len(cpu.asked)
    assert (
        "Nothing to be done" in make(project, default, cpu.address).stdout
        and len(cpu.asked) == asked
    )


@needs_make
def test_where_it_does_not_answer_the_build_that_pip_finds_is_named_and_cpu_can_still_be_had_later(
    project: Path, default: Index, cpu: Index
) -> None:
    cpu.close()
    done = make(project, default, cpu.address)
    assert done.returncode == 0, done.stderr
    reason = f"{cpu.address} did not answer within 3 s"
    assert (
        done.stdout.splitlines()[-1]
        == f"torch {PINNED}: CUDA build, 2 CUDA packages, because {reason}"
    )
    refused = make(project, default, cpu.address, "TORCH=cpu")
    assert refused.returncode == 2 and f"TORCH=cpu: {reason}" in refused.stderr
    assert installed(project)["torch"] == PINNED, "what was there must stay"
    again = Index(wheel("torch", f"{PINNED}+cpu", "filelock"))
    later = make(project, default, again.address, "TORCH=cpu")
    again.close()
    assert later.returncode == 0, later.stderr
    assert later.stdout.splitlines()[-1].startswith(
        f"torch {PINNED}+cpu: CPU build, 2 CUDA packages left from another"
    )


@needs_make
@pytest.mark.parametrize("fault", ["silent", "no such wheel", "no such name", "no address"])
def test_an_index_of_no_use_delays_nothing_and_is_named(
    project: Path, default: Index, fault: str
) -> None:
    silence = socket.create_server(("127.0.0.1", 0))  # accepts and never says a word
    bare = Index(wheel("torch", "1.0+cpu"))
    address = {
        "silent": f"http://127.0.0.1:{silence.getsockname()[1]}/simple",
        "no such wheel": bare.address,
        "no such name": "http://no-such-host.invalid/simple",
        "no address": "nonsense",
    }[fault]
    done = make(project, default, address)
    silence.close()
    bare.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        f"torch {PINNED}: CUDA build, 2 CUDA packages, because {address} "
    )


@needs_make
def test_cuda_is_installed_where_it_is_asked_for_and_the_cpu_index_is_not(
    project: Path, default: Index, cpu: Index
) -> None:
    done = make(project, default, cpu.address, "TORCH=cuda")
    assert done.returncode == 0 and not cpu.asked, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"torch {PINNED}: CUDA build, 2 CUDA packages, because TORCH=cuda asked for it"
    )
    wrong = make(project, default, cpu.address, "TORCH=gpu")
    assert wrong.returncode == 2 and "cpu" in wrong.stderr and "default" in wrong.stderr


def test_the_app_is_set_up_without_test_tools_and_the_tests_with_all(tmp_path: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]

    def asked(goal: str) -> set[str]:
        command = ["make", "-n", goal, f"VENV={tmp_path / 'none'}"]
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        names = re.search(r"--extras (\S+)", shown)
        assert names is not None
        return brought(names[1].split(","), extras)

    assert asked("app") == asked("desktop")
    assert not asked("app") & {"pytest", "playwright", "mypy", "ruff", "hypothesis"}
    faster = {
        "openvino"
    }  # where the processor has AMX tiles; the tests run the kernels that every processor has
    assert asked("app") - faster < asked("test") == asked("check") == asked("install")


def brought(names: list[str], extras: dict[str, list[str]]) -> set[str]:
    """The packages that extras bring, with those of the extras that they are made of."""
    found = set[str]()
    for name in names:
        for entry in extras[name]:
            package, _, inner = re.split(r"[<>=; ]", entry)[0].partition("[")
            own = package == "othello-lrp"
            found |= brought(inner.rstrip("]").split(","), extras) if own else {package}
    return found


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=; ]", entry)[0].lower() for group in groups for entry in group}
    owners = metadata.packages_distributions()
    imported = set[str]()
    for folder in ("lrp", "othello", "app"):
        for file in (ROOT / folder).rglob("*.py"):
            imported |= packages_of(ast.parse(file.read_text("utf-8")))
    ours = {"lrp", "othello", "app", *sys.stdlib_module_names}
    missing = {
        name
        for name in imported - ours
        if not declared & {owner.lower() for owner in owners.get(name, [name])}
    }
    assert not missing


def packages_of(tree: ast.Module) -> set[str]:
    """The top-level packages that a module imports anywhere."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
