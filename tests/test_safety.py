"""Nothing that is received is ever run: the package has none of the calls that could do so."""

import ast
from pathlib import Path

import pytest

import streamrnn

PACKAGE = Path(streamrnn.__file__).parent
MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "jsonpickle"}
NAMES = {"eval", "exec"}
ATTRIBUTES = {"recv_pyobj", "send_pyobj", "recv_serialized", "full_load", "unsafe_load", "system", "popen"}
ARGUMENTS = {"shell", "allow_pickle"}


def dangerous(source: str) -> list[str]:
    """What stands in a source that could run what was received."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            name = called.rpartition(".")[2]
            if called in NAMES or name in ATTRIBUTES or called in ("yaml.load", "numpy.load", "np.load"):
                found.append(called)
            found += [each.arg for each in node.keywords if each.arg in ARGUMENTS]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_runs_what_it_reads(path: Path) -> None:
    assert dangerous(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml\nyaml.load(x)",
        "eval(x)",
        "socket.recv_pyobj()",
        "subprocess.run(x, shell=True)",
        "np.load(x)",
        "os.system(x)",
    ],
)
def test_each_of_them_would_be_found(source: str) -> None:
    assert dangerous(source)
