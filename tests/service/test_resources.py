"""What the machine leaves us, as the control groups of either version say it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Turned

from streamrnn.service.operations import resources

ALL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
V2 = {"a/b/memory.max": "max", "a/memory.max": "1000000", "memory.max": "2000000"}
V1 = {"memory/a/b/memory.limit_in_bytes": "3000000", "memory/memory.limit_in_bytes": str(2**62)}


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/a/b\n", V2, 1_000_000),
        ("0::/a/b\n", {"a/b/memory.max": "max"}, ALL),
        ("4:memory,x:/a/b\n1:cpu:/\n0::/\n", V1, 3_000_000),
        ("0::/gone\n", {}, ALL),
        ("nonsense\n", {}, ALL),
    ],
)
def test_the_least_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str], limit: int
) -> None:
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(resources, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(resources, "OWN", tmp_path / "own")
    assert resources.memory() == limit


@pytest.mark.parametrize(("durability", "window"), [("commit", 0.0), ("interval", 2.5)])
def test_what_a_crash_may_take_back_is_a_metric(turned: Callable[..., Turned], durability: str, window: float) -> None:
    one = turned()
    text = one.file.read_text().replace("[state]\n", f'[state]\ndurability = "{durability}"\ninterval = 2.5\n')
    one.file.write_text(text)
    one.kill()
    one.start()
    one.daemon.parts.telemetry._read()
    assert one.value("streamrnn_loss_window_seconds") == window
    assert 0 < one.value("streamrnn_disk_free_bytes") < one.value("streamrnn_disk_size_bytes")
    assert 0 < one.value("streamrnn_memory_limit_bytes") <= ALL


def test_without_a_journal_it_is_the_age_of_the_checkpoint(turned: Callable[..., Turned]) -> None:
    one = turned()
    one.file.write_text(one.file.read_text().replace("[state]\n", '[state]\ndurability = "off"\n'))
    one.kill()
    one.start()
    one.daemon.parts.checkpoint._completed -= 100.0
    one.daemon.parts.telemetry._read()
    assert one.value("streamrnn_loss_window_seconds") == pytest.approx(100.0, abs=5.0)
