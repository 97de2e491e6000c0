from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relay.errors import ConfigurationError
from relay.journal import embedded as module
from relay.journal.datadir import DataDirectory
from relay.journal.embedded import EmbeddedValkey
from relay.journal.link import Link
from tests.conftest import OpenStore
from tests.waiting import eventually

OWNER = """
import asyncio, sys
from pathlib import Path
from relay.journal.datadir import DataDirectory
from relay.journal.embedded import EmbeddedValkey
from relay.journal.link import Link

async def main():
    server = await EmbeddedValkey.start(Path(sys.argv[1]))
    link = Link(server.url, "owner", timeout=5)
    await link.connect()
    await link.ask("SET", "kept", "yes")
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def orphan(data: Path) -> int:
    """Return the process id of a server whose relay was killed."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(data)], stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    return pid


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended but is not yet reaped by init does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def ask(server: EmbeddedValkey, *command: str) -> object:
    """Return the reply of one command."""
    link = Link(server.url, "test", timeout=5)
    try:
        await link.connect()
        return await link.ask(*command)
    finally:
        await link.drop()


async def test_keeps_its_data_over_a_stop_and_a_start(tmp_path: Path) -> None:
    """What was written before a clean stop is there after the next start."""
    server = await EmbeddedValkey.start(tmp_path / "data")
    await ask(server, "SET", "kept", "yes")
    await server.stop()
    assert not alive(server.pid)
    again = await EmbeddedValkey.start(tmp_path / "data")
    assert not again.adopted
    assert await ask(again, "GET", "kept") == b"yes"
    await again.stop()


async def test_runs_with_an_append_only_file_and_never_evicts(tmp_path: Path) -> None:
    """The server is set up to lose nothing and listens on no port."""
    server = await EmbeddedValkey.start(tmp_path)
    found = await ask(server, "CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy", "port")
    assert found == {
        b"appendonly": b"yes",
        b"appendfsync": b"no",
        b"maxmemory-policy": b"noeviction",
        b"port": b"0",
    }
    await server.stop()


async def test_a_long_data_directory_still_gets_a_socket(tmp_path: Path) -> None:
    """The socket's path does not grow with the data directory's."""
    server = await EmbeddedValkey.start(tmp_path / ("d" * 120))
    assert await ask(server, "PING") in (b"PONG", "PONG")
    await server.stop()


async def test_a_second_relay_on_the_directory_is_refused(tmp_path: Path) -> None:
    """Two relays cannot own one data directory, and the message says who has it."""
    server = await EmbeddedValkey.start(tmp_path)
    with pytest.raises(ConfigurationError, match=f"used by another relay \\(process {os.getpid()}\\)"):
        await EmbeddedValkey.start(tmp_path)
    assert await ask(server, "PING")
    await server.stop()


async def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    """A data directory below a file is refused by name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="RELAY_DATA_DIR"):
        await EmbeddedValkey.start(tmp_path / "file" / "data")


async def test_data_it_cannot_read_is_a_configuration_error_with_the_log(tmp_path: Path) -> None:
    """A server that cannot load its data tells why, and the directory is free again."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("this is no manifest\n")
    with pytest.raises(ConfigurationError, match="does not run on"):
        await EmbeddedValkey.start(tmp_path)
    (folder / "appendonly.aof.manifest").unlink()
    await (await EmbeddedValkey.start(tmp_path)).stop()


async def test_is_started_again_on_its_data_when_it_dies(tmp_path: Path, open_store: OpenStore) -> None:
    """After a kill of the server its data comes back, and a store on it goes on, without a manual step."""
    server = await EmbeddedValkey.start(tmp_path)
    store = await open_store(server.url)
    await store.call("SET", "kept", "yes")
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: server.pid != killed, what="another server")

    async def kept() -> bool:
        return bool(await store.call("GET", "kept") == b"yes")

    await eventually(kept)
    await store.close()
    await server.stop()


async def test_survives_a_kill_of_relay_and_is_adopted(tmp_path: Path) -> None:
    """A server left by a relay that was killed is taken over as it runs, and stopped by its new owner."""
    pid = await asyncio.to_thread(orphan, tmp_path)
    server = await EmbeddedValkey.start(tmp_path)
    assert (server.adopted, server.pid) == (True, pid)
    assert await ask(server, "GET", "kept") == b"yes"
    await server.stop()
    assert not alive(pid)


async def test_an_adopted_server_that_dies_is_started_again(tmp_path: Path) -> None:
    """Watching does not depend on being the server's parent."""
    pid = await asyncio.to_thread(orphan, tmp_path)
    server = await EmbeddedValkey.start(tmp_path)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: server.pid != pid and not server.adopted)
    assert await eventually(lambda: ask(server, "GET", "kept")) == b"yes"
    await server.stop()


async def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    """The server is in a session of its own, so an interrupt of relay's process group leaves it running."""
    server = await EmbeddedValkey.start(tmp_path)
    assert os.getsid(server.pid) == server.pid != os.getsid(0)
    await server.stop()


async def test_data_that_takes_long_to_load_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that says it is loading may take longer than one that says nothing."""
    server = await EmbeddedValkey.start(tmp_path)
    await ask(server, "EVAL", "for i = 1, 200000 do redis.call('SET', i, i) end", "0")
    await server.stop()
    plain = module._arguments

    def slowly(directory: DataDirectory) -> list[str]:
        # A pause at every third key, some four seconds in all. It answers at every 1,024th: even where each
        # pause takes ten times as long, for other work, that is far more often than it may be silent.
        return [*plain(directory), "--key-load-delay", "-3"]

    monkeypatch.setattr(module, "_arguments", slowly)
    monkeypatch.setattr(module, "ANSWER_WITHIN", 2.0)
    started = asyncio.get_running_loop().time()
    again = await EmbeddedValkey.start(tmp_path)
    assert asyncio.get_running_loop().time() - started > 2.0
    assert await ask(again, "DBSIZE") == 200_000
    await again.stop()


async def test_a_server_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen server found on the directory is killed, and a new one takes its data."""
    pid = await asyncio.to_thread(orphan, tmp_path)
    monkeypatch.setattr(module, "ANSWER_WITHIN", 2.0)
    monkeypatch.setattr(module, "STOP_WITHIN", 0.2)
    os.kill(pid, signal.SIGSTOP)
    server = await EmbeddedValkey.start(tmp_path)
    assert server.pid != pid
    assert not server.adopted
    assert await ask(server, "GET", "kept") == b"yes"
    await server.stop()


async def test_forgets_nothing_it_answered_when_it_is_killed(tmp_path: Path) -> None:
    """Writes after a pause, when a sync is due, survive a kill right after their answers."""
    server = await EmbeddedValkey.start(tmp_path / "data")
    killed: set[int] = set()
    for written in range(5):
        await asyncio.sleep(module.SYNC_INTERVAL)  # the pause is the case: a sync falls on the next writes
        for part in range(3):
            assert await ask(server, "RPUSH", "kept", f"{written}.{part}") == 3 * written + part + 1
        killed.add(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        await eventually(lambda: server.pid not in killed, what="a new server")
        await eventually(lambda: ask(server, "PING"), what="an answer")
        assert await ask(server, "LLEN", "kept") == 3 * written + 3
    await server.stop()
