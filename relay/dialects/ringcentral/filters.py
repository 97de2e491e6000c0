"""Event filters: the resource paths that subscriptions name, read once. Pure.

``~`` is resolved at once, and the path is shown with the ids from then on; a reminder alone is kept as it is
written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from relay.dialects.ringcentral import labels
from relay.dialects.ringcentral.access import OWN
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import API
from relay.dialects.ringcentral.statuses import CODES
from relay.directory.model import Principal
from relay.errors import RefusedError
from relay.subscriptions.model import EventFilter

MOST_FILTERS: Final = 50
"""Filters one subscription may have."""
LONGEST_FILTER: Final = 500
"""Characters."""
SHORTEST_PERIOD: Final = 1
"""Seconds in which due reminders are looked for."""

_ACCOUNT: Final = rf"{re.escape(API)}/account/(?P<account>[^/]+)"
_EXTENSION: Final = rf"{_ACCOUNT}/extension/(?P<extension>[^/]+)"
_SHAPES: Final = tuple(
    (kind, re.compile(shape, re.ASCII))
    for kind, shape in (
        # The published page on call control once spelled the account's filter without an account.
        (labels.TELEPHONY, rf"{re.escape(API)}/account/telephony/sessions"),
        (labels.TELEPHONY, rf"{_ACCOUNT}/telephony/sessions"),
        (labels.TELEPHONY, rf"{_EXTENSION}/telephony/sessions"),
        (labels.PRESENCE, rf"{_ACCOUNT}/presence"),
        (labels.PRESENCE, rf"{_EXTENSION}/presence"),
    )
)
_REMINDER: Final = f"{API}/subscription/{OWN}"
_STATUSES: Final = {code.lower(): code for code in CODES} | {"vmscreening": "VoiceMailScreening"}


class FilterRefusedError(RefusedError):
    """A filter cannot be used; carries RingCentral's code for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Reminder(NamedTuple):
    """When a subscription's owner is reminded that it will end."""

    threshold: int
    """Seconds before the end at which it begins."""
    interval: int
    """Seconds from one to the next."""


class Detail(NamedTuple):
    """What of a notification a filter asks for beside the plain form."""

    calls: bool
    """Presence lists the calls."""
    sip: bool
    """Parties and calls have SIP data."""


def read_filter(text: str, principal: Principal, identities: Identities, subscription: str) -> EventFilter:
    """Return a filter as it is stored, its path resolved.

    Raises:
        FilterRefusedError: it is no filter, or not for this user.

    """
    path, _, query = text.partition("?")
    if len(text) > LONGEST_FILTER or not text.isascii() or not text.isprintable():
        raise _unreadable(text)
    if path == _REMINDER:
        reminder(text)
        return EventFilter(text, (labels.of_subscription(subscription),))
    kind, found = _shape(path, text)
    resolved, wanted = _resolved(kind, found, principal, identities)
    wanted += _conditions(kind, text, query)
    return EventFilter(f"{resolved}?{query}" if query else resolved, tuple(wanted))


def reminder(source: str) -> Reminder | None:
    """Return the reminder that a filter asks for, None where it asks for events.

    Raises:
        FilterRefusedError: it asks for one at times that cannot be.

    """
    path, _, query = source.partition("?")
    if path != _REMINDER:
        return None
    given = dict(parse_qsl(query, keep_blank_values=True))
    if set(given) != {"threshold", "interval"}:
        raise _wrong_reminder("it needs threshold and interval")
    if not all(value.isascii() and value.isdigit() and len(value) < 12 for value in given.values()):
        raise _wrong_reminder("threshold and interval must be seconds")
    asked = Reminder(int(given["threshold"]), int(given["interval"]))
    if asked.interval < SHORTEST_PERIOD or asked.interval * 2 > asked.threshold:
        raise _wrong_reminder("the interval must be at least 1 and at most half of the threshold")
    return asked


def check_reminders(filters: Iterable[EventFilter], lifetime: int) -> None:
    """Check that reminders fit into a subscription's life, in seconds.

    Raises:
        FilterRefusedError: one would begin in its first half.

    """
    for one in filters:
        asked = reminder(one.source)
        if asked is not None and asked.threshold * 2 > lifetime:
            raise _wrong_reminder("the threshold must be at most half of the subscription's life")


