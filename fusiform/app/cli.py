"""The `fusiform` command. Each command parses, calls the library's verb of its name, prints.

Exit codes: 0 done, 1 an error that is named, 2 wrong usage, 3 "no" where --exit-code asks for it,
130 interrupted. Unreadable photos do not fail `index`; they do fail `detect` and `describe`.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated

import typer

import fusiform
from fusiform.app import (
    ask_commands,
    bench_commands,
    decision_commands,
    duty_commands,
    exchange_commands,
    find_commands,
    gallery_commands,
    model_commands,
    paper_commands,
    picture_commands,
    portable_commands,
    recognition_commands,
    seal_commands,
    train_commands,
    world_commands,
)
from fusiform.app.terminal import Command, Group, say
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.hub.fetch import forbid_network

INTERRUPTED = 130
"""Typer's exit code for Ctrl-C."""

STDOUT_FAULTS = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EPIPE}
"""Faults of stdout: where a file of ours has them, they are named errors."""

app = typer.Typer(
    name="fusiform",
    cls=Group,
    help="Photos in, people out: find, group, name and search the faces in your pictures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for part in (
    gallery_commands,
    find_commands,
    decision_commands,
    ask_commands,
    duty_commands,
    exchange_commands,
    portable_commands,
    picture_commands,
    model_commands,
    seal_commands,
    bench_commands,
    paper_commands,
    recognition_commands,
    train_commands,
    world_commands,
):
    app.registered_commands += part.app.registered_commands
    app.registered_groups += part.app.registered_groups
for command in app.registered_commands:
    command.cls = Command


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # any file name can be printed anywhere
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except FusiformError as error:
        say(f"fusiform: {error}")
        sys.exit(2 if isinstance(error, ChoiceError) else 1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            say("stopped; what was done is kept, run it again to go on")
        raise
    except OSError as error:
        if error.errno not in STDOUT_FAULTS or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        if error.errno != errno.EPIPE:  # a reader who has seen enough needs no message
            say(f"fusiform: the answer cannot be written ({error.strerror}); make room.")
        sys.exit(1)
