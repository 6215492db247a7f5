"""Key blocks against published ones and psec, and everything that must not unwrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import tr31 as oracle

from gateway.hsm.key_block import Header, KeyBlockError, KeyUse, check_value, unwrap, wrap
from gateway.pinblock.zone import Algorithm

KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
PIN_KEY = KeyUse("P0", "T", "E")
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")
A_7_2_1 = "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701"
A_7_3_1 = (
    "C0096B0TX12S0100KS1800604B120F9292800000"
    "BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D60989015D02155C"
)
A_7_4 = (
    "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FC"
    "EA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34"
)


@pytest.mark.parametrize(
    ("kbpk", "block", "key", "use"),
    [
        (
            "DD7515F2BFC17F85CE48F3CA25CB21F6",  # TR-31:2018, A.7.2.2
            "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
            "3F419E1CB7079442AA37474C2EFBF8B8",
            KeyUse("P0", "T", "E"),
        ),
        (
            "1D22BF32387C600AD97F9B97A51311AC",  # A.7.3.2
            (
                "B0104B0TX12S0100KS1800604B120F9292800000BB68BE8680A400D9191AD4ECE45B6E6C"
                "0D21C4738A52190E248719E24B433627"
            ),
            "E8BC63E5479455E26577F715D587FE68",
            KeyUse("B0", "T", "X"),
        ),
        (
            "1D22BF32387C600AD97F9B97A51311AC",  # X9.143:2021, 8.4.2
            (
                "B0120B0TX12S0100KS1800604B120F929280000015CEB14B76D551F21EC43A75390FA118A"
                "98C6CB049E3B9E864A5F4A8B9A5108A6DB5635C95B042D7"
            ),
            "E8BC63E5479455E26577F715D587FE68",
            KeyUse("B0", "T", "X"),
        ),
        (KBPK.hex(), A_7_4, "3F419E1CB7079442AA37474C2EFBF8B8", KeyUse("P0", "A", "E")),
        (
            KBPK.hex(),  # X9.143:2021, 8.1
            (
                "D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3"
                "829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557"
            ),
            "3F419E1CB7079442AA37474C2EFBF8B8",
            KeyUse("P0", "A", "E"),
        ),
        (
            "41" * 32,  # payShield 10K
            (
                "D0112B0TN00N000037DB9B046B7B0048785690759580ABC3B9842AB4BB7717B49E92528E575785D8"
                "123559376A2553B27BE94F054F4E971C"
            ),
            "1FA1F7CEC798D91545DA8AE0C7796BD9",
            KeyUse("B0", "T", "N"),
        ),
        (
            "41" * 32,
            (
                "D0144D0AN00N0000127862F945C2DED04530FAF7CDBC8B0BA10C7AA79BD5E0C2C5D6AC173BF588E4"
                "B19ACF1357178D50EA0AB193228E13958304FC6149632DFDCADF3A5B3D57E814"
            ),
            "BE19E6A07A760F10EF8E83A226B63AAD141F463FDDD4F47DB244B4023EC3CACC",
            KeyUse("D0", "A", "N"),
        ),
        (
            b"256-bit AES wrapping (ISO 20038)".hex(),  # ISO 20038, B.3
            (
                "D0112M3TV16N000018462FA5903B8D2B82FEE26B29713C0BE7ED81601087F12252093D06FC0A012C"
                "1CF769AD0E3E9E4877166AB013FC22B4"
            ),
            "767361707064642032454552206B6479",
            KeyUse("M3", "T", "V"),
        ),
        (
            "19191919191919195B5B5B5B5B5B5B5B",  # UIC PP791 manual
            "B0080P0TE00N00003C4F5024C59C182F7165BC870FCB7F63456AAE07DB736C32EA391E5834C1AA0C",
            "AA55AA55AA55AA553434343434343434",
            KeyUse("P0", "T", "E"),
        ),
    ],
)
def test_published_block_gives_its_key(kbpk, block, key, use):
    """Blocks of the standards and of other makers unwrap to their keys and uses."""
    header, unwrapped = unwrap(bytes.fromhex(kbpk), block)

    assert unwrapped.hex().upper() == key
    assert header.use == use
    assert header.version == block[0]


@pytest.mark.parametrize(
    ("algorithm", "key", "value"),
    [
        (Algorithm.TDES, "F039121BEC83D26B169BDCD5B22AAF8F", "CB9DEA"),
        (Algorithm.TDES, "3F419E1CB7079442AA37474C2EFBF8B8", "57C409"),
        (Algorithm.TDES, "EDB380DD340BC2620247D445F5B8D678", "F4B08D"),
        (Algorithm.TDES, "E8BC63E5479455E26577F715D587FE68", "9A4212"),
        (Algorithm.TDES, "1FA1F7CEC798D91545DA8AE0C7796BD9", "FF5087"),
        (Algorithm.TDES, "767361707064642032454552206B6479", "B29D42"),
        (Algorithm.AES, "3F419E1CB7079442AA37474C2EFBF8B8", "08793E25AB"),
        (Algorithm.SM4, "F351D490994603795C6EBEE8FAEBB481", "861E83E31FAEBF10"),
    ],
)
def test_check_value_is_the_published_one(algorithm, key, value):
    """Key check values by TDES, AES (X9.143:2021, 8.1) and SM4."""
    assert check_value(algorithm, bytes.fromhex(key)) == value


def test_check_value_of_the_vendors_aes_key_begins_as_published():
    """The AES check value of the payShield example, of which three bytes are published."""
    key = "BE19E6A07A760F10EF8E83A226B63AAD141F463FDDD4F47DB244B4023EC3CACC"

    assert check_value(Algorithm.AES, bytes.fromhex(key)).startswith("0A00E3")


@given(
    st.sampled_from([("B", 16), ("B", 24), ("D", 16), ("D", 24), ("D", 32)]),
    st.text("ABCXYZ019/- ", max_size=40),
    st.data(),
)
def test_psec_and_we_read_each_others_blocks(method, label, data):
    """Any key that a KBPK may protect goes both ways between the oracle and us."""
    version, size = method
    kbpk = data.draw(st.binary(min_size=size, max_size=size))
    key = data.draw(st.binary(min_size=16, max_size=16))
    header = Header(PIN_KEY, "N", version, optional=(("LB", label),))

    ours = wrap(kbpk, header, key)
    theirs_header = oracle.Header(version, "P0", "T", "E", "00", "N")
    theirs_header.blocks["LB"] = label
    theirs = oracle.wrap(kbpk, theirs_header, key)

    read, unwrapped = oracle.unwrap(kbpk, ours)
    assert (unwrapped, read.blocks["LB"]) == (key, label)
    assert unwrap(kbpk, theirs) == (header, key)
    assert unwrap(kbpk, ours) == (header, key)


def test_every_character_of_a_block_is_protected():
    """Whatever single character is changed, the block does not unwrap to a key."""
    block = wrap(KBPK, Header(PIN_KEY, optional=(("LB", "social/test/pin"),)), KEY)

    for at, character in enumerate(block):
        altered = block[:at] + ("0" if character != "0" else "1") + block[at + 1 :]
        with pytest.raises(KeyBlockError):
            unwrap(KBPK, altered)


def test_block_under_another_master_key_is_refused():
    """A block of another KBPK fails its MAC."""
    with pytest.raises(KeyBlockError, match="MAC differs"):
        unwrap(bytes(32), A_7_4)


@pytest.mark.parametrize(
    "block",
    [
        "",
        "D0112P0AE00E0000",
        A_7_2_1,  # versions A and C are not read
        A_7_3_1,
        A_7_4[:-2],
        A_7_4 + "00",
        A_7_4.replace("D0112", "D0016")[:16],
        A_7_4.replace("E0000", "E0100"),  # announces an optional block that is not there
        A_7_4.lower(),
        A_7_4[:-1] + "é",
        "D0048P0AE00E0000" + "00" * 16,  # a MAC and no key
        "D0064P0AE00E0000" + "00" * 24,  # half a cipher block
        "D0036P0AE00E0200LB06AALB06BB" + "00" * 4,
        "D0024P0AE00E0100LBZZ0000",
        "D0024P0AE00E0100LB030000",
    ],
)
def test_malformed_block_is_refused(block):
    """Cut, lengthened, re-labelled and foreign text is refused without an error of another kind."""
    with pytest.raises(KeyBlockError):
        unwrap(KBPK, block)


@pytest.mark.parametrize(
    ("kbpk", "header", "key"),
    [
        (bytes(16), Header(PIN_KEY, version="B"), bytes(24)),  # stronger than what protects it
        (bytes(16), Header(KeyUse("D0", "A", "B")), bytes(32)),
        (bytes(24), Header(KeyUse("D0", "A", "B"), version="B"), bytes(16)),
        (KBPK, Header(PIN_KEY), bytes(8)),  # single DES
        (KBPK, Header(KeyUse("P0", "R", "E")), bytes(16)),  # no algorithm of ours
        (KBPK, Header(PIN_KEY, exportability="n"), bytes(16)),
        (KBPK, Header(KeyUse("P00", "T", "E")), bytes(16)),
        (KBPK, Header(PIN_KEY, optional=(("LB", "x" * 252),)), bytes(16)),
        (KBPK, Header(PIN_KEY, optional=(("LB", "中"),)), bytes(16)),
        (KBPK, Header(PIN_KEY, optional=(("lb", ""),)), bytes(16)),
        (bytes(20), Header(PIN_KEY), bytes(16)),
    ],
)
def test_key_that_may_not_be_wrapped_is_refused(kbpk, header, key):
    """Strength, length and form of header and key are checked before anything is wrapped."""
    with pytest.raises(KeyBlockError):
        wrap(kbpk, header, key)


def test_kbpk_of_a_length_without_a_method_is_refused():
    """There is no derivation for a key of twenty bytes."""
    with pytest.raises(KeyBlockError, match="no version D"):
        unwrap(bytes(20), A_7_4)


def test_optional_block_may_not_occur_twice():
    """Two labels would leave open which one counts."""
    header = Header(PIN_KEY, optional=(("LB", "one"), ("LB", "two")))

    with pytest.raises(KeyBlockError, match="twice"):
        unwrap(KBPK, wrap(KBPK, header, KEY))


def test_length_of_the_key_is_hidden():
    """Double- and triple-length keys give blocks of one length, and no two blocks are equal."""
    header = Header(PIN_KEY)

    blocks = [wrap(KBPK, header, key) for key in (KEY, KEY, KEY + KEY[:8])]

    assert len({len(block) for block in blocks}) == 1
    assert len(set(blocks)) == 3


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (Header(KeyUse("M3", "T", "E"), "E", optional=(("LB", "a"),)), "usage"),
        (Header(KeyUse("P0", "A", "E"), "E", optional=(("LB", "a"),)), "algorithm"),
        (Header(KeyUse("P0", "T", "D"), "E", optional=(("LB", "a"),)), "mode of use"),
        (Header(PIN_KEY, "N", optional=(("LB", "a"),)), "exportability"),
        (Header(PIN_KEY, "E", optional=(("LB", "b"),)), "label"),
        (Header(PIN_KEY, "E"), "label"),
    ],
)
def test_key_for_another_purpose_is_refused_by_name(header, rule):
    """Each attribute of a key alone keeps it from being used for what it is not for."""
    Header(PIN_KEY, "E", optional=(("LB", "a"),)).require(PIN_KEY, "E", "a")

    with pytest.raises(KeyBlockError, match=rule):
        header.require(PIN_KEY, "E", "a")
