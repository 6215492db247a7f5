"""The tokens of a side's keys in the HSM are read from a file of ours alone, or refused by name."""

import pytest

from gateway.hsm.payshield.key_file import read_hsm_keys
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.pinblock.zone import parse_zone
from gateway.terms.errors import SpecificationError

TOKEN = "U" + "0123456789ABCDEF" * 2
TEXT = f"""
probe_key = "{TOKEN}"

[channels.pads]
format = "iso-1"
algorithm = "tdes"
account = "none"
role = "ZPK"
pin_key = "{TOKEN}"

[zones.bureau]
format = "iso-0"
algorithm = "tdes"
account = "pan"
pin_key = "{TOKEN}"
"""


@pytest.fixture
def file(tmp_path):
    """Write a file of tokens, mode 0600."""

    def write(text=TEXT, mode=0o600):
        made = tmp_path / "hsm-keys.toml"
        made.write_text(text)
        made.chmod(mode)
        return made

    return write


def test_tokens_are_read_with_their_zones(file):
    """Each channel and zone has its key, format and account rule; the probes have theirs."""
    keys = read_hsm_keys(file())

    values = {"name": "bureau", "format": "iso-0", "algorithm": "tdes", "account": "pan"}
    assert keys.probe_key == HostKey(TOKEN)
    assert keys.channels["pads"].role is KeyRole.ZPK
    assert keys.zones["bureau"].zone == parse_zone(values, "test")
    assert keys.zones["bureau"].mac_key is None


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('role = "ZPK"', 'role = "ZMK"', "channels.pads.role"),
        ('role = "ZPK"', 'clear_key = "00"', "channels.pads.clear_key"),
        ('format = "iso-1"', 'format = "iso-2"', "channels.pads.format"),
        ('account = "none"', 'account = "pan"', "channels.pads"),
        (
            f'pin_key = "{TOKEN}"\n\n[zones',
            'pin_key = "0123456789ABCDEF"\n\n[zones',
            "channels.pads",
        ),
        (f'probe_key = "{TOKEN}"', "", "probe_key"),
        ("[zones.bureau]", "[zones.Bureau]", "zones.Bureau"),
        ('format = "iso-0"\nalgorithm = "tdes"', 'format = "sm4-pan"\nalgorithm = "sm4"', "zones"),
    ],
)
def test_file_that_is_not_right_is_named(file, old, new, place):
    """The place and the rule, and never what stands there."""
    assert old in TEXT

    with pytest.raises(SpecificationError) as caught:
        read_hsm_keys(file(TEXT.replace(old, new)))

    assert place in str(caught.value)
    assert "0123456789ABCDEF" not in str(caught.value)


def test_file_that_others_may_read_is_refused(file):
    """Tokens under the LMK are no clear keys, and still nobody else's."""
    with pytest.raises(SpecificationError, match="chmod 600"):
        read_hsm_keys(file(mode=0o640))
