"""The handshake by which a webhook's address proves that it wants notifications."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from relay.dialects.ringcentral.failures import ApiError, invalid
from relay.errors import InvalidFieldError
from relay.webhooks.attempts import ErrorCode
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Exchange, Failure, Request, Sender
from relay.webhooks.sending.targets import Target

TOKEN: Final = "Validation-Token"  # noqa: S105 - a header's name
"""Sent in the request, and expected in the answer with the same value."""
TIMEOUT: Final = 3.0
"""Seconds for the whole handshake, and for each delivery."""
LARGEST_ANSWER: Final = 1024
"""Bytes of the answer, its head included."""
USER_AGENT: Final = "RingCentral-Webhook/8.3"
"""What receivers know the published sender by."""

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "UTF-8",
    "Content-Type": "application/json; charset=UTF-8",
    "User-Agent": USER_AGENT,
}
"""Of every request to a webhook."""

_ADDRESS: Final = "deliveryMode.address"
_HEAD: Final = len("HTTP/1.1 200 OK\r\n\r\n")


class Handshakes:
    """Asks addresses, and lets no request reach where webhooks may not go."""

    def __init__(self, sender: Sender, guard: Guard) -> None:
        self._sender = sender
        self._guard = guard

    def __repr__(self) -> str:
        return f"<Handshakes {self._guard!r}>"

    async def check_address(self, address: str) -> None:
        """Check an address before anything is sent to it.

        Raises:
            ApiError: it is no URL, leads where webhooks may not go, or lacks the encryption it needs.

        """
        try:
            await self._guard.check_url(address)
            plain = urlsplit(address).scheme == "http" and not await self._guard.opens(address)
        except InvalidFieldError as error:
            raise invalid(_ADDRESS, str(error)) from None
        if plain:
            raise _refused("SUB-523", "HTTPS is required")

    async def ask(self, address: str) -> None:
        """Have the address show that it wants notifications.

        Raises:
            ApiError: it does not answer, not in time, or not as it must.

        """
        token = secrets.token_hex(16)
        request = Request(Target(address, {**HEADERS, TOKEN: token}), b"", b"", TIMEOUT)
        sent = await self._sender.exchange(request)
        match sent:
            case Failure(ErrorCode.TLS_ERROR):
                raise _refused("SUB-524", "WebHook's certificate is not valid")
            case Failure(ErrorCode.BLOCKED_IP):
                raise invalid(_ADDRESS, "must lead to a public address")
            case Failure():
                raise _refused("SUB-521", "WebHook is not reachable")
            case Exchange():
                _check(sent, token)


def _check(sent: Exchange, token: str) -> None:
    answer, headers = sent
    size = _HEAD + _size(headers) + len(answer.body)
    if answer.status != 200:
        raise _refused("SUB-525", f"WebHook response is not valid: status {answer.status}")
    if answer.truncated or size > LARGEST_ANSWER:
        raise _refused("SUB-525", f"WebHook response is not valid: more than {LARGEST_ANSWER} bytes")
    echoed = headers.get(TOKEN, "")
    if not hmac.compare_digest(echoed.encode("utf-8", "surrogateescape"), token.encode()):
        raise _refused("SUB-520", "WebHook does not return the validation token")


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())


def _refused(code: str, message: str) -> ApiError:
    return ApiError(400, code, message, parameterName=_ADDRESS)
