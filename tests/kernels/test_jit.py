"""The cache of compiled code: a module's digest changes with all that it is built on, and with nothing else."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import streamrnn
from streamrnn.kernels import jit

MODULES = sorted(source.stem for source in jit.HERE.glob("*.py") if source.stem != "__init__")


def test_a_module_reaches_what_its_callees_reach() -> None:
    assert {"jit", "call", "layer", "linalg", "activations", "gru"} <= jit.reach("gru")
    assert "lstm" not in jit.reach("gru")
    assert jit.reach("linalg") < jit.reach("tbptt") < jit.reach("step")


def test_kernels_import_each_other_in_the_form_that_is_followed() -> None:
    for name in MODULES:
        tree = ast.parse((jit.HERE / f"{name}.py").read_text())
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not any(module.startswith("streamrnn") for module in plain), name
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node not in tree.body]
        assert not inside, name
        assert jit.reach(name) <= set(MODULES), name


def test_an_edited_callee_in_another_file_is_compiled_again(tmp_path: Path) -> None:
    """A copy of the package, called once, then `linalg.sums` edited: its caller in another file must notice."""
    package = tmp_path / "streamrnn"
    shutil.copytree(Path(streamrnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "kernels" / "probe.py").write_text(
        "from streamrnn.kernels.jit import jit\nfrom streamrnn.kernels.linalg import sums\n\n\n"
        "@jit\ndef probe(D, g):\n    sums(D, g)\n"
    )
    code = (
        "import numpy as np\nfrom streamrnn.kernels.probe import probe\n"
        "g = np.zeros(2)\nprobe(np.ones((3, 2)), g)\nprint(g[0], sum(probe.stats.cache_hits.values()))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def told() -> str:
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, text=True, check=True, stdout=subprocess.PIPE
        )
        return run.stdout.strip()

    assert told() == "3.0 0"
    assert told() == "3.0 1"
    source = package / "kernels" / "linalg.py"
    before = source.read_text()
    assert before.count("g[j] += d[j]\n") == 1
    source.write_text(before.replace("g[j] += d[j]\n", "g[j] += 2 * d[j]\n"))
    assert told() == "6.0 0"
