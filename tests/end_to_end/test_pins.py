"""Which PINs are refused and why, on the real path: browser's envelope, module, and no message."""

import json

import pytest
from joserfc.jwk import ECKey

from gateway.app.online_bank import seal_pin

TRIVIAL = [
    *("111111", "123456", "654321", "890123", "135791"),
    *("121212", "123123", "112233", "111222", "147258", "251231"),
]
BIRTH_DATE = {
    "birth date, yymmdd": lambda who: who.at_bank.citizen_id[8:14],
    "birth date, yyyymm": lambda who: who.at_bank.citizen_id[6:12],
    "birth date, mmddyy": lambda who: born(who)[4:] + born(who)[2:4],
    "birth date, ddmmyy": lambda who: born(who)[6:] + born(who)[4:6] + born(who)[2:4],
}
PERSONAL = {
    "mobile, its end": lambda who: who.at_bank.mobile[-6:],
    "mobile, its beginning": lambda who: who.at_bank.mobile[:6],
    "card, its end": lambda who: who.card[-6:],
    "citizen id, its middle": lambda who: who.at_bank.citizen_id[3:9],
}


def born(who):
    return who.at_bank.citizen_id[6:14]


def refused_without_a_message(answer, peer, mark, message="pin-set"):
    """Give the code of a refusal after which nothing was sent."""
    assert peer.received(mark, message) == []
    return answer.status, answer.body["code"]


@pytest.mark.parametrize(
    "pin",
    ["12345", "7382915", "7382a1", "", "\uff17\uff13\uff18\uff12\uff19\uff11", " 73829", "-73829"],
)
def test_pin_of_another_form_is_refused(citizen, bureau, pin):
    """A PIN has six ASCII digits: nothing else, and nothing of it in the answer."""
    citizen.linked()
    mark = bureau.mark()

    answer = citizen.set_pin(pin)

    assert refused_without_a_message(answer, bureau, mark) == (422, "PIN_FORMAT")
    assert not pin or pin not in json.dumps(answer.body, ensure_ascii=False)


@pytest.mark.parametrize("pin", TRIVIAL)
def test_pattern_is_refused(citizen, bureau, pin):
    """Same digits, runs, repeated groups, keypad patterns and any date are too simple."""
    citizen.linked()
    mark = bureau.mark()

    answer = citizen.set_pin(pin)

    assert refused_without_a_message(answer, bureau, mark) == (422, "PIN_TRIVIAL")
    assert pin not in json.dumps(answer.body)


@pytest.mark.parametrize("form", PERSONAL)
def test_pin_from_the_customers_own_numbers_is_refused(citizen, bureau, form):
    """Mobile, card and id are no PIN, and the answer does not say which it was."""
    citizen.linked()
    mark = bureau.mark()

    answer = citizen.set_pin(PERSONAL[form](citizen.who))

    status, code = refused_without_a_message(answer, bureau, mark)
    assert status == 422
    assert code in {"PIN_PERSONAL", "PIN_TRIVIAL"}  # a part may also look like somebody's date


@pytest.mark.parametrize("form", BIRTH_DATE)
def test_birth_date_is_refused_as_any_date(citizen, bureau, form):
    """The holder's birth date is refused, and the answer does not say that it was the holder's."""
    citizen.linked()
    mark = bureau.mark()

    answer = citizen.set_pin(BIRTH_DATE[form](citizen.who))

    assert refused_without_a_message(answer, bureau, mark) == (422, "PIN_TRIVIAL")


def test_weak_financial_pin_is_refused_by_the_banks_own_rule(newcomer, core):
    """A part of the account number is no financial PIN; nothing reaches the core."""
    citizen = newcomer(fresh=True).linked()
    mark = core.mark()

    answers = [citizen.activate("123456"), citizen.activate(citizen.who.pan[-7:-1])]

    codes = [answer.body["code"] for answer in answers]
    assert codes == ["PIN_TRIVIAL", "PIN_PERSONAL"]
    assert core.received(mark, "account-activation") == []


def test_eleventh_refusal_within_an_hour_stops_the_guessing(citizen, bureau):
    """A card whose PINs were refused ten times has no eleventh try."""
    citizen.linked()
    mark = bureau.mark()

    answers = [citizen.set_pin("111111") for _ in range(10)]
    last = citizen.set_pin("738291")

    assert {answer.body["code"] for answer in answers} == {"PIN_TRIVIAL"}
    assert refused_without_a_message(last, bureau, mark) == (429, "PIN_RATE_LIMITED")


