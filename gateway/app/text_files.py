"""Reads files that a person wrote."""

from pathlib import Path

from gateway.terms.errors import SpecificationError


def read_text(file: Path) -> str:
    """Read a file; raises `SpecificationError` when it is not there or is not text."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecificationError(str(file), "", "is not UTF-8 text") from None