@lru_cache(maxsize=1024)  # asked for each delivery, and there are few different ones
def detail(source: str) -> Detail:
    """Return what a stored filter asks for beside the plain notification."""
    given = dict(parse_qsl(source.partition("?")[2], keep_blank_values=True))
    sip = given.get("sipData", "").lower() == "true"
    return Detail(sip or given.get("detailedTelephonyState", "").lower() == "true", sip)


def _shape(path: str, text: str) -> tuple[str, Mapping[str, str | None]]:
    for kind, shape in _SHAPES:
        found = shape.fullmatch(path.removesuffix("/"))
        if found:
            return kind, found.groupdict()
    raise _unreadable(text)


def _resolved(
    kind: str, found: Mapping[str, str | None], principal: Principal, identities: Identities
) -> tuple[str, list[str]]:
    """Return a filter's path with ids, and the labels it asks for; refuse what is another's."""
    account_id = identities.account_id(principal.account)
    if found.get("account") not in (None, OWN, account_id):
        raise _not_permitted("it names another account")
    extension = found.get("extension")
    resource = "telephony/sessions" if kind == labels.TELEPHONY else "presence"
    if extension is None:
        if not principal.is_admin:
            raise _not_permitted("only an administrator may follow the whole account")
        return f"{API}/account/{account_id}/{resource}", [kind]
    if extension == OWN:
        extension = principal.user.ringcentral_id
    own = extension == principal.user.ringcentral_id
    if not own and (not principal.is_admin or identities.user(principal.account, extension) is None):
        raise _not_permitted("the extension is another's")
    return f"{API}/account/{account_id}/extension/{extension}/{resource}", [
        kind,
        labels.of_extension(extension),
    ]


def _conditions(kind: str, text: str, query: str) -> list[str]:
    """Return the labels that a filter's query asks for."""
    given = parse_qsl(query, keep_blank_values=True)
    known = _CONDITIONS if kind == labels.TELEPHONY else _PRESENCE_CONDITIONS
    wanted = []
    for name, value in given:
        if name not in known:
            raise _unreadable(text)
        label = known[name](value)
        if label is None:
            raise _unreadable(text)
        wanted.append(label)
    return [label for label in wanted if label]


def _direction(value: str) -> str | None:
    return labels.of_direction(value) if value.lower() in ("inbound", "outbound") else None


def _status(value: str) -> str | None:
    code = _STATUSES.get(value.lower())
    return labels.of_status(code) if code else None


def _number(value: str) -> str | None:
    label = labels.of_number(value)
    return label if label != labels.of_number("") else None


def _flag(label: str) -> Callable[[str], str | None]:
    """Read a switch: its label where it is on, an empty one (no condition) where it is off."""

    def read(value: str) -> str | None:
        return {"true": label, "false": ""}.get(value.lower())

    return read


_Condition = Callable[[str], str | None]
"""Reads a parameter's value as a label; empty: no condition; None: it cannot be read."""

_CONDITIONS: Final[Mapping[str, _Condition]] = {
    "direction": _direction,
    "statusCode": _status,
    "missedCall": _flag(labels.MISSED),
    "phoneNumber": _number,
    "sipData": _flag(""),
    "withRecordings": _flag(labels.RECORDINGS),
}
_PRESENCE_CONDITIONS: Final[Mapping[str, _Condition]] = {
    "detailedTelephonyState": _flag(""),
    "sipData": _flag(""),
}


def _unreadable(text: str) -> FilterRefusedError:
    return FilterRefusedError("SUB-508", f"Event filter is not valid: {text[:LONGEST_FILTER]}")


def _not_permitted(why: str) -> FilterRefusedError:
    return FilterRefusedError("SUB-406", f"Not allowed to subscribe for events specified by filter: {why}")


def _wrong_reminder(why: str) -> FilterRefusedError:
    return FilterRefusedError("SUB-516", f"Reminder is not valid: {why}")
