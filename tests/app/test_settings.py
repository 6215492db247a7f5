"""The configuration: checked as a whole, every error naming file and key."""

import re
from datetime import timedelta

import pytest

from gateway.app.settings import load_settings
from gateway.regions.vocabulary import Channel
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side

DIGEST = "ab" * 32
GOOD = f"""
specifications = "specs"
[http]
listen = "127.0.0.1:8080"
[http.channels.online-bank]
token_sha256 = "{DIGEST}"
[store]
path = "data/gateway.db"
[station]
acquirer = "99000001"
forwarder = "99000001"
terminal = "GATEWAY1"
[links.bureau]
side = "social"
address = "10.0.0.1:8583"
dialect = "bureau"
message_set = "bureau"
zone = "bureau"
[links.core]
side = "financial"
address = "[::1]:8584"
dialect = "core"
message_set = "core"
zone = "core"
[social]
key_store = "keys/social"
socket = "/run/social.socket"
[financial]
key_store = "keys/financial"
socket = "financial.socket"
[social_limits]
answer_timeout_s = 12.5
"""


LISTENER = """[listeners.core-in]
side = "financial"
listen = "127.0.0.1:8590"
peers = ["10.0.0.0/8"]
dialect = "core"
message_set = "core"
zone = "core"
[social]"""


@pytest.fixture
def load(tmp_path):
    """Give a loader of the good configuration with one piece replaced."""

    def load(old="", new="", text=GOOD):
        assert old in text
        file = tmp_path / "gateway.toml"
        file.write_text(text.replace(old, new, 1), "utf-8")
        return load_settings(file)

    return load


def test_paths_are_relative_to_the_file(load, tmp_path):
    """A configuration can be moved with what it names; absolute paths stay."""
    settings = load()

    assert settings.store.path == tmp_path / "data/gateway.db"
    assert settings.module(Side.SOCIAL).key_store == tmp_path / "keys/social"
    assert str(settings.module(Side.SOCIAL).socket) == "/run/social.socket"
    assert settings.module(Side.FINANCIAL).socket == tmp_path / "financial.socket"
    assert settings.specifications == tmp_path / "specs"
    assert load('specifications = "specs"').specifications is None


def test_limits_are_those_of_the_side(load):
    """Each side has its own; the core's answer is waited for less long by default."""
    settings = load()

    assert settings.limits(Side.SOCIAL).limits().answer_timeout == timedelta(seconds=12.5)
    assert settings.limits(Side.FINANCIAL).limits().answer_timeout == timedelta(seconds=15)
    assert settings.core_link == "core"


def test_channel_is_online_banking_unless_it_says_otherwise(load):
    """Where its customers stand decides what their region grants them."""
    digest = f'token_sha256 = "{DIGEST}"\n'

    assert load().http.channels["online-bank"].kind is Channel.ONLINE_BANK
    counter = load(digest, f'{digest}kind = "counter"\n')
    assert counter.http.channels["online-bank"].kind is Channel.COUNTER


def test_regions_and_calendar_are_named(load, tmp_path):
    """All regions and the published years are served where nothing is said."""
    named = load("[http]", 'regions = ["xiamen"]\ncalendar = "days.toml"\n[http]')

    assert (load().regions, load().calendar) == ((), None)
    assert (named.regions, named.calendar) == (("xiamen",), tmp_path / "days.toml")


def test_link_goes_to_one_address_or_to_several(load):
    """Each address gets its connection and its weight; a Twisted endpoint string is one too."""
    one = load().links["bureau"].addresses
    tls = "tls:host=b.example:port=8583"
    several = load('"10.0.0.1:8583"', f'["10.0.0.1:8583", "{tls}"]\nweights = [3, 1]')

    assert one == (("10.0.0.1:8583", 1),)
    assert several.links["bureau"].addresses == (("10.0.0.1:8583", 3), (tls, 1))


def test_listener_says_who_may_connect(load):
    """Networks, and how many connections there may be."""
    listener = load("[social]", LISTENER).listeners["core-in"]

    assert [str(network) for network in listener.peers] == ["10.0.0.0/8"]
    assert (listener.connections_max, listener.connections_per_peer_max) == (64, 4)


CALLBACK = """[http.channels.online-bank.callback]
url = "https://bank.example/outcomes"
secret = "callback-secret"
trust = "authorities.pem"
[store]"""


def test_channel_is_told_of_outcomes(load, tmp_path):
    """An address, and files relative to the configuration."""
    callback = load("[store]", CALLBACK).http.channels["online-bank"].callback

    assert callback.url == "https://bank.example/outcomes"
    assert callback.secret == tmp_path / "callback-secret"
    assert callback.trust == tmp_path / "authorities.pem"


