"""Downloads from a server on this machine, with every way they can go wrong."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from fusiform.core.errors import ChoiceError, FetchError, OfflineError
from fusiform.hub import fetch, pull, shipped_cards

BODY = np.random.default_rng(7).bytes(900_000)
CARD = replace(
    shipped_cards()["yunet-s"],
    name="toy",
    sha256=hashlib.sha256(BODY).hexdigest(),
    bytes=len(BODY),
)


@dataclass
class Server:
    """What it was asked for, and how to reach it; `ways` holds how to answer, in turn."""

    url: str
    context: ssl.SSLContext
    asked: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server: Server = self.server.toy  # type: ignore[attr-defined]
        span = self.headers.get("Range", "")
        server.asked.append(span)
        way = server.ways.pop(0) if server.ways else "ok"
        if way == "404":
            self.send_error(404)
        elif way.startswith("redirect "):
            self.send_response(302)
            self.send_header("Location", way.removeprefix("redirect "))
            self.end_headers()
        else:
            self.give(way, int(span[6:-1]) if span and way != "no ranges" else 0)

    def give(self, way: str, start: int) -> None:
        body = b"x" * len(BODY) if way == "wrong" else BODY * 2 if way == "too long" else BODY
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = start + 300_000 if way == "cut" else len(body)
        self.wfile.write(body[start:end])


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """Clients that hang up or distrust the certificate are part of the tests."""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Quiet, ssl.SSLContext]]:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(theirs)
    authority.configure_trust(ours)
    with Quiet(("127.0.0.1", 0), Handler) as server:
        server.socket = theirs.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, ours
        server.shutdown()
        thread.join()


@pytest.fixture
def server(
    running: tuple[Quiet, ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """The server, the toy card pointing at it, and an empty home."""
    quiet, context = running
    url = f"https://localhost:{quiet.server_address[1]}/toy.onnx"
    quiet.toy = Server(url, context)  # type: ignore[attr-defined]
    monkeypatch.setattr(fetch, "shipped_cards", lambda: {"toy": replace(CARD, url=url)})
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "localhost")
    return quiet.toy  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "models" / "toy.onnx"
    path.parent.mkdir(parents=True)
    return path


def test_a_download_arrives_whole(server: Server, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = pull("toy", context=server.context, progress=lambda *step: seen.append(step))
    assert path == target
    assert path.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert {p.name for p in target.parent.iterdir()} <= {"toy.onnx", "toy.onnx.lock", "hashes.json"}


def test_what_is_there_is_not_fetched_again(server: Server, target: Path) -> None:
    target.write_bytes(BODY)
    assert pull("toy", context=server.context) == target
    assert pull("toy", offline=True) == target
    assert server.asked == []


def test_a_cut_connection_is_told_and_continued(server: Server, target: Path) -> None:
    server.ways = ["cut"]
    with pytest.raises(FetchError, match=r"300000 of 900000 bytes.*again to continue"):
        pull("toy", context=server.context)
    assert not target.exists()
    assert pull("toy", context=server.context).read_bytes() == BODY
    assert server.asked == ["", "bytes=300000-"]


def test_a_server_without_ranges_starts_anew(server: Server, target: Path) -> None:
    target.with_suffix(".part").write_bytes(BODY[:1000])
    server.ways = ["no ranges"]
    assert pull("toy", context=server.context).read_bytes() == BODY


@pytest.mark.parametrize("length", [1000, len(BODY), len(BODY) + 5])
def test_a_wrong_half_file_is_thrown_away(server: Server, target: Path, length: int) -> None:
    target.with_suffix(".part").write_bytes(b"?" * length)
    assert pull("toy", context=server.context).read_bytes() == BODY
    assert server.asked[-1] == ""


def test_a_damaged_installed_file_is_replaced(server: Server, target: Path) -> None:
    target.write_bytes(BODY[:-1] + b"?")
    assert pull("toy", context=server.context).read_bytes() == BODY


@pytest.mark.parametrize("way", ["wrong", "too long"])
def test_a_wrong_file_is_fetched_once_more_then_refused(
    server: Server, target: Path, way: str
) -> None:
    server.ways = [way, way]
    with pytest.raises(FetchError, match="not the file whose hash is known") as caught:
        pull("toy", context=server.context)
    assert CARD.sha256 in str(caught.value)
    assert len(server.asked) == 2
    assert not target.exists()
    assert not target.with_suffix(".part").exists()
    server.ways = [way]
    assert pull("toy", context=server.context).read_bytes() == BODY


def test_a_failure_names_the_steps_by_hand(server: Server, target: Path) -> None:
    server.ways = ["404"]
    with pytest.raises(FetchError, match="404") as caught:
        pull("toy", context=server.context)
    for part in (server.url, CARD.sha256, "fusiform pull toy --from FILE"):
        assert part in str(caught.value)


def test_only_https_is_followed(server: Server, target: Path) -> None:
    server.ways = ["redirect http://localhost:9/toy.onnx"]
    with pytest.raises(FetchError, match="not https; refused"):
        pull("toy", context=server.context)
    server.ways = [f"redirect {server.url}"]
    assert pull("toy", context=server.context).read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://localhost/x.onnx", "file:///etc/passwd", "ftp://x/y"])
def test_other_schemes_are_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(fetch, "shipped_cards", lambda: {"toy": replace(CARD, url=url)})
    with pytest.raises(FetchError, match="is not https"):
        pull("toy", context=server.context)


def test_an_unknown_certificate_is_refused(server: Server) -> None:
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        pull("toy")


def test_no_server_is_a_failure_with_the_steps(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(CARD, url="https://localhost:9/x.onnx")
    monkeypatch.setattr(fetch, "shipped_cards", lambda: {"toy": gone})
    with pytest.raises(FetchError, match="--from FILE"):
        pull("toy", context=server.context)


def test_four_at_once_fetch_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: pull("toy", context=server.context), range(4)))
    assert {path.read_bytes() for path in paths} == {BODY}
    assert server.asked == [""]


@pytest.mark.parametrize("switch", ["argument", "environment"])
def test_offline_asks_for_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    if switch == "environment":
        monkeypatch.setenv("FUSIFORM_OFFLINE", "1")
    with pytest.raises(OfflineError, match="--from FILE"):
        pull("toy", offline=switch == "argument", context=server.context)
    assert server.asked == []


def test_a_file_brought_by_hand_is_checked_and_taken(
    server: Server, target: Path, tmp_path: Path
) -> None:
    brought = tmp_path / "brought.onnx"
    with pytest.raises(FetchError, match=r"brought\.onnx: no such file"):
        pull("toy", source=brought)
    brought.write_bytes(BODY[:-1])
    with pytest.raises(FetchError, match=r"brought\.onnx: not the file of toy"):
        pull("toy", source=brought)
    assert not target.exists()
    brought.write_bytes(BODY)
    assert pull("toy", source=brought, offline=True).read_bytes() == BODY
    assert brought.exists()
    assert server.asked == []


def test_a_home_that_cannot_be_written_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(FetchError, match="FUSIFORM_HOME"):
        pull("toy", context=server.context)
    with pytest.raises(OfflineError):
        pull("toy", offline=True)


def test_a_read_only_home_that_has_the_file_is_enough(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    target.write_bytes(BODY)
    monkeypatch.setattr(fetch, "locked", refuse)
    assert pull("toy", context=server.context) == target
    target.unlink()
    with pytest.raises(FetchError, match="Permission denied"):
        pull("toy", context=server.context)


def test_a_full_disk_is_told_as_such(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "publish", full)
    with pytest.raises(FetchError, match="No space left"):
        pull("toy", context=server.context)


def test_models_of_packages_cannot_be_pulled() -> None:
    with pytest.raises(ChoiceError, match="'yunet-s'"):
        pull("dlib-hog")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_offline_work_opens_no_socket(public_models: Path) -> None:
    code = f"""
