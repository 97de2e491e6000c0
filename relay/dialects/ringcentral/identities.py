"""RingCentral's decimal ids of accounts and extensions, as the directory gives them."""

from __future__ import annotations

from relay.directory.directory import Directory
from relay.directory.model import Account, User


class Identities:
    """Finds accounts and users by their RingCentral ids, and these ids by ours; built once."""

    def __init__(self, directory: Directory) -> None:
        self._accounts = {account.id: account for account in directory.accounts()}
        self._users = {
            (account.id, user.ringcentral_id): user
            for account in self._accounts.values()
            for user in account.users
        }
        self._extensions = {user.id: user.ringcentral_id for user in self._users.values()}

    def __repr__(self) -> str:
        return f"<Identities accounts={len(self._accounts)} extensions={len(self._extensions)}>"

    def account_id(self, account: str) -> str:
        """Return the RingCentral id of one of the directory's accounts.

        Raises:
            KeyError: the directory has no such account.

        """
        return self._accounts[account].ringcentral_id

    def account(self, account: str) -> Account:
        """Return one of the directory's accounts; raises KeyError where it has none of this id."""
        return self._accounts[account]

    def extension_id(self, user_id: str | None) -> str | None:
        """Return a user's extension id, or None for nobody of ours."""
        return None if user_id is None else self._extensions.get(user_id)

    def user(self, account: str, extension_id: str) -> User | None:
        """Return the account's user with that extension id."""
        return self._users.get((account, extension_id))
