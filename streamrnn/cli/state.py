"""`state`: what a daemon that is stopped, or a backup, holds."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streamrnn.errors import SnapshotError
from streamrnn.evaluation.show import refuse_unwritable

HELP = """\
Look into the state of a daemon that is stopped, or into a backup. Nothing is changed.

\b
Examples:
  streamrnn state check state
  streamrnn state dump state --digest
  streamrnn state export state pump-1 > pump-1.json
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
Place = Annotated[Path, typer.Argument(help="The state directory, or a database file.", show_default=False)]


@app.command("check")
def check(path: Place) -> None:
    """Read everything that is stored and compare every checksum; says what there is, as JSON.

    Exits with 65 when something is damaged, and names it.

    \b
    Examples:
      streamrnn state check state
      streamrnn state check backup.sqlite | jq .streams
    """
    from streamrnn.service import inspect

    with inspect.opened(path) as store:
        found = inspect.check(store)
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    if found["damaged"]:
        hint = "these streams begin anew at the next start; put back a backup to have them as they were"
        raise SnapshotError(f"{found['file']}: {len(found['damaged'])} streams are damaged", hint)


@app.command("dump")
def dump(
    path: Place, digest: Annotated[bool, typer.Option("--digest", help="Only the SHA-256 of the whole.")] = False
) -> None:
    """Print one line a stream and a producer, sorted, and last the SHA-256 of all: equal digests are equal states.

    What waits in the journal is not in the rows; after a clean stop (SIGTERM) nothing does.

    \b
    Examples:
      streamrnn state dump state
      streamrnn state dump state --digest
    """
    from streamrnn.service import inspect

    with inspect.opened(path) as store:
        line: dict[str, object] = {}
        for line in inspect.dump(store):
            if not digest:
                typer.echo(msgspec.json.encode(line))
        if digest:
            typer.echo(line["sha256"])


@app.command("export")
def export(
    path: Place,
    stream: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    prior: Annotated[Path | None, typer.Option(help="Write what new streams may begin with (model.prior).")] = None,
) -> None:
    """Print everything that is known of one stream, as JSON: its row as named lists of numbers.

    With --prior it is written to a file instead, from which the streams of other daemons, and new ones of this, begin:
    they take over what has no unit, as network, linear experts and their mix.

    \b
    Examples:
      streamrnn state export state pump-1
      streamrnn state export backup.sqlite pump-1 --prior pumps.prior
    """
    from streamrnn.config import resources
    from streamrnn.service import inspect

    with inspect.opened(path) as store:
        if prior is not None:
            refuse_unwritable(prior)
            resources.write(prior, inspect.prior(store, stream))
            return
        typer.echo(msgspec.json.encode(inspect.export(store, stream)))
