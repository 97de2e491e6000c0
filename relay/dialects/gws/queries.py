"""What the query of a GET asks for: members, objects, children (API 8.5.2, request types)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from multidict import MultiMapping

ALL: Final = "*"

_RESERVED: Final = frozenset({"fields", "subresources"})


class Query(NamedTuple):
    """One request's wishes; whatever it names that does not exist is passed over."""

    fields: frozenset[str] | None
    """Members to show; None when no objects but their URIs are asked for."""
    subresources: frozenset[str]
    """Children to show in full."""
    filters: tuple[tuple[str, str], ...]
    """Values that members must have, all of them."""

    @classmethod
    def of(cls, query: MultiMapping[str]) -> Query:
        """Read a request's query."""
        fields, subresources = _names(query, "fields"), _names(query, "subresources")
        filters = tuple((name, value) for name, value in query.items() if name not in _RESERVED)
        return cls(fields or None, subresources, filters)

    def asks_for(self, child: str) -> bool:
        """Whether a child is to be shown in full."""
        return child in self.subresources or ALL in self.subresources

    def select(self, shown: dict[str, Any]) -> dict[str, Any]:
        """Return the members that are asked for, in the object's own order."""
        if self.fields is None or ALL in self.fields:
            return shown
        return {name: value for name, value in shown.items() if name in self.fields}

    def matches(self, shown: dict[str, Any], members: Iterable[str]) -> bool:
        """Whether an object has the values asked for, where `members` of its kind are named."""
        return all(_text(shown.get(name)) == value for name, value in self.filters if name in members)

    def listing(
        self, plural: str, found: Sequence[tuple[str, dict[str, Any]]], members: Iterable[str]
    ) -> dict[str, Any]:
        """Return a list's answer for (URI, object) pairs: ``uris``, or objects under `plural`."""
        chosen = [(uri, shown) for uri, shown in found if self.matches(shown, members)]
        if self.fields is None and ALL not in self.subresources:
            return {"uris": [uri for uri, _ in chosen]}
        return {plural: [self.select(shown) for _, shown in chosen]}


def _names(query: MultiMapping[str], parameter: str) -> frozenset[str]:
    lists = query.getall(parameter, [])
    return frozenset(name.strip() for listed in lists for name in listed.split(",") if name.strip())


def _text(value: Any) -> str | None:
    """Return a member's value as a query would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
