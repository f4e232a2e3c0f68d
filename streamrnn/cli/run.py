"""`run`: start the daemon."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[Path, typer.Argument(help="The TOML file.", show_default=False)],
    backfill: Annotated[Path | None, typer.Option(help="Learn this file first; columns as for replay.")] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on with a changed model that loses what was learned.")
    ] = False,
) -> None:
    """Start the daemon and stay until SIGTERM; SIGHUP reads the configuration again.

    Logs are JSON lines on standard error. Under systemd it says when it is ready.

    With --backfill it learns a recorded file before it serves, once: after a crash in the middle it goes on where it
    was, and a start with a file that has been learned serves at once. Nothing of the file is published.

    A changed model keeps what still means the same. One that would lose something learned is refused, with what that
    is, unless --accept-loss is given, for this one start.

    \b
    Examples:
      streamrnn run config.toml
      streamrnn run /etc/streamrnn/config.toml 2> streamrnn.log
      streamrnn run config.toml --backfill last-year.csv
    """
    from functools import partial

    from streamrnn.recordings.history import history
    from streamrnn.service import process

    raise typer.Exit(process.run(config, None if backfill is None else partial(history, backfill), accept_loss))
