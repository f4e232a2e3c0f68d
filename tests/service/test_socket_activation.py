"""Sockets that somebody else has opened for us: endpoints and metrics are served through them, again and again."""

import os
import socket as plain
import urllib.request
from collections.abc import Callable
from pathlib import Path

import conftest
import pytest
from conftest import Turned

from streamrnn.service.ingest import bind
from streamrnn.service.ingest.socket_activation import inherited


def listening(family: int, address: object) -> plain.socket:
    made = plain.socket(family)
    made.bind(address)
    made.listen()
    return made


def test_a_descriptor_is_known_by_its_address(tmp_path: Path) -> None:
    with (
        listening(plain.AF_INET, ("127.0.0.1", 0)) as tcp,
        listening(plain.AF_UNIX, str(tmp_path / "in")) as ipc,
    ):
        environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        endpoint = f"tcp://127.0.0.1:{tcp.getsockname()[1]}"
        assert inherited(environment, tcp.fileno()) == {endpoint: tcp.fileno()}
        assert inherited(environment, ipc.fileno()) == {f"ipc://{tmp_path}/in": ipc.fileno()}
        assert inherited({**environment, "LISTEN_PID": "1"}, tcp.fileno()) == {}
    assert inherited({}) == {}


def test_what_was_handed_over_is_served_through_and_outlives_the_daemon(
    turned: Callable[..., Turned], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(plain.AF_INET, ("127.0.0.1", 0)) as taken, listening(plain.AF_INET, ("127.0.0.1", 0)) as web:
        endpoint, address = (f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in (taken, web))
        monkeypatch.setattr(bind, "handed", lambda: {endpoint: taken.fileno(), address: web.fileno()})
        text = conftest.CONFIG.replace("ipc://{path}/in", endpoint).replace("port = 0", f"port = {address[16:]}")
        monkeypatch.setattr(conftest, "CONFIG", text)
        served = turned()
        for count in (1, 2):
            listener = served.subscribed(b"prediction/a/")
            served.send(float(count))
            while served.received(listener)[1].get("retained"):
                pass
            assert served.daemon.started.metrics == address.replace("tcp:", "http:")
            with urllib.request.urlopen(f"{served.daemon.started.metrics}/readyz", timeout=10) as page:
                assert page.status == 200
            served.kill()
            if count == 1:
                served.start()
