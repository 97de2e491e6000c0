"""The directory in memory: who is behind a number, a device, a token or a password."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.calls.model import Address
from relay.calls.numbers import RIGHT_NUMBER, canonical, is_e164
from relay.directory.credentials import PasswordHash, hash_token
from relay.directory.model import Account, Client, Device, Principal, User
from relay.directory.verification import PasswordVerifier
from relay.errors import InvalidFieldError, NotFoundError


@dataclass(kw_only=True, repr=False)
class Credentials:
    """Hashes of all that proves who someone is; apart from the users, whose representations are shown."""

    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Token hash to (account, user id)."""
    passwords: dict[str, tuple[str, str, PasswordHash]] = field(default_factory=dict)
    """Login to (account, user id, hash)."""
    clients: dict[str, tuple[Client, str]] = field(default_factory=dict)
    """OAuth client id to (client, hash of its secret)."""


class _Tenant:
    """One account's users by everything they are looked up by."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.users = {user.id: user for user in account.users}
        self.extensions = {user.extension: user for user in account.users if user.extension is not None}
        self.devices: dict[str, tuple[User, Device]] = {}
        self.numbers: dict[str, tuple[User, Device]] = {}
        self.addresses: dict[str, Address] = {}
        for user in account.users:
            for device in user.devices:
                self.devices[device.id] = self.numbers[device.number] = (user, device)
                self.addresses[device.id] = Address(
                    number=device.number,
                    name=user.name,
                    extension=user.extension,
                    user_id=user.id,
                    device_id=device.id,
                )


class Directory:
    """Every account, read once at start. All look-ups are by account: nothing crosses a tenant's edge."""

    def __init__(self, accounts: Sequence[Account], credentials: Credentials) -> None:
        self._tenants = {account.id: _Tenant(account) for account in accounts}
        self._devices = {
            id_: found[1] for tenant in self._tenants.values() for id_, found in tenant.devices.items()
        }
        self._credentials = credentials
        self._verifier = PasswordVerifier()
        # An unknown login is verified against this, so that time does not tell which logins exist.
        costs = next(
            (stored for _, _, stored in credentials.passwords.values()), PasswordHash(2**14, 8, 5, b"", b"")
        )
        self._nobody = costs._replace(salt=secrets.token_bytes(16), digest=secrets.token_bytes(32))

    def __repr__(self) -> str:
        users = sum(len(tenant.users) for tenant in self._tenants.values())
        return f"<Directory accounts={len(self._tenants)} users={users}>"

    def account(self, account: str) -> Account | None:
        """Return the account with that id."""
        tenant = self._tenants.get(account)
        return tenant.account if tenant else None

    def accounts(self) -> tuple[Account, ...]:
        """Return every account, in the file's order."""
        return tuple(tenant.account for tenant in self._tenants.values())

    def users(self, account: str) -> tuple[User, ...]:
        """Return an account's users in the file's order."""
        tenant = self._tenants.get(account)
        return tenant.account.users if tenant else ()

    def user(self, account: str, user_id: str) -> User | None:
        """Return the account's user with that id."""
        tenant = self._tenants.get(account)
        return tenant.users.get(user_id) if tenant else None

    def by_extension(self, account: str, extension: str) -> User | None:
        """Return the account's user with that extension."""
        tenant = self._tenants.get(account)
        return tenant.extensions.get(extension) if tenant else None

    def by_device(self, account: str, device_id: str) -> tuple[User, Device] | None:
        """Return the account's device with that id, and whose it is."""
        tenant = self._tenants.get(account)
        return tenant.devices.get(device_id) if tenant else None

    def by_number(self, account: str, number: str) -> tuple[User, Device] | None:
        """Return the account's device with that directory number, and whose it is."""
        tenant = self._tenants.get(account)
        return tenant.numbers.get(number) if tenant else None

    def device(self, device_id: str) -> Device | None:
        """Return the device with that id, of whichever account."""
        return self._devices.get(device_id)

    def address(self, account: str, device_id: str) -> Address:
        """Return the address of one of the account's devices.

        Raises:
            NotFoundError: the account has no such device.

        """
        tenant = self._tenants.get(account)
        address = tenant.addresses.get(device_id) if tenant else None
        if address is None:
            raise NotFoundError(f"no device {device_id}")
        return address

    def resolve(self, account: str, destination: str) -> Address:
        """Return where a destination leads: an extension or directory number of the account, or E.164.

        Raises:
            InvalidFieldError: it is none of these; the field is ``destination``.

        """
        number = canonical(destination)
        if number is None:
            raise InvalidFieldError("destination", f"must be {RIGHT_NUMBER}")
        tenant = self._tenants.get(account)
        found = tenant.numbers.get(number) if tenant else None
        if tenant and found:
            return tenant.addresses[found[1].id]
        user = tenant.extensions.get(number) if tenant else None
        if tenant and user:
            if not user.devices:
                raise InvalidFieldError("destination", f"extension {number} has no phone")
            return tenant.addresses[user.devices[0].id]
        if not is_e164(number):
            raise InvalidFieldError("destination", f"must be {RIGHT_NUMBER}; nobody here has {number}")
        return Address(number=number)

    async def by_token(self, token: str) -> Principal | None:
        """Return whom a bearer token speaks for, or None for an unknown one."""
        # Found by its hash: what the time of a look-up tells of a hash helps nobody to the token.
        found = self._credentials.tokens.get(hash_token(token))
        return self._principal(*found) if found else None

    async def by_password(self, login: str, password: str) -> Principal | None:
        """Return the user with that login and password, or None.

        Raises:
            OverloadedError: too many passwords are being verified.

        """
        account, user_id, stored = self._credentials.passwords.get(login, ("", "", self._nobody))
        matches = await self._verifier.matches(password, stored)
        return self._principal(account, user_id) if matches else None

    async def by_client(self, client_id: str, secret: str) -> Client | None:
        """Return the OAuth client with that id and secret, or None."""
        client, stored = self._credentials.clients.get(client_id, (None, ""))
        return client if hmac.compare_digest(hash_token(secret), stored) else None

    def _principal(self, account: str, user_id: str) -> Principal | None:
        user = self.user(account, user_id)
        return Principal(account, user) if user else None
