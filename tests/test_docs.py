"""What the documents say can be typed: every command, flag and name in them exists."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if p.is_file()]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")

needs_cli = pytest.mark.skipif(
    not (ROOT / "fusiform/app/cli.py").is_file(), reason="the command line is not written yet"
)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in FENCE.findall(page.read_text("utf-8")):
        if language in languages:
            yield text


def typed(text: str) -> Iterator[list[str]]:
    """Words of each command in a console block: lines after `$ `, or all if none has it."""
    lines = text.replace("\\\n", " ").splitlines()
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    for line in prompted or lines:
        for command in re.split(r"\s(?:&&|\||;)\s", line):
            if words := shlex.split(command, comments=True):
                yield words


def commands(program: str) -> list[tuple[str, list[str]]]:
    found = [
        (page.name, words)
        for page in PAGES
        for text in blocks(page, "console", "bash", "sh")
        for words in typed(text)
    ]
    recipes = re.findall(r"/bin/(fusiform .*?)\"?$", MAKEFILE, re.MULTILINE)
    found += [("Makefile", shlex.split(line.replace('"', ""))) for line in recipes]
    return [(name, words[1:]) for name, words in found if Path(words[0]).name == program]


def complaint(command, words: list[str]) -> str:
    """Why `command` would not take `words`; empty if it would."""
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"no verb {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
    flags = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    return f"no {sorted(flags - known)}" if flags - known else ""


@needs_cli
def test_commands_and_flags_exist():
    from typer.main import get_command

    from fusiform.app.cli import app

    tree = get_command(app)
    found = [(name, words, complaint(tree, list(words))) for name, words in commands("fusiform")]
    assert not [entry for entry in found if entry[2]]
    assert complaint(tree, ["no-such-verb"])
    assert complaint(tree, ["people", "--no-such-flag"])


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    for name, words in commands("make"):
        assert {word for word in words if "=" not in word} <= targets, name


def fusiform_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(owner, name) of each `fusiform.name` and of each `g.name` where g is a Gallery."""
    owners = {"fusiform": "fusiform"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("fusiform.Gallery("):
            owners[ast.unparse(node.targets[0])] = "Gallery"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in owners:
            yield owners[ast.unparse(node.value)], node.attr


@needs_cli
def test_python_examples_use_what_exists():
    import fusiform

    for page in PAGES:
        for text in blocks(page, "python"):
            for owner, name in fusiform_names(ast.parse(text)):
                where = fusiform if owner == "fusiform" else fusiform.Gallery
                in_package = importlib.util.find_spec(f"fusiform.{name}") is not None
                assert hasattr(where, name) or (owner == "fusiform" and in_package), (page, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = [
        to for to in LINK.findall(page.read_text("utf-8")) if not (page.parent / to).exists()
    ]
    assert not missing


def test_every_photo_of_the_album_has_a_source():
    album = ROOT / "fusiform" / "album"
    listed = set(re.findall(r"`(\w+\.jpg)`", (album / "SOURCES.md").read_text("utf-8")))
    assert listed == {photo.name for photo in album.glob("*.jpg")}
    assert all(photo.stat().st_size < 200_000 for photo in album.iterdir())


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.match(r"[\w-]+", line)[0] for group in groups for line in group}
    declared = wanted - {"fusiform"}
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.M)
    explained = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert declared == explained
