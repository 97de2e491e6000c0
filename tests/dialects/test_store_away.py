"""What clients are told while the store is away."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from relay.dialects.gws import failures as gws
from relay.dialects.ringcentral import failures as ringcentral
from relay.dialects.v3 import problems as v3
from relay.errors import StoreUnavailableError
from relay.http.errors import RenderError


@pytest.mark.parametrize("render_error", [v3.render_error, gws.render_error, ringcentral.render_error])
def test_no_dialect_tells_where_the_store_is(render_error: RenderError) -> None:
    """Its address is in the message, which is for the log."""
    error = StoreUnavailableError("the connection to the store failed: connecting to store.internal:6379")
    response = render_error(make_mocked_request("GET", "/"), error)
    assert response.status == 503
    assert isinstance(response.body, bytes)
    assert b"store.internal" not in response.body
