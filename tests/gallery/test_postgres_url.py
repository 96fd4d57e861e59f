"""What a gallery's URL means to the server and in messages; and no password in any of these."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import GalleryError
from fusiform.gallery.postgres_url import place_of

conninfo = pytest.importorskip("psycopg.conninfo", reason="psycopg is not installed")


@pytest.mark.parametrize(
    ("url", "server", "name", "schema"),
    [
        ("postgresql://ada@host/faces", "", "", "fusiform"),
        ("postgres://host:5433/faces", "postgresql://host:5433/faces", "", "fusiform"),
        ("postgresql://ada:pw@host/faces", "", "postgresql://ada@host/faces", "fusiform"),
        ("postgresql://:pw@host/faces", "", "postgresql://host/faces", "fusiform"),
        ("postgresql:///faces?host=/run/pg", "", "", "fusiform"),
        ("postgresql://%2Frun%2Fpg/faces", "", "", "fusiform"),
        ("postgresql://ada@[::1]:5432/faces", "", "", "fusiform"),
        ("postgresql://ada@one:5432,two/faces", "", "", "fusiform"),
        ("postgresql://h/f?schema=home", "postgresql://h/f", "", "home"),
        ("postgresql://h/f?schema=fusiform", "postgresql://h/f", "postgresql://h/f", "fusiform"),
        ("postgresql://h/f?a=1%202&schema=x&b=+", "postgresql://h/f?a=1%202&b=+",
         "postgresql://h/f?a=1%202&b=+&schema=x", "x"),
        ("postgresql://h/f?password=pw", "", "postgresql://h/f", "fusiform"),
        ("postgresql://h/f?sslpassword=pw&sslmode=require", "",
         "postgresql://h/f?sslmode=require", "fusiform"),
        ("postgresql://h/f?PassWord=pw", "", "postgresql://h/f", "fusiform"),
        ("postgresql://h/f?p%61ssword=pw", "", "postgresql://h/f", "fusiform"),
    ],
)  # fmt: skip
def test_parts(url, server, name, schema):
    """An empty `server` or `name` is the URL itself."""
    assert place_of(url) == (server or url, name or url.replace("postgres:", "postgresql:"), schema)


@pytest.mark.parametrize("schema", ["", "9lives", "a-b", "a.b", 'a"b', "ä", "x" * 64, "a b"])
def test_a_name_that_is_no_schema(schema):
    with pytest.raises(GalleryError, match="is no name for a schema; use letters, digits"):
        place_of(f"postgresql://host/faces?schema={schema.replace(' ', '%20')}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:ada:hush@host/faces",
        "postgresql:/ada:hush@host/faces",  # a Path makes this of a URL
        "postgresql://ada:hush#1@host/faces",
        "postgresql://ada:hush/1@host/faces",
        "postgresql://ada:hush?1@host/faces",
        "postgresql://ada:12?hush@host/faces",
        "postgresql://ada:12/hush@host/faces",
        "postgresql://ada:hush@1@host/faces",
        "postgresql://ada:hush:1@host/faces",
        "postgresql://ada:hush[@host/faces",
        "postgresql://ada:hush%@host/faces",
        "postgresql://ada:hush 1@host/faces",
        "postgresql://ada:hush@host:port/faces",
    ],
)
def test_what_is_not_clear_is_refused_without_being_shown(url):
    with pytest.raises(GalleryError, match=r"not clear; write postgresql://USER@HOST") as found:
        place_of(url)
    assert "hush" not in str(found.value)


@given(st.text(min_size=6).filter(lambda word: "\0" not in word and word.strip()))
def test_any_password_reaches_the_server_and_no_message(word):
    from urllib.parse import quote

    try:
        coded = quote(word, safe="")
    except UnicodeEncodeError:
        return
    for url in (
        f"postgresql://ada:{coded}@host:5432/faces?schema=home",
        f"postgresql://ada@host:5432/faces?password={coded}&schema=home",
    ):
        place = place_of(url)
        assert place.name == "postgresql://ada@host:5432/faces?schema=home"
        # libpq's own reading of it
        assert conninfo.conninfo_to_dict(place.server) == {
            "user": "ada", "password": word, "host": "host", "port": "5432", "dbname": "faces",
        }  # fmt: skip
