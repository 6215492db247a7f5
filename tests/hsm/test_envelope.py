"""Only the one envelope that was asked for opens, and every other fails alike."""

import base64
import json
from contextlib import nullcontext

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway.hsm.envelope import (
    EnvelopeRefused,
    SamePin,
    agree_on,
    open_payload,
    read_envelope,
)
from gateway.hsm.key_store import open_store
from gateway.terms.sides import Side

NONCE = "bm9uY2Utb2YtdGVzdA"
ALL = ["ECDH-ES", "ECDH-ES+A128KW", "RSA-OAEP", "dir", "A256GCM", "A128GCM", "A128CBC-HS256", "DEF"]


@pytest.fixture(scope="session")
def key(stores):
    """Give the social side's envelope key."""
    return open_store(stores[Side.SOCIAL], Side.SOCIAL).envelope_keys[0]


def open_envelope(envelope, key, nonce):
    """Open an envelope in its three steps."""
    sealed = read_envelope(envelope, key.kid)
    return open_payload(sealed, agree_on(sealed, key.private_key), nonce)


def public_key(key):
    """Give the public key as the library takes it, free to be used with any algorithm."""
    return ECKey.import_key({name: key.public_jwk[name] for name in ("kty", "crv", "x", "y")})


def envelope_of(key, payload, recipient=None, **changes):
    """Encipher any payload under any header."""
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid} | changes
    header = {name: value for name, value in header.items() if value is not None}
    return jwe.encrypt_compact(header, payload, recipient or public_key(key), algorithms=ALL)


def payload_of(**members):
    """Write a payload as a browser does."""
    return json.dumps({"pin": "738291", "nonce": NONCE} | members).encode()


@pytest.mark.parametrize(
    "payload",
    [
        payload_of(),
        json.dumps({"nonce": NONCE, "pin": "738291"}).encode(),
        json.dumps({"pin": "738291", "nonce": NONCE}, separators=(",", ":")).encode(),
        json.dumps({"pin": "738291", "nonce": NONCE}, indent=2).encode(),
    ],
)
def test_envelope_gives_its_pin_in_a_buffer_that_can_be_wiped(key, payload):
    """Order and white space of the payload are free."""
    pin = open_envelope(envelope_of(key, payload), key, NONCE)

    assert isinstance(pin, bytearray)
    assert pin == b"738291"


@pytest.mark.parametrize("pin", ["", "12345", "12ab56", "1" * 64])
def test_form_of_the_pin_is_left_to_the_policy(key, pin):
    """Whatever short text the payload calls a PIN comes out as it is."""
    assert open_envelope(envelope_of(key, payload_of(pin=pin)), key, NONCE) == pin.encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"738291",
        b"[]",
        b'{"pin":"738291"}',
        b'{"nonce":"bm9uY2Utb2YtdGVzdA"}',
        payload_of(more="x"),
        payload_of(pin=738291),
        payload_of(pin="1" * 65),
        payload_of(nonce="another-nonce-of-test"),
        payload_of(nonce=NONCE + "A"),
        payload_of(nonce=""),
        payload_of(nonce=None),
        payload_of() + b"}",
        b'{"pin":"\\u003738291","nonce":"bm9uY2Utb2YtdGVzdA"}',
        b'{"pin":"738291","pin":"111111","nonce":"bm9uY2Utb2YtdGVzdA"}',
        b"\xff\xfe",
    ],
)
def test_payload_of_another_form_is_refused(key, payload):
    """Missing, other, doubled and escaped members, and a wrong nonce, are all one refusal."""
    with pytest.raises(EnvelopeRefused):
        open_envelope(envelope_of(key, payload), key, NONCE)


@pytest.mark.parametrize(
    "changes",
    [
        {"enc": "A128GCM"},
        {"enc": "A128CBC-HS256"},
        {"alg": "ECDH-ES+A128KW"},
        {"zip": "DEF"},
        {"kid": "another"},
        {"kid": None},
        {"cty": "json", "jku": "https://example.org"},
        {"crit": ["exp"], "exp": 1},
        {"apu": "QWxpY2U"},
    ],
)
def test_header_outside_the_profile_is_refused(key, changes):
    """Other algorithms, compression, another key and critical extensions do not open."""
    registry = jwe.JWERegistry(algorithms=ALL, strict_check_header=False)
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid} | changes
    header = {name: value for name, value in header.items() if value is not None}
    try:
        envelope = jwe.encrypt_compact(header, payload_of(), public_key(key), registry=registry)
    except Exception:  # noqa: BLE001 - what the library will not build, only the header shows
        envelope = with_header(envelope_of(key, payload_of()), changes)

    with pytest.raises(EnvelopeRefused):
        open_envelope(envelope, key, NONCE)


