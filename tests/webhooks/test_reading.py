"""Reading answers, without a connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.webhooks.attempts import CAPTURE
from relay.webhooks.sending.heads import MAX_HEAD, Fields, MalformedAnswerError
from relay.webhooks.sending.reading import MAX_LINE, Reading
from relay.webhooks.sending.targets import Origin, Target

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Seen = tuple[int | None, bytes, bool, bool, bool] | None


def seen(pieces: Sequence[bytes], *, ends: bool = False) -> Seen:
    """Return what is read of the pieces of an answer: None if it is none."""
    reading = Reading()
    try:
        for piece in pieces:
            if reading.feed(piece):
                break
    except MalformedAnswerError:
        return None
    if ends and not reading.end(clean=True):
        return None
    status = None if reading.head is None else reading.head.status
    return status, reading.body, reading.truncated, reading.done, reading.keep


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Make an answer of any framing, whole or cut, perhaps with a byte that does not belong there."""
    body = draw(st.binary(max_size=60)) + b"x" * draw(st.sampled_from([0, CAPTURE - 60, CAPTURE + 1]))
    newline = draw(st.sampled_from([b"\r\n", b"\n"]))
    framing = draw(st.sampled_from(["length", "chunks", "end"]))
    lines = [b"HTTP/1.1 %d Word" % draw(st.sampled_from([200, 204, 410, 503])), b"Server:  x "]
    if framing == "length":
        lines.append(b"content-LENGTH: %d" % len(body))
    elif framing == "chunks":
        lines.append(b"Transfer-Encoding: Chunked")
        size = draw(st.integers(1, 3000))
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x%b%b%b" % (len(one), newline, one, newline) for one in [*chunks])
        body += b"0" + newline + draw(st.sampled_from([b"", b"X: y" + newline])) + newline
    if draw(st.booleans()):
        lines = [b"HTTP/1.1 100 Continue", b"", *lines]
    answer = newline.join([*lines, b"", b""]) + body
    if draw(st.booleans()):
        answer = answer[: draw(st.integers(0, len(answer)))]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(answer)))
        answer = answer[:at] + draw(st.binary(min_size=1, max_size=2)) + answer[at:]
    return answer


@given(answers(), st.lists(st.integers(0, 9000), max_size=30), st.booleans())
def test_answers_read_equally_however_they_are_split(answer: bytes, cuts: list[int], ends: bool) -> None:
    """The pieces in which an answer comes make no difference to what it is taken for."""
    places = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
    pieces = [answer[at:until] for at, until in pairwise(places)]

    whole, split = seen([answer], ends=ends), seen(pieces, ends=ends)

    if whole is not None and split is not None and whole[3]:
        # Bytes beyond the end that come later are found when the connection is used next.
        assert split[:4] == whole[:4]
        assert split[4] >= whole[4]
    else:
        assert split == whole


@given(st.binary(max_size=200))
def test_nothing_breaks_the_reader(data: bytes) -> None:
    """Any bytes are an answer, the beginning of one, or none."""
    seen([data], ends=True)
    seen([CHUNKED + data], ends=True)


def test_a_drip_of_chunks_is_cut_where_the_capture_ends() -> None:
    """However small its chunks, no more of a body is kept than is allowed, and no more is read."""
    assert seen([CHUNKED + b"1\r\nx\r\n" * (CAPTURE + 1)]) == (200, b"x" * CAPTURE, True, True, False)


@pytest.mark.parametrize(
    "endless", [b"1" * MAX_LINE, b"1;" + b"x" * MAX_LINE, b"0\r\n" + b"X: y\r\n" * MAX_LINE]
)
def test_endless_lines_of_chunks_end_the_answer(endless: bytes) -> None:
    """A size, extension or trailer beyond every measure is where an answer breaks off."""
    assert seen([CHUNKED, endless]) == (200, b"", True, True, False)


@pytest.mark.parametrize("broken", [b"zz\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"\r\n", b"-1\r\n"])
def test_a_fault_in_the_chunks_leaves_the_status(broken: bytes) -> None:
    """The status counts, whether the fault comes together with the head or later."""
    together, later = seen([CHUNKED + broken]), seen([CHUNKED, broken])

    assert together == later
    assert later in [(200, b"", True, True, False), (200, b"abc", True, True, False)]


def test_an_endless_head_is_no_answer() -> None:
    """A head is read up to a limit, in one piece or in many."""
    head = OK + b"X: " + b"x" * MAX_HEAD

    assert seen([head]) is None
    assert seen([head[at : at + 100] for at in range(0, len(head), 100)]) is None


def test_bytes_after_an_answer_end_the_use_of_its_connection() -> None:
    """What follows an answer that nobody asked for must not be taken for the next one."""
    answer = OK + b"Content-Length: 2\r\n\r\nok"

    assert seen([answer]) == (200, b"ok", False, True, True)
    assert seen([answer + answer]) == (200, b"ok", False, True, False)


def test_fields_are_found_in_any_case() -> None:
    """Names of fields are the same in any case, and the first of a name counts."""
    reading = Reading()
    reading.feed(OK + b"validation-TOKEN: a\r\nContent-Length: 0\r\nValidation-Token: b\r\n\r\n")

    assert reading.head is not None
    assert reading.head.fields["Validation-Token"] == "a"
    assert dict(reading.head.fields) == {"validation-token": "a", "content-length": "0"}
    assert "a" not in repr(Fields({"token": "secret a"})).removeprefix("Fields(token")


@pytest.mark.parametrize(
    ("url", "origin", "start"),
    [
        ("http://h.example", Origin("http", "h.example", 80), "POST / HTTP/1.1\r\nHost: h.example\r\n"),
        ("https://H.Example:443/a?b=%20", Origin("https", "h.example", 443),
         "POST /a?b=%20 HTTP/1.1\r\nHost: h.example\r\n"),
        ("https://[::1]:8443/?", Origin("https", "::1", 8443), "POST / HTTP/1.1\r\nHost: [::1]:8443\r\n"),
    ],
)  # fmt: skip
def test_a_url_tells_where_and_what(url: str, origin: Origin, start: str) -> None:
    """Port and path may be left out; a port that goes without saying is not said."""
    assert Target(url, {"X-Own": "x"}).start() == (origin, f"{start}X-Own: x\r\n".encode())


@pytest.mark.parametrize(
    "url", ["ftp://h/", "http://", "http://u:p@h/", "http://h/a b", "http://h/\r\nX: y", "http://h:99999/"]
)
def test_no_other_url_is_taken(url: str) -> None:
    """What is no URL of an endpoint has no target."""
    with pytest.raises(ValueError, match=r"."):
        Target(url, {}).start()


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nX: b", "a\rb"])
def test_a_header_stays_one(value: str) -> None:
    """A value that would begin another header is refused."""
    with pytest.raises(ValueError, match="one line"):
        Target("http://h/", {"X": value}).start()
