"""Bodies that plainly have the shape a schema asks for are read by its fields; marshmallow reads the others.

To load even a small body takes marshmallow a tenth of what a whole command costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from marshmallow import Schema, fields, missing

from relay.dialects.v3.schemas import parse

Plain = Callable[[Any], Any]
"""Reads a value; None where it is not plainly what it should be."""

_PLAIN: Final[Mapping[type[fields.Field[Any]], Plain]] = {
    fields.String: lambda value: value if type(value) is str else None,
    fields.Dict: lambda value: dict(value) if type(value) is dict else None,
}
"""By the type of the field."""


class _Member(NamedTuple):
    key: str
    name: str
    read: Plain
    required: bool
    default: Any


class Shape:
    """What a body must look like, by a schema of strings, objects and nested schemas without hooks."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._plain = _of_schema(schema)

    def __repr__(self) -> str:
        return f"<Shape {', '.join(self._schema.fields)}>"

    def read(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body as the schema reads it; raises InvalidBodyError as `parse` does."""
        found: dict[str, Any] | None = self._plain(body)
        return parse(self._schema, body) if found is None else found


def _of_schema(schema: Schema) -> Plain:
    members = [
        _Member(field.data_key or name, name, _of_field(field), field.required, field.load_default)
        for name, field in schema.fields.items()
    ]

    def read(value: Any) -> dict[str, Any] | None:
        if type(value) is not dict:
            return None
        found, known = {}, 0
        for key, name, read_member, required, default in members:
            given = value.get(key, missing)
            if given is not missing:
                known += 1
                found[name] = read_member(given)
                if found[name] is None:
                    return None
            elif required:
                return None
            elif default is not missing:
                found[name] = default
        return found if known == len(value) else None

    return read


def _of_field(field: fields.Field[Any]) -> Plain:
    typed = isinstance(field, fields.Dict) and (field.key_field or field.value_field)
    if field.validators or typed:
        return _never
    if isinstance(field, fields.Nested):
        return _never if field.many else _of_schema(field.schema)
    return _PLAIN.get(type(field), _never)


def _never(_value: Any) -> None:
    """Leave a field that asks for more than a type to marshmallow."""
