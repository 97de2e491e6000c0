"""Who is at the far end of a call, as GWS shows it. Pure.

The places behind numbers are those of the `phonenumbers` package. They take 100 MB and a third of a second to
load: a process that serves no GWS does without. Its first client waits until a thread has loaded them; where
there is none, as with webhooks, it is done when an outside number is first shown.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat

from relay.calls.model import Address
from relay.calls.numbers import is_e164

_LANGUAGE = "en"
_PLACES: Final = "phonenumbers.geocoder"


async def load_places() -> None:
    """Load the places behind numbers, unless they are, without holding up the loop."""
    if not hasattr(phonenumbers, "geocoder"):  # which is set when it is loaded in full
        await asyncio.to_thread(_load_places)


def _load_places() -> None:
    PhoneMetadata.load_all()  # a country's would be loaded with its first number, North America's for 50 ms
    import_module(_PLACES)


def participant(address: Address) -> dict[str, Any]:
    """Return a far party: a directory number alike in every member, an outside number with its place."""
    return _participant(address.number)


@lru_cache(maxsize=4096)  # each event of a call shows it; who gets it only encodes it
def _participant(number: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "e164Number": number if is_e164(number) else "",
        "formattedPhoneNumber": number,
        "phoneNumber": number,
        "digits": number.removeprefix("+"),
    }
    if is_e164(number):
        shown |= _place(number)
    return shown


def _place(number: str) -> dict[str, Any]:
    """Return what its digits tell of an international number; empty for a country code nobody has."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return {}
    from phonenumbers import geocoder  # noqa: PLC0415 - see above

    calling_code = parsed.country_code
    region = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        calling_code or 0
    )
    return {
        "formattedPhoneNumber": phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL),
        "country": {
            "name": geocoder.country_name_for_number(parsed, _LANGUAGE),
            "code": region,
            "callingCode": str(calling_code),
        },
        "location": geocoder.description_for_number(parsed, _LANGUAGE),
        "localPhoneNumber": phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL),
    }