def with_header(envelope, changes):
    """Write other members into an envelope's header."""
    segment, rest = envelope.split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(segment + "==")) | changes
    altered = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{altered}.{rest}"


@pytest.mark.parametrize(
    ("recipient", "changes"),
    [
        (ECKey.generate_key("P-256"), {}),
        (OctKey.generate_key(256), {"alg": "dir"}),
        (RSAKey.generate_key(2048), {"alg": "RSA-OAEP"}),
    ],
)
def test_envelope_for_another_key_is_refused(key, recipient, changes):
    """An envelope that names our key but is for another does not open."""
    with pytest.raises(EnvelopeRefused):
        open_envelope(envelope_of(key, payload_of(), recipient, **changes), key, NONCE)


def test_envelope_for_the_other_side_is_refused(key, stores):
    """An envelope for the financial PIN's key does not open as an SS PIN."""
    other = open_store(stores[Side.FINANCIAL], Side.FINANCIAL).envelope_keys[0]

    with pytest.raises(EnvelopeRefused):
        open_envelope(envelope_of(other, payload_of()), key, NONCE)


@pytest.mark.parametrize(
    "point",
    [
        {"x": "AAAA", "y": "AAAA"},
        {"x": "A" * 43, "y": "A" * 43},  # off the curve
        {"crv": "P-384"},
        {"kty": "OKP"},
        {"x": 5},
        {"x": "A" * 44},
    ],
)
def test_point_that_is_not_on_the_curve_is_refused(key, point):
    """A forged ephemeral key (invalid-curve attack) is refused like any other fault."""
    envelope = envelope_of(key, payload_of())
    header = json.loads(base64.urlsafe_b64decode(envelope.split(".")[0] + "=="))

    with pytest.raises(EnvelopeRefused):
        open_envelope(with_header(envelope, {"epk": header["epk"] | point}), key, NONCE)


@pytest.mark.parametrize("segment", range(5))
def test_altered_envelope_is_refused(key, segment):
    """A change in any of the five segments is refused."""
    segments = envelope_of(key, payload_of()).split(".")
    middle = len(segments[segment]) // 2
    old = segments[segment][middle : middle + 1]
    segments[segment] = (
        segments[segment][:middle] + ("A" if old != "A" else "B") + segments[segment][middle + 1 :]
    )

    with pytest.raises(EnvelopeRefused):
        open_envelope(".".join(segments), key, NONCE)


def test_envelope_with_a_cut_tag_or_another_iv_size_is_refused(key):
    """Only the full 128-bit tag and the 96-bit nonce of the profile are taken."""
    protected, _, iv, ciphertext, tag = envelope_of(key, payload_of()).split(".")

    for altered in (
        f"{protected}..{iv}.{ciphertext}.{tag[:16]}",
        f"{protected}..{iv}AAAA.{ciphertext}.{tag}",
        f"{protected}.AAAA.{iv}.{ciphertext}.{tag}",
        f"{protected}..{iv}.{ciphertext}{tag}.",
    ):
        with pytest.raises(EnvelopeRefused):
            open_envelope(altered, key, NONCE)


class WatchedContent:
    """A content key's cipher that keeps the buffer it deciphers into, and what it put there."""

    def __init__(self, content):
        self._content = content
        self.deciphered = []

    def decrypt_into(self, iv, enciphered, protected, buffer):
        """Decipher."""
        self._content.decrypt_into(iv, enciphered, protected, buffer)
        self.deciphered.append((buffer, bytes(buffer)))


@pytest.mark.parametrize("nonce", [NONCE, "x" * 22])
def test_payload_is_wiped_whatever_came_of_it(key, nonce):
    """The buffer into which the payload was deciphered holds zeros afterwards."""
    sealed = read_envelope(envelope_of(key, payload_of()), key.kid)
    content = WatchedContent(agree_on(sealed, key.private_key))

    with nullcontext() if nonce == NONCE else pytest.raises(EnvelopeRefused):
        assert open_payload(sealed, content, nonce) == b"738291"

    assert content.deciphered == [(bytearray(len(payload_of())), payload_of())]


@pytest.mark.parametrize(
    "envelope", ["", ".", "....", "a.b.c.d.e", "e30.....", "bnVsbA....", "é", "[" * 2000, "W1tb."]
)
def test_what_is_no_envelope_is_refused(key, envelope):
    """Any text at all is refused without an error of another kind, and without being shown."""
    with pytest.raises(EnvelopeRefused) as caught:
        open_envelope(envelope, key, NONCE)

    assert str(caught.value) == "envelope cannot be opened"


