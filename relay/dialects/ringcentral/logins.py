"""Whom the password grant names: a user name, or a number with an extension."""

from __future__ import annotations

from collections.abc import Mapping

from relay.calls.numbers import canonical
from relay.directory.directory import Directory
from relay.directory.model import Principal, User


async def by_password_grant(directory: Directory, account: str, form: Mapping[str, str]) -> Principal | None:
    """Return who logs in with ``username``, ``extension`` and ``password``, or None.

    The user name is the directory's, with or without the extension after a star; or any number with an
    extension, or a phone's own number. Numbers are looked up in the application's ``account``.

    Raises:
        UnavailableError: too many passwords are being verified.

    """
    login = _login(directory, account, form.get("username", ""), form.get("extension", ""))
    principal = await directory.by_password(login, form.get("password", ""))
    if principal is None:
        return None
    extension = _extension(form.get("username", ""), form.get("extension", ""))
    return principal if extension in ("", principal.user.extension) else None


def _login(directory: Directory, account: str, username: str, given: str) -> str:
    base, extension = username.partition("*")[0], _extension(username, given)
    number = canonical(base)
    if number is None:
        return base
    found: User | None = None
    if extension:
        found = directory.by_extension(account, extension)
    elif (phone := directory.by_number(account, number)) is not None:
        found = phone[0]
    return found.login if found else base


def _extension(username: str, given: str) -> str:
    """Return the extension that a login names, after a star or on its own; empty where it names none."""
    return username.partition("*")[2] or given
