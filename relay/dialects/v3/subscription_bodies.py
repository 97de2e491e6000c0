"""What subscriptions are made of and changed by, as v3 reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import validate

from relay.dialects.v3.access import check_reach
from relay.dialects.v3.problems import Fault, InvalidBodyError
from relay.dialects.v3.schemas import Strict, array, nested, number, obj, parse, pointer_token, text, whole
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import NotAllowedError
from relay.subscriptions.model import MAX_IN_FLIGHT, STANDARD, NewSubscription, RateLimit, Subscription
from relay.subscriptions.store import GRACE

LONGEST_DESCRIPTION: Final = 500
"""Characters: a subscription is read with every list."""


class RateLimitSchema(Strict):
    """So many attempts in so many seconds."""

    count = whole(required=True)
    per_seconds = number(required=True)


class RevisionSchema(Strict):
    """What of a subscription can be changed."""

    url = text(required=True)
    types = array(text(), load_default=())
    extensions = array(text(), load_default=())
    format = text(load_default="v3")
    headers = obj(load_default=dict)
    max_in_flight = whole(load_default=MAX_IN_FLIGHT)
    rate_limit = nested(RateLimitSchema, load_default=None, allow_none=True)
    retries = array(number(), load_default=None)
    timeout = number(load_default=None)
    description = text(
        load_default=None,
        validate=validate.Length(max=LONGEST_DESCRIPTION, error="must be at most {max} characters"),
    )


class SubscriptionSchema(RevisionSchema):
    """What a subscription is made of."""

    secret = text(load_default=None)
    signature = text(load_default=None)


class RotationSchema(Strict):
    """How a secret is replaced."""

    grace_seconds = number(load_default=GRACE)
    secret = text(load_default=None)
    signature = text(load_default=None)


_MADE_OF: Final = ("url", "types", "extensions", "format", "headers")
"""What the API with which a subscription was made has checked, or agreed with its endpoint."""
_FOREIGN: Final = "can be changed only by the API with which the subscription was made"
_NEW: Final = SubscriptionSchema()
_REVISION: Final = RevisionSchema()
_ROTATION: Final = RotationSchema()


def read_new(body: Mapping[str, Any], principal: Principal, directory: Directory) -> NewSubscription:
    """Read what a user wants to subscribe to; an agent that names no extension gets the own one.

    Raises:
        InvalidBodyError: it has another shape, or names extensions the tenant has not.
        NotAllowedError: it asks for what is not the agent's.

    """
    return _checked(parse(_NEW, body), principal, directory)


def read_revision(
    patch: Mapping[str, Any], found: Subscription, principal: Principal, directory: Directory
) -> NewSubscription:
    """Apply a merge patch (RFC 7396) to a subscription; raises as `read_new` does."""
    document = _document(found)
    given = {name: value for name, value in document.items() if value is not None}
    read = parse(_REVISION, merge(given, patch))
    if found.manner != STANDARD:
        faults = [Fault(f"/{name}", "invalid", _FOREIGN) for name in _MADE_OF if read[name] != document[name]]
        if faults:
            raise InvalidBodyError(faults)
    return _checked(read, principal, directory)


def read_rotation(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read how a secret is to be replaced; raises InvalidBodyError."""
    read = parse(_ROTATION, body)
    return {"grace": read["grace_seconds"], "secret": read["secret"], "signature": read["signature"]}


def merge(target: Any, patch: Any) -> Any:
    """Return what a merge patch makes of a JSON value (RFC 7396, section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def shown_limit(limit: RateLimit | None) -> dict[str, Any] | None:
    """Return a rate limit as it is shown, and taken."""
    return None if limit is None else {"count": limit.count, "per_seconds": limit.per_seconds}


def _document(found: Subscription) -> dict[str, Any]:
    return {
        "url": found.url,
        "types": list(found.types),
        "extensions": list(found.extensions),
        "format": found.format,
        "headers": dict(found.headers),
        "max_in_flight": found.max_in_flight,
        "rate_limit": shown_limit(found.rate_limit),
        "retries": None if found.retries is None else list(found.retries),
        "timeout": found.timeout,
        "description": found.description,
    }


def _checked(read: dict[str, Any], principal: Principal, directory: Directory) -> NewSubscription:
    faults = [
        Fault(f"/headers/{pointer_token(name)}", "invalid", "must be a string")
        for name, value in read["headers"].items()
        if not isinstance(value, str)
    ]
    faults += [
        Fault(f"/extensions/{place}", "invalid", "is no extension of your tenant")
        for place, extension in enumerate(read["extensions"])
        if directory.by_extension(principal.account, extension) is None
    ]
    if faults:
        raise InvalidBodyError(faults)
    check_reach(principal, read["extensions"])
    if not read["extensions"] and not principal.is_admin:
        if principal.user.extension is None:
            raise NotAllowedError("you have no extension to subscribe to")
        read["extensions"] = [principal.user.extension]
    for name in ("types", "extensions", "retries"):
        read[name] = None if read[name] is None else tuple(read[name])
    limit = read["rate_limit"]
    read["rate_limit"] = None if limit is None else RateLimit(limit["count"], limit["per_seconds"])
    return NewSubscription(**read)
