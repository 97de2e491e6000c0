"""Settings: everything that can be set, from the environment, read once at start.

The comment-like string below each field is its line in the README's table. All times are seconds.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from relay.errors import ConfigurationError

PREFIX: Final = "RELAY_"
SECRET_KEY_BYTES: Final = 32
_SECRET: Final = frozenset({"secret_key"})
"""Settings that are never shown."""

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """One process's settings. The representation hides credentials."""

    # Where to listen, and under which name
    bind: Address = Address(host="127.0.0.1", port=8080)
    """Public address of every API; port 0: one that is free, which is said at start."""
    admin_bind: Address = Address(host="127.0.0.1", port=9090)
    """Address of `/healthz`, `/readyz` and `/metrics`, port 0 likewise; never expose it."""
    public_url: str = ""
    """Base of every absolute URI in answers and events; unset: `http://` + RELAY_BIND."""
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from, comma-separated."""

    # The store
    redis_url: str = ""
    """`redis://`, `rediss://` or `unix://`; unset: an embedded Valkey server in RELAY_DATA_DIR."""
    data_dir: Path = Path(".relay")
    """Where the embedded store keeps its data."""
    partitions: int = 16
    """Partitions of the journal; fixed when a store is first used."""
    event_retention: float = 86_400
    """How long events can be replayed and read as history."""
    event_max_bytes: int = 268_435_456
    """Bytes of events a partition keeps at most; older ones go early."""

    # Who may do what
    directory: Path | None = None
    """YAML file of accounts, users, devices and credentials."""
    rate_limits: bool = True
    """Count and limit requests per user (on or off)."""
    ringcentral_limits: tuple[int, ...] | None = None
    """Requests a minute for each user of each app at the RingCentral face: light, medium, heavy, auth; unset:
    50,40,10,5 as published, and a hundred times that with `--demo`."""

    gws_csrf: bool = False
    """Demand the CSRF token of GWS v2 with everything that changes something there (on or off)."""

    # The switch
    switch: str = "simulator"
    """Which switch carries out commands; `simulator` is built in."""
    ring_timeout: float = 60
    """How long a leg rings before it ends as no_answer."""

    # Webhooks
    webhook_allow: Networks | None = None
    """Networks (CIDR, comma-separated) that webhooks may reach although they are not public."""
    webhook_retries: tuple[float, ...] = (5, 30, 300, 1800, 7200, 18000, 36000, 50400, 72000)
    """Pauses between a delivery's attempts, comma-separated, each used with 20 % jitter."""
    webhook_timeout: float = 15
    """How long one attempt may take in all."""
    delivery_retention: float = 259_200
    """How long attempts and dead letters are kept."""
    max_subscriptions: int = 1000
    """Webhook subscriptions an account may have."""
    secret_key: tuple[bytes, ...] = ()
    """Keys that seal the secrets of webhook subscriptions in the store, each base64 of 32 random bytes,
    comma-separated: the first seals, every one opens; unset: they are stored as they are."""

    # Event streams
    streams_per_user: int = 10_000
    """Event streams (SSE) that a user may have open in a process, which has 20,000 in all."""

    # CometD
    bayeux_timeout: float = 30
    """How long a `/meta/connect` is held when there is nothing to tell."""
    bayeux_max_interval: float = 10
    """How long a CometD session lives between two connects."""
    bayeux_callback_polling: bool = False
    """Serve CometD's callback-polling (JSONP) too (on or off); any web page can make browsers use it."""
    bayeux_strict_cookie: bool = False
    """Bind each CometD session to the browser that began it, by cookie (on or off); clients without cookies
    cannot connect then."""
    bayeux_sessions_per_browser: int = 0
    """CometD sessions whose connects a process holds for one browser; the others poll every two seconds;
    0: any number."""

    # Stopping, and what is written while running
    drain_timeout: float = 20
    """How long a stopping process lets requests, streams and deliveries finish."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "auto"
    """json, console, or auto: console on a terminal."""

    def __repr__(self) -> str:
        """Return the settings that differ from their defaults, without credentials."""
        shown = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                shown.append(f"{field.name}={'***' if field.name in _SECRET else repr(_redacted(value))}")
        return f"Settings({', '.join(shown)})"

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash."""
        return (self.public_url or f"http://{self.bind}").rstrip("/")

    @classmethod
    def names(cls) -> dict[str, str]:
        """Map every environment name to its field."""
        return {PREFIX + field.name.upper(): field.name for field in fields(cls)}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            ConfigurationError: a name is unknown or a value cannot be used; every fault is named.

        """
        environment = os.environ if environment is None else environment
        names, values, faults = cls.names(), {}, []
        for name, text in environment.items():
            if not name.startswith(PREFIX):
                continue
            if name not in names:
                faults.append(f"{name}: no such setting")
                continue
            try:
                values[names[name]] = _PARSERS[names[name]](text.strip())
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise ConfigurationError("\n".join(faults))
        return cls(**values)


def _redacted(value: Any) -> Any:
    """Return a URL without what stands before its host, and without its query: either may hold a password."""
    if not isinstance(value, str) or "://" not in value:
        return value
    parts = urlsplit(value)
    _, at, host = parts.netloc.rpartition("@")
    query = "***" if parts.query else ""
    return urlunsplit(parts._replace(netloc=f"***@{host}" if at else host, query=query))


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port, for example 127.0.0.1:8080")
    return Address(host=host.strip("[]") or "0.0.0.0", port=int(port))  # noqa: S104 - an empty host means every interface


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and urlsplit(text).scheme not in schemes:
            raise ValueError(f"must begin with {' or '.join(scheme + '://' for scheme in schemes)}")
        return text

    return parse


def _public_url(text: str) -> str:
    parts = urlsplit(_url("http", "https")(text))
    if text and (not parts.hostname or parts.query or parts.fragment or re.search(r"\s", text)):
        raise ValueError("must be http(s)://host[:port][/path], without a query, a fragment and spaces")
    return text


def _store_url(text: str) -> str:
    parts = urlsplit(_url("redis", "rediss", "unix")(text))
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("must name a socket: unix:///path/of/socket")
    if parts.scheme.startswith("redis") and not re.fullmatch(r"(?:/[0-9]*)?", parts.path):
        raise ValueError("must end in the number of a database, or in none: redis://host:6379/0")
    return text


def _directory(text: str) -> Path:
    if not text:
        raise ValueError("must name a directory")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < seconds < 10**9:
        raise ValueError("must be a positive number of seconds")
    return seconds


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return text

    return parse


def _switched(text: str) -> bool:
    return _one_of("on", "off")(text) == "on"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _quotas(text: str) -> tuple[int, ...]:
    quotas = tuple(_whole(1, 10_000)(part) for part in _listed(text))
    if len(quotas) != 4:
        raise ValueError("must be four numbers: light,medium,heavy,auth")
    return quotas


def _secret_keys(text: str) -> tuple[bytes, ...]:
    keys = []
    for part in _listed(text):
        try:
            key = base64.b64decode(part.translate(str.maketrans("-_", "+/")), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != SECRET_KEY_BYTES:
            raise ValueError("must be base64 of 32 random bytes, comma-separated: openssl rand -base64 32")
        keys.append(key)
    return tuple(keys)


def _networks(text: str) -> Networks:
    try:
        return tuple(ipaddress.ip_network(part) for part in _listed(text))
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, comma-separated ({error})") from None


_PARSERS: dict[str, Callable[[str], Any]] = {
    "bind": _address,
    "admin_bind": _address,
    "public_url": _public_url,
    "cors_origins": _listed,
    "redis_url": _store_url,
    "data_dir": _directory,
    "partitions": _whole(1, 1024),
    "event_retention": _seconds,
    "event_max_bytes": _whole(1_048_576, 2**50),
    "directory": lambda text: Path(text) if text else None,
    "rate_limits": _switched,
    "ringcentral_limits": _quotas,
    "gws_csrf": _switched,
    "switch": _one_of("simulator"),
    "ring_timeout": _seconds,
    "webhook_allow": _networks,
    "webhook_retries": lambda text: tuple(_seconds(part) for part in _listed(text)),
    "webhook_timeout": _seconds,
    "delivery_retention": _seconds,
    "max_subscriptions": _whole(1, 1_000_000),
    "secret_key": _secret_keys,
    "streams_per_user": _whole(1, 20_000),
    "bayeux_timeout": _seconds,
    "bayeux_max_interval": _seconds,
    "bayeux_callback_polling": _switched,
    "bayeux_strict_cookie": _switched,
    "bayeux_sessions_per_browser": _whole(0, 1000),
    "drain_timeout": _seconds,
    "log_level": _one_of("debug", "info", "warning", "error"),
    "log_format": _one_of("json", "console", "auto"),
}
