"""The form of every figure."""

import json
import math
import subprocess

from streamrnn import __version__
from streamrnn.evaluation import figures


def test_the_file_has_the_form(tmp_path):
    path = tmp_path / "figures.json"
    figures.write(
        path, [figures.figure("a.b", 1.5, "ms"), figures.figure("c", math.inf, "1"), figures.figure("d", None, "1")]
    )
    found = json.loads(path.read_text())
    assert set(found) == {"machine", "rows"}
    assert set(found["machine"]) == {"cpu", "cores", "python", "numba", "commit"}
    assert all(found["machine"].values())
    assert found["rows"] == [
        {"name": "a.b", "value": 1.5, "unit": "ms"},
        {"name": "c", "value": None, "unit": "1"},
        {"name": "d", "value": None, "unit": "1"},
    ]


def test_the_commit_is_ours_or_else_the_release(tmp_path):
    """An installed copy inside somebody else's checkout does not take that checkout's commit."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert figures._commit(tmp_path) == f"v{__version__}"
