"""A command in this process."""

import sys

from streamrnn import cli


def call(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["streamrnn", *map(str, arguments)])
    try:
        code = cli.main()
    except SystemExit as end:
        code = end.code or 0
    found = capsys.readouterr()
    return code, found.out, found.err
