"""Shapes read what marshmallow reads, and refuse what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length

from relay.dialects.v3.commands import DialPayload, UserSchema
from relay.dialects.v3.problems import InvalidBodyError
from relay.dialects.v3.schemas import Strict, nested, text
from relay.dialects.v3.shapes import Shape

SCHEMA: Schema = Strict.from_dict(
    {
        "command": text(required=True),
        "other": text(data_key="other_call_leg_id", load_default="none"),
        "note": text(),
        "user": nested(UserSchema, required=True),
        "payload": nested(DialPayload, required=True),
    }
)()

values = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.booleans(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


def members(*names: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Give objects that mostly have these members."""
    return st.fixed_dictionaries(
        {}, optional={**dict.fromkeys(names, inner), "command": st.text(), "unknown": st.text()}
    )


user = members("tenant_id", "user_extension", inner=st.one_of(st.text(), values))
payload = members("destination", "user_data", inner=st.one_of(st.text(), values))
bodies = st.fixed_dictionaries(
    {},
    optional={
        "command": st.one_of(st.text(), values),
        "other": values,
        "other_call_leg_id": st.one_of(st.text(), values),
        "note": st.one_of(st.text(), values),
        "user": st.one_of(user, values),
        "payload": st.one_of(payload, values),
    },
)
good = st.fixed_dictionaries(
    {
        "command": st.text(),
        "user": st.fixed_dictionaries({"tenant_id": st.text(), "user_extension": st.text()}),
        "payload": st.fixed_dictionaries(
            {"destination": st.text()}, optional={"user_data": st.dictionaries(st.text(), values)}
        ),
    },
    optional={"note": st.text(), "other_call_leg_id": st.text()},
)


@given(st.one_of(bodies, good))
def test_shape_reads_what_its_schema_reads(body: dict[str, Any]) -> None:
    """Whatever the body, the result is marshmallow's own, or both refuse it."""
    shape = Shape(SCHEMA)
    try:
        wanted = SCHEMA.load(body)
    except ValidationError:
        with pytest.raises(InvalidBodyError):
            shape.read(body)
    else:
        assert shape.read(body) == wanted


def test_what_was_read_is_not_the_body_itself() -> None:
    """An object that is read is a copy, as marshmallow's is."""
    body = {"command": "x", "user": {"tenant_id": "t", "user_extension": "1"}}
    data = {"a": "1"}
    read = Shape(SCHEMA).read({**body, "payload": {"destination": "2", "user_data": data}})
    assert read["payload"]["user_data"] == data
    assert read["payload"]["user_data"] is not data


def test_what_a_field_validates_is_left_to_marshmallow() -> None:
    """A schema that asks for more than types is asked itself."""
    schema = Strict.from_dict({"name": text(validate=Length(max=2)), "size": fields.Integer()})()
    shape = Shape(schema)
    assert shape.read({"name": "ab"}) == {"name": "ab"}
    assert shape.read({"size": 3}) == {"size": 3}
    with pytest.raises(InvalidBodyError):
        shape.read({"name": "abc"})


def test_nested_schema_that_is_asked_for_more_is_left_to_marshmallow() -> None:
    """So are objects that are checked once read, and arrays of objects."""
    inner = Strict.from_dict({"name": text()})
    schema = Strict.from_dict(
        {
            "one": fields.Nested(inner, validate=Length(min=1)),
            "many": fields.Nested(inner, many=True),
            "map": fields.Dict(values=fields.Integer()),
        }
    )()
    shape = Shape(schema)
    body: dict[str, Any] = {"one": {"name": "a"}, "many": [{"name": "b"}], "map": {"c": 1}}
    assert shape.read(body) == body
    wrong: list[dict[str, Any]] = [{"one": {}}, {"many": {"name": "b"}}, {"map": {"c": "d"}}]
    for refused in wrong:
        with pytest.raises(InvalidBodyError):
            shape.read(refused)