def test_pads_are_of_an_institution(load):
    """A listener with PIN pads says whose they are; DE 32 and 33 are compared with that."""
    whose = 'zone = "core"\ninstitution = "99000002"\npin_zone = "pads"\n[social]'
    listener = load("[social]", LISTENER.replace('zone = "core"\n[social]', whose))

    assert listener.listeners["core-in"].institution == "99000002"
    with pytest.raises(SpecificationError, match="pin_zone needs"):
        load("[social]", LISTENER.replace('zone = "core"', 'zone = "core"\npin_zone = "pads"'))


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("http://127.0.0.1:9000/o", True),
        ("http://[::1]/o", True),
        ("http://localhost/o", True),
        ("http://bank.example/o", False),
        ("http://10.0.0.1/o", False),
        ("ftp://bank.example/o", False),
        ("https://user:secret@bank.example/o", False),
        ("https://bank.example/o#part", False),
        ("https:///o", False),
    ],
)
def test_callback_crosses_no_network_in_clear(load, url, is_taken):
    """Plain HTTP is for loopback, and an address holds no secret."""
    text = CALLBACK.replace("https://bank.example/outcomes", url)
    if is_taken:
        assert load("[store]", text).http.channels["online-bank"].callback.url == url
        return

    with pytest.raises(SpecificationError, match=r"channels\.online-bank\.callback\.url"):
        load("[store]", text)


TLS = """[listeners.core-in.tls]
certificate = "tls/gateway.pem"
private_key = "/etc/gateway/key.pem"
trust = "tls/authorities.pem"
subjects = [{ CN = "core-1", O = "Test Bank" }]
[social]"""


def test_listener_demands_certificates(load, tmp_path):
    """Files relative to the configuration, and whose certificates may connect."""
    tls = load("[social]", LISTENER.replace("[social]", TLS)).listeners["core-in"].tls

    assert (tls.certificate, tls.trust) == (
        tmp_path / "tls/gateway.pem",
        tmp_path / "tls/authorities.pem",
    )
    assert str(tls.private_key) == "/etc/gateway/key.pem"
    assert tls.subjects == ({"CN": "core-1", "O": "Test Bank"},)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("{ CN", "{ SN", "listeners.core-in.tls.subjects.0"),
        ('{ CN = "core-1", O = "Test Bank" }', "{}", "listeners.core-in.tls.subjects.0"),
        ('trust = "tls/authorities.pem"\n', "", "listeners.core-in.tls.trust"),
        ("127.0.0.1:8590", "ssl:8590:privateKey=key.pem", "listeners.core-in"),
    ],
)
def test_certificates_that_make_no_sense_are_refused(load, old, new, key):
    """Unknown attributes, an entry that means nobody, no authority, TLS twice."""
    text = LISTENER.replace("[social]", TLS)
    assert old in text

    with pytest.raises(SpecificationError, match=re.escape(key)):
        load("[social]", text.replace(old, new))


