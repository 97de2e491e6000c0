"""What cannot be used is refused as relay starts, by the name of the setting."""

from __future__ import annotations

import pytest

from relay.errors import ConfigurationError
from relay.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND", "nonsense"),
        ("BIND", "127.0.0.1:99999"),
        ("PUBLIC_URL", "ftp://relay.example.com"),
        ("PUBLIC_URL", "http://"),
        ("PUBLIC_URL", "https://a b"),
        ("PUBLIC_URL", "https://relay.example.com/?tenant=1"),
        ("PUBLIC_URL", "https://[half"),
        ("REDIS_URL", "store:6379"),
        ("REDIS_URL", "redis://store/first"),
        ("REDIS_URL", "unix://"),
        ("DATA_DIR", ""),
        ("PARTITIONS", "0"),
        ("EVENT_RETENTION", "nan"),
        ("RATE_LIMITS", "maybe"),
        ("RINGCENTRAL_LIMITS", "50,40"),
        ("WEBHOOK_ALLOW", "10.0.0.1/8"),
        ("WEBHOOK_RETRIES", "5,soon"),
        ("SECRET_KEY", "abc"),
        ("NOPE", "1"),
    ],
)
def test_unusable_value_is_refused_by_name(name: str, value: str) -> None:
    """The message begins with the name, so that whoever started relay knows what to change."""
    with pytest.raises(ConfigurationError, match=f"^RELAY_{name}: "):
        Settings.from_environment({f"RELAY_{name}": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", ""),
        ("PUBLIC_URL", "https://relay.example.com:8443/base/"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "redis://user:p%40ss@store:6379/7"),
        ("REDIS_URL", "rediss://store"),
        ("REDIS_URL", "redis://store/?db=3"),
        ("REDIS_URL", "unix:///run/store.sock?db=2"),
    ],
)
def test_usable_url_is_taken_as_it_is(name: str, value: str) -> None:
    """Nothing is changed of an address that can be used; an empty one counts as unset."""
    assert getattr(Settings.from_environment({f"RELAY_{name}": value}), name.lower()) == value


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@store:6379/7", "redis://***@store:6379/7"),
        ("rediss://store/7?password=secret", "rediss://store/7?***"),
        ("unix://user:secret@/run/store.sock?db=2", "unix://***@/run/store.sock?***"),
        ("redis://store:6379", "redis://store:6379"),
    ],
)
def test_credentials_of_the_store_are_not_shown(url: str, shown: str) -> None:
    """The settings are logged at start; a password may stand before the host or in the query."""
    assert repr(Settings.from_environment({"RELAY_REDIS_URL": url})) == f"Settings(redis_url={shown!r})"
