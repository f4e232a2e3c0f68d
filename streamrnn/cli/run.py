"""`run`: start the daemon."""

from pathlib import Path
from typing import Annotated

import typer


def command(config: Annotated[Path, typer.Argument(help="The TOML file.", show_default=False)]) -> None:
    """Start the daemon and stay until SIGTERM; SIGHUP reads the configuration again.

    Logs are JSON lines on standard error. Under systemd it says when it is ready.

    \b
    Examples:
      streamrnn run config.toml
      streamrnn run /etc/streamrnn/config.toml 2> streamrnn.log
    """
    from streamrnn.service import process

    raise typer.Exit(process.run(config))