@pytest.mark.parametrize(
    ("listen", "is_taken"),
    [
        ("127.0.0.1:1", True),
        ("localhost:0", True),
        ("[::1]:8080", True),
        ("0.0.0.0:8080", False),
        ("bank.example:8080", False),
    ],
)
def test_tokens_stay_on_loopback_unless_said_otherwise(load, listen, is_taken):
    """Bearer tokens cross a network only when the configuration says so."""
    if is_taken:
        assert load("127.0.0.1:8080", listen).http.listen == listen
        return
    with pytest.raises(SpecificationError, match=r"http: .*beyond_loopback = true"):
        load("127.0.0.1:8080", listen)
    beyond = f'{listen}"\nbeyond_loopback = true\n#'
    assert load("127.0.0.1:8080", beyond).http.listen == listen


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[store]", "[stores]", "stores"),
        ('path = "data/gateway.db"', 'paths = "data"', "store.paths"),
        ('path = "data/gateway.db"', "", "store"),
        ("answer_timeout_s = 12.5", "horizon_s = 7776000", ""),
        ('path = "data/gateway.db"', 'path = "gateway.db"\nurl = "postgresql:///g"', "store"),
        ("10.0.0.1:8583", "10.0.0.1", "links.bureau.address.0"),
        ("10.0.0.1:8583", ":8583", "links.bureau.address.0"),
        ("10.0.0.1:8583", "10.0.0.1:70000", "links.bureau.address.0"),
        ("10.0.0.1:8583", "10.0.0.1:port", "links.bureau.address.0"),
        ('side = "social"', 'side = "financial"', "links"),
        ('side = "financial"', 'side = "social"', "links"),
        ('side = "social"', 'side = "both"', "links.bureau.side"),
        ('zone = "bureau"', 'zone = "Bureau"', "links.bureau.zone"),
        ('"10.0.0.1:8583"', "[]", "links.bureau.address"),
        ('zone = "bureau"', 'zone = "bureau"\nkind = "short"', "links.bureau.kind"),
        ('zone = "bureau"', 'zone = "bureau"\nweights = [1, 1]', "links.bureau"),
        ('zone = "bureau"', 'zone = "bureau"\nweights = [0]', "links.bureau.weights.0"),
        ("[social]", LISTENER.replace("10.0.0.0/8", "10.0.0.300"), "listeners.core-in.peers.0"),
        ("[social]", LISTENER.replace("core-in", "core"), "listeners"),
        ("[social]", LISTENER.replace("core-in", "online-bank"), "listeners"),
        ("[social]", LISTENER.replace('["10.0.0.0/8"]', "[]"), "listeners.core-in.peers"),
        ('zone = "bureau"', 'zone = "bureau"\nin_flight_max = 0', "links.bureau.in_flight_max"),
        (
            'zone = "bureau"',
            'zone = "bureau"\nin_flight_max = "many"',
            "links.bureau.in_flight_max",
        ),
        ('"99000001"', '"9900"', "station.acquirer"),
        ("GATEWAY1", "gateway1", "station.terminal"),
        (DIGEST, "AB" * 32, "http.channels.online-bank.token_sha256"),
        ("answer_timeout_s = 12.5", "answer_timeout_s = 0", "social_limits.answer_timeout_s"),
        ("answer_timeout_s = 12.5", 'answer_timeout_s = "20"', "social_limits.answer_timeout_s"),
        ("answer_timeout_s = 12.5", "answer_timeout_s = inf", "social_limits.answer_timeout_s"),
        ("[store]", '[node]\nlease_s = "30"\n[store]', "node.lease_s"),
        ("[store]", "[node]\nlease_s = true\n[store]", "node.lease_s"),
        ("[http]", '[http]\nbeyond_loopback = "yes"', "http.beyond_loopback"),
        ("[store]", "[retention]\nkeys_days = 90.0\n[store]", "retention.keys_days"),
        ("answer_timeout_s = 12.5", "secret_life_s = 61", "social_limits.secret_life_s"),
        ("answer_timeout_s = 12.5", "repeats_max = 6", "social_limits.repeats_max"),
        ("answer_timeout_s = 12.5", "repeats = 1", "social_limits.repeats"),
        ('specifications = "specs"', "pin_session_life_s = 301", "pin_session_life_s"),
        ('specifications = "specs"', 'log_level = "loud"', "log_level"),
    ],
)
def test_broken_rule_names_file_and_key(load, tmp_path, old, new, key):
    """The process refuses to start and says where to look."""
    with pytest.raises(SpecificationError) as caught:
        load(old, new)

    assert caught.value.file == str(tmp_path / "gateway.toml")
    assert caught.value.key == key
    assert not caught.value.rule.startswith("Value error")


def test_no_channel_is_a_configuration_for_nobody(load):
    """At least one channel must be able to call."""
    channel = f'[http.channels.online-bank]\ntoken_sha256 = "{DIGEST}"'

    with pytest.raises(SpecificationError, match=r"http\.channels: "):
        load(channel, "[http.channels]")


def test_error_does_not_repeat_the_value(load):
    """A token written where its digest belongs is not printed."""
    with pytest.raises(SpecificationError) as caught:
        load(DIGEST, "a-secret-token-in-clear")

    assert "a-secret-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"listen = \xff", "is not UTF-8 text"),
        (b"[http", "not valid TOML"),
    ],
)
def test_file_that_cannot_be_read_is_named(tmp_path, content, rule):
    """A missing, foreign or broken file is an error of one line."""
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SpecificationError, match=rule) as caught:
        load_settings(file)

    assert str(caught.value).startswith(f"{file}: ")


def test_a_shared_store_is_named_by_its_url(load, tmp_path):
    """Its password stands in a file of its own, and the node's own files beside the settings."""
    url = 'url = "postgresql://gateway@db1,db2/gateway"\npassword_file = "pgpass"'

    settings = load('path = "data/gateway.db"', f'{url}\n[node]\nname = "north"')

    assert (settings.store.path, settings.store.password_file) == (None, tmp_path / "pgpass")
    assert (settings.node.name, settings.beside) == ("north", tmp_path / "north")


def test_channels_have_a_token_each(load):
    """With one token for two it would be chance which channel calls."""
    other = f'[http.channels.other]\ntoken_sha256 = "{DIGEST}"\n[store]'

    with pytest.raises(SpecificationError, match="a token of its own") as refused:
        load("[store]", other)
    assert refused.value.key == "http"


def test_channels_belong_to_the_stations_bank_unless_it_is_said(load):
    """A channel, and a core's listener, name another institution where they are another bank's."""
    whose = 'zone = "core"\ninstitution = "099000002"\n[social]'
    other = '[http.channels.other]\ntoken_sha256 = "{}"\ninstitution = "99000003"\n[store]'

    cores = load("[social]", LISTENER.replace('zone = "core"\n[social]', whose))
    channels = load("[store]", other.format("0" * 64))

    own = {"online-bank": "99000001"}
    assert cores.institutions == own | {"core-in": "99000002"}
    assert channels.institutions == own | {"other": "99000003"}
