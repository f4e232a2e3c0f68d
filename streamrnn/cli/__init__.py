"""The commands, one file each: init, run, check, warm, demo, replay, send, tail, keys, ctl, state, bench.

Rules: a command is a function with typed options, a docstring with examples, and no logic that another program could
want; whatever a program would read is also written as JSON. Errors that are ours to explain end as one line and a
hint on standard error with the error's own exit code, and no traceback; anything else is our bug and shows one.

Nothing heavy is imported before a command runs: `--help` must answer at once, and the engine's imports (Numba) alone
take longer than that. Help is plain text, not Rich's boxes: examples stay copyable and it costs no import.
"""

import sys
from typing import Annotated

import typer

from streamrnn import __version__
from streamrnn.cli import bench, check, ctl, demo, init, keys, replay, run, send, state, tail, warm
from streamrnn.errors import StreamrnnError

HELP = """\
A daemon that learns from every message of a stream: forecasts with intervals, anomalies and metrics over ZeroMQ.

\b
Examples:
  streamrnn demo                          see it work on a real stream
  streamrnn replay past.csv --plot p.png  how good would it be on a file of yours?
  streamrnn init past.csv > config.toml   a configuration for that file
  streamrnn check config.toml             is the configuration right, what will it need?
  streamrnn run config.toml               start the daemon
  streamrnn tail tcp://127.0.0.1:5556     watch what it says

\b
Exit codes:
  0   done
  1   it failed: no answer, a full disk, a socket in use
  2   the command line was not understood
  65  the input file or the stored state is damaged
  78  the configuration is wrong
"""

app = typer.Typer(
    name="streamrnn",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamrnn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """See HELP."""


app.command("init")(init.command)
app.command("run")(run.command)
app.command("check")(check.command)
app.command("warm")(warm.command)
app.command("demo")(demo.command)
app.command("replay")(replay.command)
app.command("send")(send.command)
app.command("tail")(tail.command)
app.command("keys")(keys.command)
app.add_typer(ctl.app, name="ctl")
app.add_typer(state.app, name="state")
app.add_typer(bench.app, name="bench")


def main() -> int:
    """The console entry; returns the exit code of an error that we explain."""
    try:
        app()
    except StreamrnnError as error:
        print(f"streamrnn: error: {error.args[0]}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0
