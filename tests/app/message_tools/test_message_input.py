"""What is given to a message tool, in all its forms."""

import base64
import io

import pytest

from gateway.app.message_tools.message_input import (
    INPUT_BYTES_MAX,
    BadInput,
    InputForm,
    decoded,
    given_bytes,
    given_text,
)

MESSAGE = b"0800\x82 \x00\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    "given",
    [MESSAGE.hex(), MESSAGE.hex(" ").upper(), "\n".join(MESSAGE.hex(" ", 4).split())],
    ids=["hex", "spaced", "in lines"],
)
def test_hex_text_is_read_from_the_command_line(given):
    """Spaces and line ends between the digits do not matter."""
    assert given_bytes(given) == MESSAGE


@pytest.mark.parametrize(
    "content",
    [MESSAGE, MESSAGE.hex().encode() + b"\n", base64.b64encode(MESSAGE) + b"\n"],
    ids=["bytes", "hex", "base64"],
)
def test_file_is_read_in_whatever_form_it_is(tmp_path, content):
    """Bytes, hex text and base64 are told apart."""
    (tmp_path / "message").write_bytes(content)

    assert given_bytes(str(tmp_path / "message")) == MESSAGE


def test_standard_input_is_read_for_a_dash(monkeypatch):
    """A dash stands for standard input, for bytes and for text."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MESSAGE.hex().encode())))

    assert given_bytes("-") == MESSAGE


def test_message_of_digits_only_can_be_called_binary():
    """What is all hex digits is hex text, unless the caller says otherwise."""
    assert decoded(b"0800") == b"\x08\x00"
    assert decoded(b"0800", InputForm.BINARY) == b"0800"


@pytest.mark.parametrize(
    ("source", "form", "rule"),
    [
        (b" \n", InputForm.AUTO, "nothing was given"),
        (b"080", InputForm.HEX, "pairs"),
        (b"08zz", InputForm.HEX, "pairs"),
        (b"=A==", InputForm.BASE64, "not base64"),
    ],
)
def test_form_that_was_called_for_is_insisted_on(source, form, rule):
    """The error says what is wrong, and nothing of what was given."""
    with pytest.raises(BadInput, match=rule) as caught:
        decoded(source, form)

    assert (
        source.decode().strip() not in str(caught.value).replace("base64", "") or not source.strip()
    )


@pytest.mark.parametrize("given", ["6200000000000000005x", "no-such-file", "a\0b", "x" * 5000])
def test_neither_file_nor_hex_is_refused_without_repeating_it(given):
    """A slip of the hand must not put a card number into a terminal's log."""
    with pytest.raises(BadInput) as caught:
        given_bytes(given)

    assert given not in str(caught.value)


def test_what_is_too_long_for_a_message_is_refused(tmp_path):
    """A capture given by mistake is not read to its end."""
    (tmp_path / "capture").write_bytes(bytes(INPUT_BYTES_MAX + 1))

    with pytest.raises(BadInput, match="capture"):
        given_bytes(str(tmp_path / "capture"))


@pytest.mark.parametrize(("content", "rule"), [(None, "no such file"), (b"\xff", "UTF-8")])
def test_text_is_refused_where_there_is_none(tmp_path, content, rule):
    """A draft is a file of UTF-8 text."""
    if content is not None:
        (tmp_path / "draft").write_bytes(content)

    with pytest.raises(BadInput, match=rule):
        given_text(str(tmp_path / "draft"))
