"""Install the project into the Python that runs this, with the torch build asked for, and say which one is there.

On Linux the default index has the CUDA build of torch, several gigabytes of packages; the CPU build comes from an index
of its own.  Of that index torch alone is taken, everything else from where pip is configured to look, so that no
package can come from the wrong place.
"""

from __future__ import annotations

import argparse
import re
import ssl
import subprocess
import sys
import threading
import urllib.request
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
PATIENCE = 3.0  # seconds that the index may take to answer
CUDA = ("nvidia-", "cuda-")  # how the names of CUDA's packages begin


def main() -> int:
    """Install, print one line about torch; 0, pip's exit status, or 2 where the build asked for cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", choices=("cpu", "cuda", "default"), default="default")
    parser.add_argument("--index", required=True, help="the index that has the CPU build")
    parser.add_argument(
        "--extras", required=True, help="extras of the project, separated by commas"
    )
    asked = parser.parse_args()
    index = asked.index.rstrip("/")
    version = pinned_version(ROOT / "constraints.txt")
    reason = choose_torch(asked.torch, index, version)
    if asked.torch == "cpu" and reason:
        print(f"TORCH=cpu: {reason}; TORCH=default takes the build that pip finds", file=sys.stderr)
        return 2
    status = pip("install", "-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{asked.extras}]")
    if status == 0:
        print(report(reason))
    return status


def choose_torch(build: str, index: str, version: str) -> str:
    """Install torch ahead of the rest where its build must be chosen; why the CPU build was not, or ""."""
    there = torch_version()
    kept = there is not None and there.split("+")[0] == version
    if not sys.platform.startswith("linux"):
        return ""  # the default index has CPU builds for other systems
    if build == "cuda":
        if kept and not is_cuda():
            pip("install", "--no-deps", "--force-reinstall", f"torch=={version}")
        return "TORCH=cuda asked for it"
    if kept and (build == "default" or not is_cuda()):
        return "it was here before" if is_cuda() else ""
    if not answers(f"{index}/torch/"):
        return f"{index} did not answer within {PATIENCE:g} s"
    print(f"installing the CPU build of torch {version} from {index}", flush=True)
    status = pip(
        "install", "--no-deps", "--force-reinstall", "--index-url", index, f"torch=={version}+cpu"
    )
    return f"{index} has no torch {version} for this Python" if status else ""


def pinned_version(constraints: Path) -> str:
    """The version of torch that a constraints file pins, without a build's suffix."""
    found = re.search(r"^torch==([^+\s;]+)", constraints.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{constraints}: no line 'torch==VERSION'")
    return found[1]


def answers(address: str) -> bool:
    """Whether a page can be read within PATIENCE, name look-up included, through pip's own proxy and certificates."""
    answered = threading.Event()
    configured = pip_settings()
    proxy, certificates = configured.get("proxy"), configured.get("cert")

    def read() -> None:
        handlers: list[urllib.request.BaseHandler] = []
        try:
            if proxy:
                handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
            handlers.append(
                urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=certificates))
            )
            with urllib.request.build_opener(*handlers).open(address, timeout=PATIENCE) as page:
                if page.status == 200 and b"torch" in page.read(1 << 16):
                    answered.set()
        except (OSError, ValueError):  # refused, unknown, too slow, no address
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(PATIENCE)
    return answered.is_set()


def pip_settings() -> dict[str, str]:
    """What pip's configuration files and environment variables set, by option; the later one wins, as in pip."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True).stdout
    entries = re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return dict(entries)


def pip(*arguments: str) -> int:
    """Run pip in silence but for its warnings and errors; its exit status."""
    return subprocess.run([*PIP, arguments[0], "--quiet", *arguments[1:]]).returncode


def torch_version() -> str | None:
    """The version of torch that is installed now, if any."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None


def cuda_packages() -> list[str]:
    """The installed packages that bring CUDA."""
    names = {
        (found.metadata["Name"] or "").lower().replace("_", "-")
        for found in metadata.distributions()
    }
    return sorted(name for name in names if name.startswith(CUDA))


def is_cuda() -> bool:
    """Whether the installed torch is a CUDA build: by its suffix, or without one by the packages it brought."""
    _, _, suffix = (torch_version() or "").partition("+")
    return suffix.startswith("cu") if suffix else bool(cuda_packages())


def report(reason: str) -> str:
    """One line on the torch that is there; `reason` is why it is not the CPU build, if it is not."""
    count = len(cuda_packages())
    packages = f"{count} CUDA package{'' if count == 1 else 's'}" if count else "no CUDA packages"
    if is_cuda():
        return f"torch {torch_version()}: CUDA build, {packages}{f', because {reason}' if reason else ''}"
    left = " left from another build (make clean removes them)" if count else ""
    return f"torch {torch_version()}: CPU build, {packages}{left}"


if __name__ == "__main__":
    sys.exit(main())
