from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.errors import ConfigurationError, StoreUnavailableError
from relay.journal.commit import Change
from relay.journal.journal import Journal
from relay.journal.keys import META
from relay.journal.link import Link, StoreCommandError
from relay.journal.outage import Outage
from relay.journal.pipe import Pipe
from relay.journal.scripts import Script
from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.harness.ports import free_port
from tests.journal.calls import ACCOUNT, at, place, placed
from tests.waiting import eventually


async def test_fifty_commits_at_once_share_round_trips(journal: Journal, store: Store) -> None:
    """What tasks ask within one turn of the loop leaves in one pipeline."""
    await place(journal, "warm-up")
    before = store.batches
    await asyncio.gather(*(place(journal, f"s{number}") for number in range(50)))
    assert store.batches - before <= 2


async def test_commands_take_effect_in_the_order_they_were_asked(store: Store) -> None:
    """Batches and commands keep their order, across more than one batch."""
    asked = [store.submit("RPUSH", "list", number) for number in range(1000)]
    assert await asyncio.gather(*asked) == list(range(1, 1001))


async def test_a_missing_script_is_sent_in_full(journal: Journal, store: Store) -> None:
    """A server that has forgotten every script still carries each command out, once."""
    await place(journal, "s1")
    session, events = placed("s2")
    commits = []
    for number in range(30):
        if number % 10 == 5:
            commits.append(store.submit("SCRIPT", "FLUSH"))
        change = [Change(at(session, 0))] if number == 0 else []
        commits.append(
            asyncio.ensure_future(
                journal.commit(ACCOUNT, change, events if change else [], nonce=f"n{number}")
            )
        )
    results = await asyncio.gather(*commits)
    assert None not in results
    assert len((await journal.history(ACCOUNT, None, limit=10)).entries) == 2


async def test_an_unknown_command_fails_alone(store: Store) -> None:
    """An error reply is that command's own; its neighbours in the batch are answered."""
    wrong, right = store.submit("NO-SUCH-COMMAND"), store.submit("ECHO", "hello")
    with pytest.raises(StoreCommandError, match="unknown command"):
        await wrong
    assert await right == b"hello"


async def test_an_argument_of_a_wrong_type_is_refused_when_asked(store: Store) -> None:
    """What cannot be sent fails at its caller and reaches nobody else's batch."""
    with pytest.raises(TypeError):
        await store.call("SET", "key", None)  # type: ignore[arg-type]
    assert await store.call("ECHO", "hello") == b"hello"


async def test_a_caller_that_goes_away_does_not_break_the_batch(store: Store, server: Server) -> None:
    """A task cancelled while its command is on the way loses only its own answer."""
    waiting = asyncio.create_task(store.call("BLPOP", "queue", 0))
    others = [asyncio.create_task(store.call("ECHO", str(number))) for number in range(3)]
    await eventually(lambda: store.batches == 1)
    waiting.cancel()
    others[1].cancel()
    with server.client as client:
        client.rpush("queue", "x")
    assert [await others[0], await others[2]] == [b"0", b"2"]
    assert waiting.cancelled()


async def test_a_command_whose_caller_left_before_it_was_sent_is_not_sent(store: Store) -> None:
    """What nobody waits for any more has no effect."""
    asked = store.submit("SET", "key", "written")
    asked.cancel()
    assert await store.call("EXISTS", "key") == 0


async def test_a_lost_connection_fails_its_whole_batch_and_the_next_reconnects(
    store: Store, server: Server
) -> None:
    """Every command without an answer fails as unknown; nobody has to do anything for the next to work."""
    batch = [asyncio.create_task(store.call("BLPOP", "queue", 0))]
    batch += [asyncio.create_task(store.call("ECHO", str(number))) for number in range(20)]
    await eventually(lambda: store.batches == 1)
    with capture_logs() as logs, server.client as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        results = await asyncio.gather(*batch, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailableError] * 21
        assert await store.call("ECHO", "again") == b"again"
    assert [entry["event"] for entry in logs] == ["store unavailable", "store back"]


async def test_a_connection_closed_while_idle_is_replaced_unnoticed(store: Store, server: Server) -> None:
    """A server that drops idle connections costs no request."""
    await store.call("PING")
    with server.client as client, capture_logs() as logs:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        async def only_one() -> bool:
            return len(client.client_list()) == 1

        await eventually(only_one)
        await asyncio.sleep(0)  # the loop learns of the closed socket in its next turn
        assert await store.call("ECHO", "hello") == b"hello"
        assert await store.fetch([("ECHO", "hello")]) == [b"hello"]
    assert logs == []


