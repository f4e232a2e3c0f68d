"""`keys`, and what `send` does with one."""

import pytest
import zmq

from streamrnn.config.keys import Grant, read_grants, read_pair
from tests.cli.console import call


def test_a_key_is_for_its_owner_alone_and_never_overwritten(monkeypatch, capsys, tmp_path):
    secret, allow = tmp_path / "x.secret", tmp_path / "x.toml"
    arguments = ("keys", secret, "--allow", allow, "--source", "pump-", "--topic", "status/", "--topic", "")
    code, out, _ = call(monkeypatch, capsys, *arguments)
    pair = read_pair(secret)
    assert (code, out) == (0, f"{pair.public}\n")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert read_grants(tmp_path) == {pair.public: Grant(pair.public, ("pump-",), ("status/", ""))}
    code, _, err = call(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "never overwritten" in err
    assert read_pair(secret) == pair


def test_what_a_key_may_do_has_to_be_written_somewhere(monkeypatch, capsys, tmp_path):
    assert call(monkeypatch, capsys, "keys", tmp_path / "x", "--source", "a")[0] == 1
    assert not (tmp_path / "x").exists()


def test_send_shows_its_key(monkeypatch, capsys, tmp_path):
    (tmp_path / "rows.csv").write_text("time,flow\n0,1\n")
    _, server, _ = call(monkeypatch, capsys, "keys", tmp_path / "server")
    call(monkeypatch, capsys, "keys", tmp_path / "client")
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.setsockopt(zmq.LINGER, 0)
        pull.setsockopt(zmq.CURVE_SERVER, 1)
        pull.setsockopt(zmq.CURVE_SECRETKEY, read_pair(tmp_path / "server").secret.encode())
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        arguments = ("send", tmp_path / "rows.csv", f"tcp://127.0.0.1:{port}", "--secret", tmp_path / "client")
        assert call(monkeypatch, capsys, *arguments, "--server", server.strip())[0] == 0
        assert pull.poll(10_000)
        assert b'"flow":1.0' in pull.recv()


@pytest.mark.parametrize("server", ["", "no key"])
def test_a_server_s_key_that_cannot_be_is_an_error(server, monkeypatch, capsys, tmp_path):
    call(monkeypatch, capsys, "keys", tmp_path / "client")
    arguments = ("tail", "tcp://127.0.0.1:1", "--secret", tmp_path / "client", "--server", server)
    code, _, err = call(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "--server" in err
