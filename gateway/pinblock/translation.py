"""Which PIN blocks may become which: the translation table of PCI PIN 3.1, requirement 3-3.

A block of a channel that has PIN pads becomes a block of a zone in one step, inside a security
module. What may not be translated is not a question of ciphers: every pair of formats that is
refused here is one that loses the binding of a PIN to its account, or brings in a PIN that was
never bound to anything (``reference/pin-and-keys.md`` 1.2).
"""

from dataclasses import dataclass

from gateway.pinblock.formats import PinBlockFormat
from gateway.terms.errors import LocalError


class ForbiddenTranslation(LocalError):
    """A PIN block would be translated as requirement 3-3 does not permit."""


@dataclass(frozen=True, slots=True, repr=False)
class BoundFormat:
    """A PIN block's format and the account that it is bound to, empty for none."""

    format: PinBlockFormat
    account: str = ""


def check_translation(source: BoundFormat, target: BoundFormat) -> None:
    """Raise `ForbiddenTranslation` unless a block may be translated from `source` to `target`.

    Format 1 becomes any format; formats that bind an account become each other for that account
    only, and never a format that binds none.
    """
    for end in (source, target):
        if end.format.binds_account is not bool(end.account):
            raise ForbiddenTranslation("an account must be given exactly when the format binds one")
    check_formats(source.format, target.format)
    if source.account and source.account != target.account:
        raise ForbiddenTranslation("the account that a block is bound to does not change")


def check_formats(source: PinBlockFormat, target: PinBlockFormat) -> None:
    """Raise `ForbiddenTranslation` unless blocks may be translated for one account."""
    if source is PinBlockFormat.SM4_NO_PAN:
        # Neither account nor chance is in it, as in format 2: a block seen once can stand in for
        # another. The table, older than this form, permits nothing from format 2.
        raise ForbiddenTranslation("a block without account and chance is not translated")
    if source.binds_account and not target.binds_account:
        raise ForbiddenTranslation("a block that binds an account stays bound to it")
