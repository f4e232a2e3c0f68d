"""`init`: a configuration from a recorded file."""

from pathlib import Path
from typing import Annotated

import typer

from streamrnn.errors import StreamrnnError


def command(
    file: Annotated[Path, typer.Argument(help="A .csv, .ndjson, .log or .txt file.", show_default=False)],
    output: Annotated[Path | None, typer.Option(help="Where to write it; without it, to standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Look at a recorded file and write a commented configuration for it.

    Columns of numbers become features, a column of texts that come again names the streams; interval, horizons, preset
    and `lower = 0` where nothing is negative follow from the values.

    \b
    Examples:
      streamrnn init flow.csv
      streamrnn init flow.csv --output flow.toml
    """
    from streamrnn.recordings.draft import draft

    if output is not None and output.exists() and not force:
        raise StreamrnnError(f"{output} exists", "choose another name, or say --force")
    made = draft(file)
    text = made.text()
    made.config  # noqa: B018 - what is written can be read
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    typer.echo(made.rows.told or file.name)
    typer.echo(f"wrote {output}; see how good it would be: streamrnn replay {output} {file}")
