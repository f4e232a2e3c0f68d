"""`warm`: compile what a configuration needs, so that the daemon starts at once."""

import time
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.config.validate import naming
from streamrnn.errors import StreamrnnError


def command(config: Annotated[Path, typer.Argument(help="The TOML file.", show_default=False)]) -> None:
    """Compile the model of a configuration into the cache and say how long it took.

    The cache is $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME, else ~/.cache; it must be private to the user who runs the
    daemon. The daemon compiles what is missing by itself; this is for an image, or for before an upgrade.

    \b
    Examples:
      streamrnn warm config.toml
      NUMBA_CACHE_DIR=/var/cache/streamrnn streamrnn warm /etc/streamrnn/config.toml
    """
    from streamrnn.config import schema as configuration

    model = configuration.load(config).model
    begin = time.perf_counter()
    from streamrnn.config import resources
    from streamrnn.engine.engine import Engine
    from streamrnn.kernels.core.jit import CACHE

    with naming(config):
        Engine(model, capacity=1, **resources.of(model))
    seconds = time.perf_counter() - begin
    if CACHE is None:
        raise StreamrnnError("compiled, but there is nowhere to keep it", "set NUMBA_CACHE_DIR to a private directory")
    typer.echo(f"compiled in {seconds:.1f} s, kept in {CACHE}")
