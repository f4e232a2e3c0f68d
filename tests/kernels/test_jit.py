"""The cache of compiled code: a module's digest changes with all that it is built on, and with nothing else."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import streamrnn
from streamrnn.kernels.core import jit

MODULES = [name for name in jit.MODULES if not name.endswith("__init__")]


def test_a_module_reaches_what_its_callees_reach() -> None:
    core = {"core.jit", "core.call", "core.linalg", "core.activations"}
    assert core | {"layers.contract", "layers.gru"} <= jit.reach("layers.gru")
    assert "layers.lstm" not in jit.reach("layers.gru")
    assert jit.reach("core.linalg") < jit.reach("learning.tbptt") < jit.reach("step.loop")


def test_the_rooms_below_the_kernels_belong_to_what_is_compiled() -> None:
    """The digest of everything sees every file, in whichever room: stale code would be served otherwise."""
    files = {str(path.relative_to(jit.HERE)) for path in jit.HERE.rglob("*.py")}
    assert files == {f"{name.replace('.', '/')}.py" for name in jit.MODULES}
    assert jit.reach("step.loop") < set(jit.MODULES)


def test_kernels_import_each_other_in_the_form_that_is_followed() -> None:
    for name in MODULES:
        tree = ast.parse((jit.HERE / f"{name.replace('.', '/')}.py").read_text())
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not any(module.startswith("streamrnn") for module in plain), name
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node not in tree.body]
        assert not inside, name
        assert jit.reach(name) <= set(MODULES), name


PROBE = (
    "from streamrnn.kernels.core.jit import jit\nfrom streamrnn.kernels.core.linalg import sums\n\n\n"
    "@jit\ndef probe(D, g):\n    sums(D, g)\n"
)
CALL = (
    "import numpy as np\nfrom streamrnn.kernels.learning.probe import probe\n"
    "g = np.zeros(2)\nprobe(np.ones((3, 2)), g)\nprint(g[0], sum(probe.stats.cache_hits.values()))"
)


class Copied:
    """A copy of the package with one kernel more, and a cache of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kernels = path / "streamrnn" / "kernels"
        shutil.copytree(
            Path(streamrnn.__file__).parent, path / "streamrnn", ignore=shutil.ignore_patterns("__pycache__")
        )
        (self.kernels / "learning" / "probe.py").write_text(PROBE)

    def told(self) -> str:
        """What a new process works out, and how often it found that compiled."""
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(self.path / "cache"), "PYTHONPATH": str(self.path)}
        command = [sys.executable, "-c", CALL]
        run = subprocess.run(command, env=environment, cwd=self.path, text=True, check=True, stdout=subprocess.PIPE)
        return run.stdout.strip()

    def cached(self, ending: str) -> list[Path]:
        found = [path for path in (self.path / "cache").rglob(f"*{ending}") if "probe" in path.name]
        assert found
        return found


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    return Copied(tmp_path)


def test_an_edited_callee_in_another_file_is_compiled_again(copied: Copied) -> None:
    """`linalg.sums` is edited: its caller in another file must notice."""
    assert copied.told() == "3.0 0"
    assert copied.told() == "3.0 1"
    source = copied.kernels / "core" / "linalg.py"
    before = source.read_text()
    assert before.count("g[j] += d[j]\n") == 1
    source.write_text(before.replace("g[j] += d[j]\n", "g[j] += 2 * d[j]\n"))
    assert copied.told() == "6.0 0"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("ending", "damage"), [(".nbi", emptied), (".nbi", halved), (".nbc", emptied), (".nbc", halved), (".nbc", flipped)]
)
def test_damaged_code_is_compiled_again(copied: Copied, ending: str, damage: Callable[[Path], None]) -> None:
    """What a power cut leaves; Numba itself would raise at every start."""
    assert copied.told() == "3.0 0"
    for path in copied.cached(ending):
        damage(path)
    assert copied.told() == "3.0 0"
    assert copied.told() == "3.0 1"


def test_what_cannot_be_written_is_not_cached(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    source = copied.kernels / "core" / "jit.py"
    full = "\n\ndef full(*_):\n    raise OSError(28, 'no room')\n\n\nWhole._save_data = full\n"
    source.write_text(source.read_text() + full)
    assert copied.told() == "3.0 0"
    assert copied.told() == "3.0 0"


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_cache_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    path = jit.cache_directory()
    assert path == tmp_path / "streamrnn"
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(mode)
    with pytest.warns(UserWarning, match="not private"):
        assert jit.cache_directory() is None


def test_a_cache_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert jit.cache_directory()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.warns(UserWarning, match="not private"):
        assert jit.cache_directory() is None


def test_without_a_place_for_it_nothing_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert jit.cache_directory() is None
