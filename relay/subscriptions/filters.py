"""Filters: which events somebody wants, compiled once and asked for every event."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from relay.errors import InvalidFieldError
from relay.subscriptions.rendering import Rendered

MOST_PATTERNS: Final = 50
"""Types or extensions one filter may list."""

_PATTERN: Final = re.compile(r"[A-Za-z0-9_./-]{0,100}\*?", re.ASCII)


class TypeFilter:
    """Event types by name, or by their beginning where a pattern ends in ``*``; without any, every type."""

    __slots__ = ("_exact", "_known", "_prefixes", "patterns")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self._exact = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
        self._prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
        self._known: dict[str, bool] = {}  # as many as there are event types

    def __repr__(self) -> str:
        return f"TypeFilter({', '.join(self.patterns) or 'every type'})"

    def matches(self, event_type: str) -> bool:
        """Tell whether the type is wanted."""
        found = self._known.get(event_type)
        if found is None:
            found = not self.patterns or event_type in self._exact or event_type.startswith(self._prefixes)
            self._known[event_type] = found
        return found


class Filter:
    """Which rendered events are wanted, by type, by the extension whose leg they are about, and by labels."""

    __slots__ = ("extensions", "labels", "types")

    def __init__(
        self, types: TypeFilter, extensions: frozenset[str], labels: tuple[frozenset[str], ...] = ()
    ) -> None:
        self.types = types
        self.extensions = extensions
        self.labels = labels
        """Sets of which an event must have one in full; none: every event."""

    def __repr__(self) -> str:
        named = f", labels={len(self.labels)} sets" if self.labels else ""
        return f"Filter({self.types!r}, extensions={sorted(self.extensions) or 'all'}{named})"

    def matches(self, event: Rendered) -> bool:
        """Tell whether the event is wanted."""
        if self.extensions and event.extension not in self.extensions:
            return False
        if self.labels and not any(wanted <= event.labels for wanted in self.labels):
            return False
        types = self.types
        return types.matches(event.type) or (event.leg_type != "" and types.matches(event.leg_type))


@lru_cache(maxsize=1024)
def _type_filter(patterns: tuple[str, ...]) -> TypeFilter:
    return TypeFilter(patterns)


@lru_cache(maxsize=1024)
def _filter(
    patterns: tuple[str, ...], extensions: frozenset[str], labels: tuple[frozenset[str], ...]
) -> Filter:
    return Filter(_type_filter(patterns), extensions, labels)


def compile_filter(
    types: Iterable[str] = (), extensions: Iterable[str] = (), labels: Iterable[Iterable[str]] = ()
) -> Filter:
    """Make a filter; an empty part matches everything. Equal filters are the same one.

    ``labels`` are sets of which an event must have one in full.

    Raises:
        InvalidFieldError: ``types`` or ``extensions`` cannot be used.

    """
    patterns, wanted = tuple(dict.fromkeys(types)), frozenset(extensions)
    for field, values in (("types", patterns), ("extensions", wanted)):
        if len(values) > MOST_PATTERNS:
            raise InvalidFieldError(field, f"must be at most {MOST_PATTERNS}")
    for pattern in patterns:
        if not pattern or not _PATTERN.fullmatch(pattern):
            raise InvalidFieldError("types", "must be event types, with * only at the end: call.leg.*")
    if not all(extension.isascii() and extension.isdigit() for extension in wanted):
        raise InvalidFieldError("extensions", "must be extensions: strings of digits")
    return _filter(patterns, wanted, tuple(frozenset(one) for one in labels))
