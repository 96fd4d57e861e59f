"""The `fusiform` command. Each command parses, calls the library's verb of its name, prints.

Exit codes: 0 done, 1 an error that is named, 2 wrong usage, 3 "no" where --exit-code asks for it,
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import fusiform
from fusiform.app import gallery_commands, model_commands, picture_commands
from fusiform.app.terminal import say
from fusiform.core.errors import FusiformError
from fusiform.hub.fetch import forbid_network

app = typer.Typer(
    name="fusiform",
    help="Photos in, people out: find, group, name and search the faces in your pictures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for part in (gallery_commands, picture_commands, model_commands):
    app.registered_commands += part.app.registered_commands
    app.registered_groups += part.app.registered_groups


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fusiform {fusiform.__version__}")
        raise typer.Exit


@app.callback()
def options(
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Open no socket, whatever happens.", envvar="FUSIFORM_OFFLINE"
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    if offline:
        os.environ["FUSIFORM_OFFLINE"] = "1"
        forbid_network()


def main() -> None:
    """Runs the command line; a known error is one sentence on stderr, never a traceback."""
    try:
        app()
    except FusiformError as error:
        say(f"fusiform: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped; what was done is kept, run it again to go on")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