async def test_a_full_queue_refuses_more_commands(server: Server) -> None:
    """Commands beyond the bound fail at once; those within it are served."""
    pipe = Pipe("test", lambda: Link(server.url, "test", timeout=3), Outage(), max_waiting=3)
    accepted = [pipe.submit(("ECHO", str(number))) for number in range(3)]
    with pytest.raises(StoreUnavailableError, match="wait for the store"):
        _ = pipe.submit(("ECHO", "3"))
    with pytest.raises(StoreUnavailableError, match="wait for the store"):
        pipe.submit_all([("ECHO", "3")])
    assert await asyncio.gather(*accepted) == [b"0", b"1", b"2"]
    await pipe.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        _ = pipe.submit(("ECHO", "4"))


async def test_closing_serves_what_was_asked_before(server: Server) -> None:
    """Close waits for the answers of commands that wait."""
    store = await Store.open(server.url, partitions=16)
    asked = [store.submit("INCR", "key") for _ in range(600)]
    await store.close()
    assert [one.result() for one in asked] == list(range(1, 601))


async def test_closing_leaves_no_connection_of_readers(server: Server, journal: Journal) -> None:
    """One that waits for an entry as the store is closed gets it, and disconnects; later ones are refused."""

    async def readers() -> int:
        clients: bytes = await journal.store.call("CLIENT", "LIST")
        return clients.count(b"name=relay-reader ")

    store = await Store.open(server.url, partitions=16)
    partition = store.keys(ACCOUNT).partition
    reading = asyncio.create_task(store.read_stream(partition, "0-0", count=1, block_ms=5000))
    await eventually(readers)
    await store.close()
    await place(journal, "s1")
    assert len(await reading) == 1
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.read_stream(partition, "0-0", count=1, block_ms=0)

    async def none() -> bool:
        return await readers() == 0

    await eventually(none)


async def test_reading_a_stream_waits_for_its_first_entry(journal: Journal, store: Store) -> None:
    """A read returns entries after its id, waits for one at the end, and returns none after its block."""
    partition = store.keys(ACCOUNT).partition
    assert await store.read_stream(partition, "0-0", count=10, block_ms=0) == []
    reading = asyncio.create_task(store.read_stream(partition, "0-0", count=10, block_ms=5000))
    await place(journal, "s1")
    [(first, fields)] = await reading
    assert fields[b"k"] == b"call"
    assert fields[b"a"] == ACCOUNT.encode()
    assert await store.read_stream(partition, first, count=10, block_ms=10) == []


async def test_readers_of_one_partition_do_not_wait_for_each_other(journal: Journal, store: Store) -> None:
    """Each blocking read has a connection of its own, and a cancelled one is thrown away."""
    partition = store.keys(ACCOUNT).partition
    readers = [
        asyncio.create_task(store.read_stream(partition, "0-0", count=1, block_ms=5000)) for _ in range(3)
    ]
    await eventually(lambda: store.call("PING"))
    readers[0].cancel()
    await place(journal, "s1")
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [len(result) for result in results[1:] if not isinstance(result, BaseException)] == [1, 1]


async def test_an_epoch_stays_until_the_store_is_flushed(store: Store, server: Server) -> None:
    """Each partition has its own random id of its history, the same for every process."""
    assert await store.epoch(1) == await store.epoch(1) != await store.epoch(2)
    before = await store.epoch(1)
    server.flush()
    assert await store.epoch(1) != before


async def test_the_store_tells_its_time(store: Store) -> None:
    """Times are the server's."""
    assert await store.time_ms() > 1_700_000_000_000


async def test_a_used_store_keeps_its_number_of_partitions(server: Server, open_store: OpenStore) -> None:
    """Opening it with another number warns, and goes on with the stored one."""
    await open_store(server.url, partitions=4)
    with capture_logs() as logs:
        again = await open_store(server.url, partitions=64)
    assert again.partitions == 4
    assert again.keys_at(3).partition == 3
    assert [(entry["partitions"], entry["asked"]) for entry in logs] == [(4, 64)]


async def test_a_store_of_another_schema_is_refused(server: Server, open_store: OpenStore) -> None:
    """Data of another version of relay is not touched."""
    with server.client as client:
        client.hset(META, mapping={"schema": 99, "partitions": 16, "id": "x"})
    with pytest.raises(ConfigurationError, match="another version of relay"):
        await open_store(server.url)


async def test_a_flushed_store_is_noticed_and_goes_on(server: Server, open_store: OpenStore) -> None:
    """Commits into a flushed store work at once; it is set up again, and said once."""
    store = await open_store(server.url, check_interval=0.02)
    journal = Journal(store)
    await place(journal, "s1")
    with capture_logs() as logs:
        server.flush()
        await place(journal, "s1")
        await eventually(lambda: logs)
        assert await store.call("HGET", META, "partitions") == b"16"
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == [
        "store was flushed; starting over"
    ]