import sys
events = []
sys.addaudithook(lambda event, args: event.startswith("socket.") and events.append(event))
import numpy as np
from fusiform.core.errors import OfflineError
from fusiform.hub import locate, open_session, pull
try:
    pull("yunet-s", offline=True)
except OfflineError:
    model = locate({str(public_models / "yunet_s_dynamic.onnx")!r})
    open_session(model.data).run({{"input": np.zeros((1, 3, 64, 64), np.float32)}})
    print(events)
"""
    assert run_python(code) == "[]"


def test_a_forbidden_network_stays_shut() -> None:
    code = """
import socket, urllib.request
from fusiform.core.errors import OfflineError
from fusiform.hub import forbid_network
early = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stream = socket.socket(socket.AF_INET6)
forbid_network()
forbid_network()
tries = {
    "new": lambda: socket.socket(),
    "new6": lambda: socket.socket(socket.AF_INET6),
    "lookup": lambda: socket.getaddrinfo("localhost", 80),
    "old lookup": lambda: socket.gethostbyname("localhost"),
    "send": lambda: early.sendto(b"x", ("127.0.0.1", 9)),
    "connect": lambda: stream.connect_ex(("::1", 9)),
    "listen": lambda: stream.bind(("::1", 0)),
    "create": lambda: socket.create_connection(("127.0.0.1", 9)),
    "url": lambda: urllib.request.urlopen("https://localhost:9/"),
}
for name, attempt in tries.items():
    try:
        attempt()
    except OfflineError:
        continue
    print(name)
if hasattr(socket, "AF_UNIX"):
    one, two = socket.socketpair()
    one.send(b"x")
    assert two.recv(1) == b"x"
"""
    assert run_python(code) == ""
