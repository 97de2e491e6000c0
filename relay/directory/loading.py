"""Read the directory file, and name every fault in it with its place."""

from __future__ import annotations

import hashlib
import importlib.resources
import uuid
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from relay.directory.credentials import parse_password_hash
from relay.directory.directory import Credentials, Directory
from relay.directory.model import Account, Client, Device, User
from relay.directory.schema import faults
from relay.errors import ConfigurationError


def load(path: Path) -> Directory:
    """Read a directory file.

    Raises:
        ConfigurationError: it cannot be read or used; the message names every fault with its place,
            such as ``accounts[0].users[2].extension: "210" is taken by jane``.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"RELAY_DIRECTORY: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"RELAY_DIRECTORY: {path} is no text in UTF-8: {error}") from error
    return parse(text, str(path))


def demo() -> Directory:
    """Return the directory of ``relay serve --demo``."""
    text = importlib.resources.files("relay.directory").joinpath("demo.yaml").read_text(encoding="utf-8")
    return parse(text, "demo.yaml")


def parse(text: str, name: str) -> Directory:
    """Make the directory that the YAML text tells of; ``name`` leads each fault."""
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{name}: is not valid YAML: {error}") from error
    content, found = faults(content)
    accounts = content.get("accounts", [])
    for account in accounts:
        _fill_in(account)
    found = found or _clashes(accounts)
    if found:
        raise ConfigurationError("\n".join(f"{name}: {fault}" for fault in found))
    return _build(accounts)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key given twice: the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if (
                key.value in seen
                and isinstance(key, yaml.ScalarNode)
                and key.tag != "tag:yaml.org,2002:merge"
            ):
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"{key.value} is given twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _fill_in(account: dict[str, Any]) -> None:
    """Give ids where the file leaves them out: derived from what stays the same, so they are stable."""
    account["ringcentral_id"] = account["ringcentral_id"] or _decimal_id(account["id"])
    for user in account["users"]:
        seed = f"urn:relay:{account['id']}:{user['login']}"
        user["id"] = user["id"] or uuid.uuid5(uuid.NAMESPACE_URL, seed).hex
        user["ringcentral_id"] = user["ringcentral_id"] or _decimal_id(seed)


def _decimal_id(seed: str) -> str:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
    return str(500_000_000_000 + number % 100_000_000_000)


class _Taken:
    """Values of one sort that must be one of a kind, and who has them."""

    def __init__(self, found: list[str]) -> None:
        self._by: dict[str, str] = {}
        self._found = found

    def take(self, value: str | None, place: str, owner: str, *, shown: str | None = None) -> None:
        if value is None:
            return
        if value in self._by:
            told = f'"{value}"' if shown is None else shown
            self._found.append(f"{place}: {told} is taken by {self._by[value]}")
        self._by.setdefault(value, owner)


def _clashes(accounts: Iterable[dict[str, Any]]) -> list[str]:
    """Name what must be one of a kind and is not."""
    found: list[str] = []
    account_ids, account_rcs, clients, devices, logins, tokens, users = (_Taken(found) for _ in range(7))
    for a, account in enumerate(accounts):
        place = f"accounts[{a}]"
        name = f"account {account['name'] or account['id']}"
        account_ids.take(account["id"], f"{place}.id", name)
        account_rcs.take(account["ringcentral_id"], f"{place}.ringcentral_id", name)
        for c, client in enumerate(account["clients"]):
            clients.take(client["id"], f"{place}.clients[{c}].id", name)
        dialled, rcs = _Taken(found), _Taken(found)
        # Extensions first: a number may not be one either, or a destination would mean two phones.
        for u, user in enumerate(account["users"]):
            dialled.take(user["extension"], f"{place}.users[{u}].extension", user["login"])
        for u, user in enumerate(account["users"]):
            at, login = f"{place}.users[{u}]", user["login"]
            logins.take(login, f"{at}.login", name)
            users.take(user["id"], f"{at}.id", login)
            rcs.take(user["ringcentral_id"], f"{at}.ringcentral_id", login)
            for t, token in enumerate(user["tokens"]):
                tokens.take(token, f"{at}.tokens[{t}]", login, shown="the token")
            for d, device in enumerate(user["devices"]):
                devices.take(device["id"], f"{at}.devices[{d}].id", login)
                dialled.take(device["number"], f"{at}.devices[{d}].number", login)
    return found


def _build(accounts: Iterable[dict[str, Any]]) -> Directory:
    built, credentials = [], Credentials()
    for account in accounts:
        built.append(
            Account(
                id=account["id"],
                name=account["name"],
                ringcentral_id=account["ringcentral_id"],
                users=tuple(_user(user) for user in account["users"]),
            )
        )
        for client in account["clients"]:
            credentials.clients[client["id"]] = (
                Client(id=client["id"], account=account["id"]),
                client["secret"],
            )
        for user in account["users"]:
            for token in user["tokens"]:
                credentials.tokens[token] = (account["id"], user["id"])
            if user["password"] is not None:
                stored = parse_password_hash(user["password"])
                credentials.passwords[user["login"]] = (account["id"], user["id"], stored)
    return Directory(built, credentials)


def _user(user: dict[str, Any]) -> User:
    return User(
        id=user["id"],
        login=user["login"],
        first_name=user["first_name"],
        last_name=user["last_name"],
        extension=user["extension"],
        devices=tuple(Device(**device) for device in user["devices"]),
        roles=frozenset(user["roles"]),
        ringcentral_id=user["ringcentral_id"],
    )
