"""The data directory of the embedded server: who may use it, and where its socket is."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

from relay.errors import ConfigurationError

MAX_SOCKET_PATH: Final = 103
"""Bytes of a unix socket's path that every platform accepts (Linux takes 107, macOS 103)."""


class DataDirectory:
    """A directory with two locks: one held by the relay that uses it, one by the server that runs on it.

    Both end with their process, however it ends. The server's tells whether one is alive without trusting a
    process id, which the system may have given to something else since.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log = self.path / "valkey.log"
        self.pid_file = self.path / "valkey.pid"
        self._lock: int | None = None
        self._socket: Path | None = None

    def __repr__(self) -> str:
        return f"DataDirectory({self.path}, {'claimed' if self._lock is not None else 'not claimed'})"

    @property
    def socket(self) -> Path:
        """Path of the server's socket: short, in a directory that only this user can enter."""
        assert self._socket is not None, "the directory is claimed first"  # noqa: S101
        return self._socket

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"unix://{quote(str(self.socket))}"

    def sync(self) -> None:
        """Have the system write the append-only file to disk; returns when it has."""
        for part in self.path.glob("appendonlydir/*.aof"):
            with suppress(FileNotFoundError):  # a rewrite has just replaced it
                file = os.open(part, os.O_RDONLY)
                try:
                    os.fdatasync(file)
                finally:
                    os.close(file)

    def claim(self) -> None:
        """Make the directory if it is missing and lock it for this process.

        Raises:
            ConfigurationError: it cannot be used, or another process uses it.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = self.path.resolve()
            self._lock = os.open(self.path / "relay.lock", os.O_RDWR | os.O_CREAT, 0o600)
            self._own(self._lock)
            self._socket = _runtime_directory(self.path) / "valkey.sock"
        except (OSError, ConfigurationError) as error:
            self.release()
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(
                f"RELAY_DATA_DIR {self.path} cannot be used: {error.strerror}"
            ) from error

    def _own(self, lock: int) -> None:
        if not _locked(lock):
            owner = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
            raise ConfigurationError(
                f"RELAY_DATA_DIR {self.path} is used by another relay (process {owner}): stop it, "
                "or give this one a directory of its own"
            )
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another process use the directory; its server has ended."""
        if self._socket is not None:
            with suppress(OSError):  # it holds a socket if a server could not be ended
                self._socket.parent.rmdir()
            self._socket = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def server_lock(self) -> int | None:
        """Return a descriptor that holds the server's lock, for it to inherit; None if a server is alive."""
        lock = os.open(self.path / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(lock):
            return lock
        os.close(lock)
        return None

    def server_alive(self) -> bool:
        """Tell whether a server runs on the directory."""
        lock = self.server_lock()
        if lock is None:
            return True
        os.close(lock)
        return False

    def server_pid(self) -> int | None:
        """Return the process id a live server has written down."""
        try:
            return int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None

    def log_tail(self) -> str:
        """Return the last lines of the server's log, for an error message."""
        try:
            return self.log.read_text(errors="replace")[-1000:].strip()
        except OSError:
            return "no log"


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runtime_directory(data: Path) -> Path:
    """Return a directory for the socket; a data directory's own path may be too long for one."""
    digest = sha256(f"{os.getuid()}:{data}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"relay-{digest}"
    if len(os.fsencode(path / "valkey.sock")) > MAX_SOCKET_PATH:
        raise ConfigurationError(f"{path} is too long for a unix socket: set TMPDIR to a shorter path")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(f"{path} is not a private directory of this user: remove it")
    return path