# ---------------------------------------------------------------- sessions


def test_session_serves_once(citizen, bureau):
    """A used session sets nothing more, with the same envelope or another."""
    citizen.linked()
    session = citizen.session()
    body = citizen.pin_body("738291", session)
    first, mark = citizen.send_pin(body), bureau.mark()

    answers = [citizen.send_pin(body), citizen.send_pin(citizen.pin_body("516047", session))]

    assert first.status == 200
    for answer in answers:
        told = refused_without_a_message(answer, bureau, mark)
        assert told == (409, "PIN_SESSION_UNUSABLE")
    assert bureau.accepts(citizen.who, "738291")


def test_refused_pin_uses_its_session_up(citizen, bureau):
    """After a weak PIN the customer begins with a new session."""
    citizen.linked()
    session, mark = citizen.session(), bureau.mark()
    citizen.send_pin(citizen.pin_body("123456", session))

    answer = citizen.send_pin(citizen.pin_body("738291", session))

    told = refused_without_a_message(answer, bureau, mark)
    assert told == (409, "PIN_SESSION_UNUSABLE")


def test_newest_session_wins(citizen, bureau):
    """Opening a session ends the one before."""
    citizen.linked()
    older, newer = citizen.session(), citizen.session()
    mark = bureau.mark()

    refused = citizen.send_pin(citizen.pin_body("738291", older))
    told = refused_without_a_message(refused, bureau, mark)
    accepted = citizen.send_pin(citizen.pin_body("738291", newer))

    assert told == (409, "PIN_SESSION_UNUSABLE")
    assert accepted.status == 200


def test_session_belongs_to_one_link_and_one_purpose(newcomer, bureau):
    """Another link's session, and one for the financial PIN, are no sessions here."""
    citizen, neighbour = newcomer().linked(), newcomer().linked()
    mark = bureau.mark()
    bodies = [
        citizen.pin_body("738291", neighbour.session()),
        citizen.pin_body("738291", citizen.session("financial-pin")),
    ]

    answers = [citizen.send_pin(body) for body in bodies]

    for answer in answers:
        told = refused_without_a_message(answer, bureau, mark)
        assert told == (409, "PIN_SESSION_UNUSABLE")


# ---------------------------------------------------------------- envelopes


def altered(envelope, part):
    """Change one character in the middle of one of the five parts of a compact JWE."""
    parts = envelope.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle : middle + 1] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


def foreign_key(_citizen, session):
    return seal_pin(ECKey.generate_key("P-256").as_dict(private=False), session, "738291")


def key_of(citizen, purpose):
    keys = citizen.bank.get("/v1/jwks.json").body["keys"]
    return next(key for key in keys if key["purpose"] == purpose)


ENVELOPES = {
    "header altered": lambda c, s: altered(c.bank.encrypt(s, "738291"), 0),
    "a key inserted": lambda c, s: altered(c.bank.encrypt(s, "738291"), 1),
    "vector altered": lambda c, s: altered(c.bank.encrypt(s, "738291"), 2),
    "text altered": lambda c, s: altered(c.bank.encrypt(s, "738291"), 3),
    "tag altered": lambda c, s: altered(c.bank.encrypt(s, "738291"), 4),
    "cut short": lambda c, s: c.bank.encrypt(s, "738291")[:-8],
    "no envelope": lambda _c, _s: "738291",
    "another key": foreign_key,
    "the other side's key": lambda c, s: seal_pin(key_of(c, "financial-pin"), s, "738291"),
    "the other side's key and name": lambda c, s: seal_pin(
        key_of(c, "financial-pin"), s | {"kid": key_of(c, "financial-pin")["kid"]}, "738291"
    ),
    "another session's nonce": lambda c, s: c.bank.encrypt(s | {"nonce": "0" * 22}, "738291"),
}


@pytest.mark.parametrize("way", ENVELOPES)
def test_every_broken_envelope_has_one_answer(citizen, bureau, way):
    """Whatever is wrong with the envelope, the code is the same and nothing is sent."""
    citizen.linked()
    session, mark = citizen.session(), bureau.mark()
    envelope = ENVELOPES[way](citizen, session)

    answer = citizen.send_pin({"pin_session": session["pin_session"], "encrypted_pin": envelope})

    assert refused_without_a_message(answer, bureau, mark) == (422, "PIN_ENVELOPE")
    assert set(answer.body) == PROBLEM_MEMBERS


PROBLEM_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "retryable",
    "user_message",
    "next_action",
    "operation",
}
