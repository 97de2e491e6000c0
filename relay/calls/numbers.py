"""Which texts are numbers that can be called, and their canonical form."""

from __future__ import annotations

import re
from typing import Final

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""An international number with its plus sign (ITU-T E.164: at most 15 digits; none begins with 0)."""

DIGITS: Final = re.compile(r"[0-9]{1,15}")
"""An extension or a directory number: who has it, the account's directory tells."""

RIGHT_NUMBER: Final = 'an extension or directory number such as "200", or E.164 such as "+12025550123"'

_SEPARATORS: Final = str.maketrans("", "", " -.()")


def canonical(text: str) -> str | None:
    """Return the number as it is stored and compared, or None for a text that is no number.

    Spaces, hyphens, dots and parentheses are how people write numbers; they carry nothing and are removed.
    """
    bare = text.translate(_SEPARATORS)
    return bare if E164.fullmatch(bare) or DIGITS.fullmatch(bare) else None


def is_e164(number: str) -> bool:
    """Tell whether a canonical number is international."""
    return E164.fullmatch(number) is not None
