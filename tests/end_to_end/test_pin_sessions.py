"""PIN sessions whose time is over, where they last three seconds."""

from datetime import datetime

from gateway.app.clock import utc_now


def test_expired_session_is_refused(brief_town, newcomer, eventually):
    """A session that is over sets nothing."""
    citizen = newcomer(of=brief_town).linked()
    session = citizen.session()
    body = citizen.pin_body("738291", session)
    mark = brief_town.bureau_peer.mark()
    eventually(lambda: utc_now() >= datetime.fromisoformat(session["expires_at"]))

    answer = citizen.send_pin(body)

    assert (answer.status, answer.body["code"]) == (409, "PIN_SESSION_UNUSABLE")
    assert brief_town.bureau_peer.received(mark, "pin-set") == []
