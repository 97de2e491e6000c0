"""README's settings table is what `relay/settings.py` says."""

from __future__ import annotations

import ast
import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

from relay import settings
from relay.settings import Settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def test_the_settings_table_equals_the_settings() -> None:
    """Every setting has its line, with its default and the words that stand beside it in the code."""
    text = README.read_text()
    shown = text.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    assert shown == settings_table(), f"put this between the markers:\n{settings_table()}"


def settings_table() -> str:
    """Return the table as README must have it."""
    documented = _field_docs()
    rows = ["| name | default | what it is |", "| --- | --- | --- |"]
    for field in fields(Settings):
        name = settings.PREFIX + field.name.upper()
        rows.append(f"| `{name}` | {_shown(field.default)} | {documented[field.name]} |")
    return "\n".join(rows) + "\n"


def _field_docs() -> dict[str, str]:
    """Map each field to the string below it."""
    assert settings.__file__ is not None
    tree = ast.parse(Path(settings.__file__).read_text())
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings").body
    return {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def _shown(default: Any) -> str:
    match default:
        case bool():
            return "on" if default else "off"
        case None | "" | ():
            return "unset"
        case tuple():
            return ", ".join(f"{part:g}" for part in default)
        case Path():
            return f"./{default}"
        case float():
            return str(int(default))
        case _:
            return str(default)
