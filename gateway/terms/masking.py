"""How a sensitive value prints: never in full, at any length."""

_SHOWN_OF_LONG = 4
_SHOWN_OF_SHORT = 2
_LONG = 12  # shorter values (an SS card number has 8 to 12 characters) show less
_SHORT = 6  # below this even two characters tell too much


def mask(value: str) -> str:
    """Replace all but the last characters by asterisks, keeping the length.

    Four characters stay of a value of twelve or more, two of one of six or more, none of a
    shorter one (PCI DSS 4.0.1, 3.4.1 allows more of a PAN; no business of ours needs it).
    """
    if len(value) >= _LONG:
        shown = _SHOWN_OF_LONG
    elif len(value) >= _SHORT:
        shown = _SHOWN_OF_SHORT
    else:
        shown = 0
    return "*" * (len(value) - shown) + value[len(value) - shown :]


def mask_name(name: str) -> str:
    """Keep the last character of a personal name, as Chinese banks print it."""
    return "*" * (len(name) - 1) + name[-1] if len(name) > 1 else "*"