HEADER = {"alg": "ECDH-ES", "enc": "A256GCM"}
POINT = {"kty": "EC", "crv": "P-256", "x": "A" * 42 + "E", "y": "B" * 42 + "E"}


def form_of(header):
    """Write an envelope with any header, whose other parts have the right form."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    segment = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{segment}..{'A' * 16}.AAAA.{'A' * 22}"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(
    "order", [("kty", "crv", "x", "y"), ("y", "crv", "x", "kty"), ("x", "kty", "y", "crv")]
)
def test_form_that_was_seen_before_gives_each_envelopes_own_point(key, order, separators):
    """Whatever the order and white space of a header, the point is that of this envelope."""
    for sign in "CDC":
        epk = POINT | {"x": sign * 42 + "E"}
        header = HEADER | {"kid": key.kid, "epk": {name: epk[name] for name in order}}
        envelope = form_of(json.dumps(header, separators=separators))

        point = read_envelope(envelope, key.kid).point

        assert point[1:33] == base64.urlsafe_b64decode(epk["x"] + "=")
        assert point[33:] == base64.urlsafe_b64decode(epk["y"] + "=")


def test_form_that_is_known_for_one_key_is_not_for_another(key):
    """What stands around the point has the key's name in it."""
    envelope = form_of(HEADER | {"kid": key.kid, "epk": POINT})
    read_envelope(envelope, key.kid)

    with pytest.raises(EnvelopeRefused):
        read_envelope(envelope, "another")


@pytest.mark.parametrize(
    "epk",
    [
        {"x": "A" * 42, "y": "B" * 43},
        {"x": "A" * 44, "y": "B" * 43},
        {"x": "A" * 43, "y": "B" * 42},
        {"x": "A" * 43, "y": "B" * 44},
        {"x": "A" * 42 + "=", "y": "B" * 43},
        {"x": "A" * 42 + "+", "y": "B" * 43},
        {"x": "A" * 43, "y": "B" * 42 + "\u00e9"},
        {"x": "A" * 43},
        {"y": "B" * 43},
    ],
)
def test_coordinate_of_another_form_is_refused_though_the_rest_is_known(key, epk):
    """A known header does not lend its form to a coordinate that is none."""
    read_envelope(form_of(HEADER | {"kid": key.kid, "epk": POINT}), key.kid)
    rest = {"kty": "EC", "crv": "P-256"}

    with pytest.raises(EnvelopeRefused):
        read_envelope(form_of(HEADER | {"kid": key.kid, "epk": rest | epk}), key.kid)


def test_point_is_taken_from_the_ephemeral_key_and_from_nowhere_else(key):
    """A member without effect that looks like a point has no effect."""
    decoy = {"x": "Z" * 42 + "E", "y": "Y" * 42 + "E"}
    envelope = form_of({"typ": decoy} | HEADER | {"kid": key.kid, "epk": POINT})

    for _ in range(2):
        point = read_envelope(envelope, key.kid).point
        assert point[1:33] == base64.urlsafe_b64decode(POINT["x"] + "=")


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("sign", ["=", "+", "/", "\n", " ", "é"])
def test_sign_of_another_alphabet_is_refused_in_every_part(key, at, sign):
    """Only base64url without padding is taken."""
    parts = form_of(HEADER | {"kid": key.kid, "epk": POINT}).split(".")
    parts = [part[:-1] + sign if at == index else part for index, part in enumerate(parts)]
    parts = parts if at != 1 else [parts[0], sign, *parts[2:]]

    with pytest.raises(EnvelopeRefused):
        read_envelope(".".join(parts), key.kid)


@pytest.mark.parametrize("pin", ["12a456", "", "1" * 64])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",", " : ")])
def test_payloads_of_every_form_give_the_same(key, pin, separators):
    """The forms that are usual and any other are read alike."""
    payload = json.dumps({"pin": pin, "nonce": NONCE}, separators=separators).encode()

    assert open_envelope(envelope_of(key, payload), key, NONCE) == pin.encode()


def test_pin_that_must_be_another_one_is_compared_where_it_is_opened(key):
    """The two are compared here and nowhere else; only that they are alike is told."""
    other, same = payload_of(other_than="248163"), payload_of(other_than="738291")

    assert open_envelope(envelope_of(key, other), key, NONCE) == b"738291"
    with pytest.raises(SamePin):
        open_envelope(envelope_of(key, same), key, NONCE)


@pytest.mark.parametrize("other", ["", 'x"', 7, None])
def test_other_pin_of_no_form_is_refused_as_anything_else(key, other):
    """It is a string without escapes that is not empty."""
    with pytest.raises(EnvelopeRefused):
        open_envelope(envelope_of(key, payload_of(other_than=other)), key, NONCE)