async def test_a_flush_while_disconnected_is_noticed_on_reconnect(
    server: Server, open_store: OpenStore
) -> None:
    """The first command after a reconnect already finds the store set up."""
    store = await open_store(server.url, check_interval=3600)
    await store.call("PING")
    server.flush()
    with server.client as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await eventually(lambda: store.call("HGET", META, "partitions")) == b"16"


async def test_a_store_set_up_anew_with_other_partitions_is_not_written_to(
    server: Server, open_store: OpenStore
) -> None:
    """Accounts would live elsewhere, so everything is refused until relay is restarted or it is put right."""
    store = await open_store(server.url, check_interval=0.02)
    server.flush()
    with server.client as client:
        client.hset(META, mapping={"schema": 1, "partitions": 8, "id": "other"})
        await eventually(lambda: not store.available)
        with pytest.raises(StoreUnavailableError, match="8 partitions"):
            await store.call("PING")
        client.delete(META)
        await eventually(lambda: store.call("PING"))


async def test_a_store_that_forgets_is_warned_of(server: Server, open_store: OpenStore) -> None:
    """No append-only file and an evicting policy are said at start."""
    forgetful = Server("valkey", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    try:
        with capture_logs() as logs:
            store = await open_store(forgetful.start().url)
        await store.close()
    finally:
        forgetful.remove()
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 2
    assert "append-only" in warnings[0]
    assert "evict" in warnings[1]


async def test_a_store_that_is_away_at_start_is_unavailable(tmp_path: Path, open_store: OpenStore) -> None:
    """Nobody there may come yet; what is said names the setting that may be wrong, and no credentials."""
    port = free_port()
    for url in (f"unix://{tmp_path}/nobody", f"redis://relay:secret@127.0.0.1:{port}/0?password=secret"):
        with pytest.raises(
            StoreUnavailableError, match=r"^RELAY_REDIS_URL: .*(nobody|127\.0\.0\.1)"
        ) as caught:
            await open_store(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "redis://:secret@localhost:secret",
        "redis://:secret@localhost/0?no_such_option=1",
        "redis://:secret@localhost?socket_timeout=soon",
    ],
)
async def test_a_url_that_cannot_be_used_is_a_configuration_error(url: str, open_store: OpenStore) -> None:
    """It is refused without being quoted, since it may hold a password."""
    with pytest.raises(ConfigurationError) as caught:
        await open_store(url)
    assert "secret" not in str(caught.value)


async def test_tcp_with_a_password_and_a_database(engine: str, open_store: OpenStore) -> None:
    """``redis://`` carries credentials and a database; wrong ones are configuration errors."""
    port = free_port()
    server = Server(engine, "--port", str(port)).start()
    try:
        with server.client as client:
            client.execute_command("ACL", "SETUSER", "relay", "on", ">p@ss", "~*", "&*", "+@all")
            client.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
        journal = Journal(await open_store(f"redis://relay:p%40ss@127.0.0.1:{port}/2"))
        await place(journal, "s1")
        assert (await journal.store.call("CLIENT", "INFO")).find(b" db=2 ") > 0
        for wrong in ("relay:no@", "", "relay:p%40ss@"):
            with pytest.raises(ConfigurationError, match=r"^RELAY_REDIS_URL: .* refuses the connection"):
                await open_store(
                    f"redis://{wrong}127.0.0.1:{port}/{99 if wrong.startswith('relay:p') else 0}"
                )
        await journal.store.close()
    finally:
        server.remove()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1", "-days", "2"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


@pytest.fixture
def tls_port(engine: str, certificate: tuple[Path, Path]) -> Iterator[int]:
    """Run a server that speaks TLS on a port."""
    key, chain = certificate
    port = free_port()
    options = {"tls-port": port, "tls-cert-file": chain, "tls-key-file": key, "tls-auth-clients": "no"}
    server = Server(engine, *(text for name, value in options.items() for text in (f"--{name}", str(value))))
    try:
        server.start()
        yield port
    finally:
        server.remove()


@pytest.mark.parametrize("engine", ["redis"])  # the Valkey that relay ships is built without TLS
async def test_tls_with_a_verified_certificate(
    tls_port: int, certificate: tuple[Path, Path], open_store: OpenStore
) -> None:
    """``rediss://`` checks the server's certificate; one it cannot check is not connected to."""
    store = await open_store(f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={certificate[1]}")
    await place(Journal(store), "s1")
    await store.close()
    with pytest.raises(StoreUnavailableError, match="certificate"):
        await open_store(f"rediss://127.0.0.1:{tls_port}")


async def test_a_script_keeps_its_error_reply(store: Store) -> None:
    """A script that refuses tells its caller by a code of its own."""
    script = Script("append")
    script.source = b"return redis.error_reply('LOST not yours')"
    script.sha = "0" * 40
    with pytest.raises(StoreCommandError) as caught:
        await store.run(script, [], [])
    assert caught.value.code == "LOST"
