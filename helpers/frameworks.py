"""Keras and its engine: quiet import, versions, gradients, the traced graph, and small networks to look into.

Everything that imports this module imports Keras and its backend (seconds); notebooks 01 and 02 never do.
The backend is chosen before the import by the environment variable ``KERAS_BACKEND`` (tensorflow or jax).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np


@contextmanager
def _quiet_start():
    """Swallow what a backend writes to file descriptor 2 while it loads: time stamps and process ids."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _load_keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_start():
        module = importlib.import_module("keras")
        if (
            module.backend.backend() == "tensorflow"
        ):  # it writes its lines at the first operation
            module.ops.convert_to_numpy(module.ops.ones(1))
    return module


keras = _load_keras()
BACKEND: str = keras.backend.backend()


def versions() -> dict[str, str]:
    """Name -> version of what notebook 03 stands on, the engine in use named last."""
    import platform

    found = {"Python": platform.python_version()}
    for name in ("numpy", "scipy", "scikit-learn", "keras"):
        found[name] = importlib.metadata.version(name)
    engine = importlib.import_module(BACKEND)
    found[BACKEND] = getattr(engine, "__version__", "?")
    return found
