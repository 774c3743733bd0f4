"""Which extra of the project brings a package that is missing, in a line that says what to type."""

from __future__ import annotations

from typing import Final

EXTRAS: Final = {  # extra -> the modules of it that commands import
    "play": ("numba", "llvmlite", "safetensors", "typer", "rich", "platformdirs", "PIL"),
    "app": ("streamlit", "starlette", "pygame", "altair"),
    "experiments": ("matplotlib", "sklearn", "h5py"),
    "train": ("tensorboard", "tomli_w"),
    "cluster": ("ray",),
    "amx": ("openvino",),
    "onnx": ("onnx", "onnxruntime"),
    "baselines": ("captum",),
    "compat": ("transformers",),
}


def advice(module: str | None) -> str:
    """What to type where a module is missing.

    >>> advice("streamlit.web")
    "this needs streamlit, which is not installed: pip install 'othello-lrp[app]'"
    """
    package = (module or "a package").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if package in modules:
            return (
                f"this needs {package}, which is not installed: pip install 'othello-lrp[{extra}]'"
            )
    return f"this needs {package}, which is not installed"
