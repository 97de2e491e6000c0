"""What may be asked of a subscription."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from relay.errors import InvalidFieldError
from relay.subscriptions.model import RESERVED_HEADERS, NewSubscription, RateLimit, Subscription, check
from relay.subscriptions.signing_keys import new_secret

URL = "https://example.com/hook"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"format": "gwsx"}, "format"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": 101}, "max_in_flight"),
        ({"timeout": 0.5}, "timeout"),
        ({"timeout": 31}, "timeout"),
        ({"retries": (5.0,) * 21}, "retries"),
        ({"retries": (0.0,)}, "retries"),
        ({"retries": (86_401.0,)}, "retries"),
        ({"retries": (float("nan"),)}, "retries"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"content-LENGTH": "1"}}, "headers"),
        ({"headers": {"Webhook-Id": "x"}}, "headers"),
        *(
            ({"headers": {name.title(): "x"}}, "headers")
            for name in sorted({*RESERVED_HEADERS, "webhook-signature", "webhook-timestamp", "webhook-other"})
        ),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"headers": {"X-A": "a\nb"}}, "headers"),
        ({"headers": {"X-A": ""}}, "headers"),
        ({"headers": {"X-A": "ä"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"headers": {"": "a"}}, "headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"headers": {f"X-{number}": "a" for number in range(21)}}, "headers"),
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": base64.b64encode(b"x" * 32).decode()}, "secret"),
        ({"secret": "whsec_" + base64.b64encode(b"x" * 65).decode()}, "secret"),
        ({"secret": "whsec_!!!!"}, "secret"),
        ({"secret": "whsk_" + base64.b64encode(b"x" * 31).decode()}, "secret"),
        ({"secret": "whsk_" + base64.b64encode(b"x" * 64).decode()}, "secret"),
        ({"secret": new_secret(), "signature": "v1a"}, "secret"),
        ({"signature": "v2"}, "signature"),
        ({"rate_limit": RateLimit(0, 1)}, "rate_limit/count"),
        ({"rate_limit": RateLimit(1, 0)}, "rate_limit/per_seconds"),
        ({"rate_limit": RateLimit(1, float("nan"))}, "rate_limit/per_seconds"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(asked: dict[str, Any], field: str) -> None:
    """Each fault names its field."""
    with pytest.raises(InvalidFieldError) as refused:
        check(NewSubscription(url=URL, **asked), ("v3", "gws"))
    assert refused.value.field == field


def test_all_that_may_be_asked_is_taken() -> None:
    """The limits themselves are allowed."""
    check(NewSubscription(url=URL), ("v3",))
    check(
        NewSubscription(
            url=URL,
            format="gws",
            max_in_flight=100,
            timeout=30,
            retries=(),
            headers={"Authorization": "Bearer x y", "X-A": "a"},
            secret=new_secret(),
        ),
        ("v3", "gws"),
    )


def test_a_subscription_does_not_show_its_secrets() -> None:
    """Neither secret nor headers nor URL are in what logs may print."""
    secret = new_secret()
    one = Subscription(
        id="sub_1",
        account="a",
        user_id="u",
        url=URL,
        secrets=(secret,),
        created_at=1,
        headers={"X-Key": "k3y"},
    )

    assert secret not in repr(one)
    assert "k3y" not in repr(one)
    assert URL not in repr(one)
