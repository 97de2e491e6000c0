"""The event filters of one request: which are taken, and which are refused and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from relay.dialects.ringcentral import labels
from relay.dialects.ringcentral.failures import ApiError
from relay.dialects.ringcentral.filters import MOST_FILTERS, FilterRefusedError, read_filter
from relay.dialects.ringcentral.identities import Identities
from relay.directory.model import Principal, User
from relay.subscriptions.model import EventFilter, RefusedFilter


class Wishes:
    """Reads event filters for a user."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def read(
        self, texts: Sequence[str], principal: Principal, subscription: str
    ) -> tuple[tuple[EventFilter, ...], list[RefusedFilter]]:
        """Return the filters that can be followed, each once, and those that cannot.

        Raises:
            ApiError: none can, there are too many, or a reminder is not possible.

        """
        if len(texts) > MOST_FILTERS:
            raise _invalid(f"at most {MOST_FILTERS} are taken")
        taken: dict[EventFilter, None] = {}
        refused: list[RefusedFilter] = []
        for text in texts:
            try:
                taken[read_filter(text, principal, self._identities, subscription)] = None
            except FilterRefusedError as error:
                if error.code == "SUB-516":
                    raise ApiError(400, error.code, str(error)) from None
                refused.append(RefusedFilter(text, error.code, str(error)))
        if not taken:
            raise _invalid(refused[0].message if refused else "none is given")
        return tuple(taken), refused

    def users(self, account: str, filters: Sequence[EventFilter]) -> list[User]:
        """Return the users that all of these filters are about; none where one is about more.

        They only spare looking at other users' events: the filters' labels decide.
        """
        found: dict[str, User] = {}
        for one in filters:
            named = [
                user
                for label in one.labels
                if label.startswith(_EXTENSION)
                and (user := self._identities.user(account, label.removeprefix(_EXTENSION))) is not None
            ]
            if not named:
                return []
            found[named[0].id] = named[0]
        return list(found.values())

    def extensions(self, account: str, filters: Sequence[EventFilter]) -> tuple[str, ...]:
        """Return the extensions that all of these filters are about; none where one is about more."""
        found = [user.extension for user in self.users(account, filters)]
        return tuple(sorted(one for one in found if one is not None)) if all(found) else ()


def disabled_filters(refused: Iterable[RefusedFilter]) -> dict[str, Any]:
    """Return the member that shows what is not followed; none where everything is."""
    shown = [msgspec.structs.asdict(one) for one in refused]
    return {"disabledFilters": shown} if shown else {}


_EXTENSION = labels.of_extension("")


def _invalid(why: str) -> ApiError:
    return ApiError(400, "SUB-508", f"Event filters are not specified or not valid: {why}")
