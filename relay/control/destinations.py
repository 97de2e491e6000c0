"""Where a user's actions lead: numbers, mailboxes, and phones of one's own."""

from __future__ import annotations

from typing import NamedTuple

from relay.calls.model import Address
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotFoundError


class Destinations(NamedTuple):
    """Finds in the directory what one user may lead calls to."""

    directory: Directory
    principal: Principal

    def called(self, destination: str) -> Address:
        """Return whom a number is of; InvalidFieldError if that is nobody, or the user."""
        found = self.directory.resolve(self.principal.account, destination)
        if found.user_id == self.principal.user.id:
            raise InvalidFieldError("destination", "must be someone else's, not the caller's own")
        return found

    def mailbox(self, user_id: str) -> Address:
        """Return the address of a user's mailbox; InvalidFieldError if the user has no number to go by."""
        user = self.directory.user(self.principal.account, user_id)
        numbers = [] if user is None else [device.number for device in user.devices]
        if user is None or not (numbers or user.extension):
            raise InvalidFieldError("mailbox", "must be the id of a user with an extension or a phone")
        number = numbers[0] if numbers else user.extension or ""
        return Address(number=number, name=user.name, extension=user.extension, user_id=user.id)

    def own_phone(self, device_id: str) -> Address:
        """Return the address of one of the user's own devices.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: it is another user's.

        """
        found = self.directory.by_device(self.principal.account, device_id)
        if found is None:
            raise NotFoundError("no such device")
        if found[0].id != self.principal.user.id:
            raise NotAllowedError("the device is another user's")
        return self.directory.address(self.principal.account, device_id)
