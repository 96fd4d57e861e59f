"""Commands about a gallery's encryption: seal, unseal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fusiform import gallery as rooms
from fusiform.app.terminal import (
    GalleryOption,
    JsonOption,
    key,
    open_gallery,
    say,
    show,
    show_json,
)
from fusiform.core.errors import GalleryError
from fusiform.gallery import Sealing, Secret
from fusiform.gallery.cipher import KEY_FILE, PASSPHRASE, key_file, make_key_file, passphrase

app = typer.Typer()
NEW = "FUSIFORM_NEW_PASSPHRASE"
LEFT = (
    "old values may be left in the file, for another program is reading it; "
    "close the other programs and run `fusiform unseal`, `fusiform seal` again"
)


@app.command()
def seal(
    gallery: GalleryOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="A key file, made if there is none yet."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encrypt a gallery's templates and crops, or change the passphrase of a sealed one.

    Without the passphrase, or the key file, nobody can search or group the faces any more.
    Scripts give it in FUSIFORM_PASSPHRASE or FUSIFORM_KEY_FILE, and here a new one in
    FUSIFORM_NEW_PASSPHRASE. Names, boxes and paths stay readable.

    Examples:

        fusiform seal --gallery family.db

        fusiform seal --key-file /media/stick/family.key
    """
    with open_gallery(gallery) as g:
        if g.store.values.seal:
            rooms.change(g.store, key(), _new(file))
            done = None
        else:
            done = g.seal(_new(file))
    if as_json:
        show_json(_told(done, "key file" if file else "passphrase"))
    elif done is None:
        show(f"another {'key file' if file else 'passphrase'} opens the gallery now")
    else:
        show(f"sealed: {done.vectors:,} templates, {done.crops:,} crops")
    _warn(done, file)


@app.command()
def unseal(gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Decrypt a sealed gallery.

    Examples:

        fusiform unseal --gallery family.db
    """
    with open_gallery(gallery) as g:
        done = g.unseal()
    if as_json:
        show_json(_told(done, None))
    else:
        show(f"no longer sealed: {done.vectors:,} templates, {done.crops:,} crops")


def _told(done: Sealing | None, opens: str | None) -> dict[str, object]:
    counts = (done.vectors, done.crops, done.proven) if done else (0, 0, True)
    return {"key": opens} | dict(zip(("templates", "crops", "proven"), counts, strict=True))


def _warn(done: Sealing | None, file: Path | None) -> None:
    if done and not done.proven:
        say(LEFT)
    if file:
        say(f"keep {file} safe, and not beside the gallery: {KEY_FILE}={file} opens it")


def _new(file: Path | None) -> Secret:
    if file:
        if not file.expanduser().exists():
            make_key_file(file)
        return key_file(file)
    if given := os.environ.get(NEW) or os.environ.get(PASSPHRASE):
        return passphrase(given)
    if not sys.stdin.isatty():
        raise GalleryError(f"Nobody is here to type a passphrase; set {NEW} or use --key-file.")
    typed = typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return passphrase(str(typed))
