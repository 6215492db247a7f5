"""Bureaus and cores as a peer promises to be: each request once, undone when asked, remembered.

Written without a look at `gateway.simulators`, so that a mistake there is not mirrored here.
"""

from functools import cache

from gateway.iso8583 import private_data
from gateway.iso8583.message import Message, without_repeat
from gateway.simulators.population import person as any_person
from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode as R
from gateway.terms.sides import Side
from simulation.card_rules import NEW_CARD, CardRules

person = cache(any_person)
_OPEN = tuple(code for code in R if code.leaves_outcome_open)
_UNDONE = {R.APPROVED.value, R.ORIGINAL_NOT_FOUND.value}  # any other reversal is decided anew


class FarSide(CardRules):
    """One bureau or core: its rules, and the log of every effect that it brought about."""

    def __init__(self, speech, world):
        self.speech = speech
        self._world = world
        self._watch = world.watch
        self._storm = world.storm
        self._chance = world.chance_of(f"far-side {speech.name}")
        self._taken = {}  # by key: (fingerprint, answer)
        self._done = {}  # by key: name of the request, LK, and whether it stands
        self._tombstones = set()
        self.active = {}  # by card or account: its active link
        self.ended = set()  # links that ended here or were refused
        self.pins = {}  # by card: the PIN block in force
        self.accounts = set()  # activated here
        self.followed = set()  # cards whose SS account followed
        self.lost = {}  # by card or account: kind and reference of its loss
        self.ordered = set()  # cards in place of which another one waits
        self._told = {}  # by key of what was done: what was told of it

    def take(self, data):
        """Take one message in; gives the answer's bytes, or None when there is none."""
        speech = self.speech
        request = self._watch.sent_bytes.get(data)  # as it would decode: the codec's own tests
        if request is None:
            try:
                request = speech.codec.read(data, speech.mac)
            except PeerError:
                return None  # not ours, or spoilt on the way: a peer does not answer that
        kind = speech.message_set.check_request(request)
        if self._storm.fires("far-side-crash-before"):
            return None
        answer = self._said(kind, request)
        if answer is None:
            return None
        data = speech.codec.encode(answer, speech.mac)
        self._watch.answered(speech, request, answer, data)
        return data

    def _said(self, kind, request):
        if self._storm.fires("open-code"):
            return kind.answer(request, self._open_code(kind))
        answer = self._answer(kind, request)
        if self._storm.fires("far-side-crash-after"):
            return None
        if self._storm.fires("open-code-for-done"):
            return kind.answer(request, self._open_code(kind))
        return answer

    def _open_code(self, kind):
        return self._chance.choice([code for code in _OPEN if code in kind.response_codes]).value

    # ------------------------------------------------------------ once

    def _answer(self, kind, request):
        key = _key(request.mti, request.text(11), request.text(7))
        taken = self._taken.get(key)
        if taken is None:
            answer = self._decide(kind, request, key)
            if kind.name != "reversal" or answer.text(39) in _UNDONE:
                self._taken[key] = (_fingerprint(request), answer)
            return answer
        if taken[0] != _fingerprint(request):
            self._watch.fail(7, f"{kind.name} came again with other fields than DE 7 and 11 knew")
        return taken[1]

    def _decide(self, kind, request, key):
        private = private_data.unpack(request.text(48)) if 48 in request.fields else {}
        if kind.name == "reversal":
            return self._reverse(kind, request)
        if kind.name == "outcome-inquiry":
            return self._inquire(kind, request)
        if key in self._tombstones:
            return kind.answer(request, R.STATE_DOES_NOT_ALLOW.value)
        code, told = self._carry_out(kind, request, private)
        if code is R.APPROVED and kind.recovery != "query":
            self._done[key] = [kind.name, private.get("LK"), request]
            self._told[key] = told or {}
            self._watch.effect(self.speech.name, key, +1)
        return kind.answer(request, code.value, told)

    def _named(self, request):
        original = request.text(90)
        key = _key(original[:4], original[4:10], original[10:20])
        self._watch.original_named(self.speech.name, key)
        return key

    def _reverse(self, kind, request):
        key = self._named(request)
        if self._storm.fires("decline-reversal"):
            code = self._chance.choice([R.FORMAT_ERROR, R.MALFUNCTION, R.NOT_SUPPORTED])
            return kind.answer(request, code.value)
        if key not in self._taken:
            self._tombstones.add(key)
            return kind.answer(request, R.ORIGINAL_NOT_FOUND.value)
        done = self._done.get(key)
        if done is not None and self._is_replaced(*done):
            return kind.answer(request, R.MALFUNCTION.value)
        if done is not None:
            del self._done[key]
            self._undo(*done)
            self._watch.effect(self.speech.name, key, -1)
        return kind.answer(request, R.APPROVED.value)

    def _is_replaced(self, name, link, request):
        """Tell whether a removal cannot be undone any more: there is another link by now."""
        now = self.active.get(self.speech.subject(request))
        return name == "link-remove" and now not in {None, link}

    def undo_by_hand(self, key):
        """Undo what stands of a request, as a person there does who is asked by letter."""
        self._undo(*self._done.pop(key))
        self._watch.effect(self.speech.name, key, -1)

    def _undo(self, name, link, request):
        who = self.speech.subject(request)
        if name == "link-register" and self.active.get(who) == link:
            del self.active[who]
            self.ended.add(link)
        elif name == "link-remove":
            self.active[who] = link
            self.ended.discard(link)

    def _inquire(self, kind, request):
        key = self._named(request)
        if key not in self._taken:
            self._tombstones.add(key)
            return kind.answer(request, R.ORIGINAL_NOT_FOUND.value)
        if key in self._done:
            return kind.answer(request, R.APPROVED.value, self._told[key])
        return kind.answer(request, R.STATE_DOES_NOT_ALLOW.value, {"RC": "REFUSED_22"})

    # ------------------------------------------------------------ rules

    def _carry_out(self, kind, request, private):
        if kind.recovery != "advice" and self._storm.fires("decline"):
            definite = [
                code
                for code in map(R, kind.response_codes)
                if not (code.is_approval or code.leaves_outcome_open)
                and code is not R.ORIGINAL_NOT_FOUND
            ]
            return self._chance.choice(definite), None
        rule = getattr(self, "_" + kind.name.replace("-", "_"))
        return rule(self.speech.subject(request), private.get("LK"), request)

    def _card_inquiry(self, card, _link, _request):
        who = person(int(card[1:]) % NEW_CARD).at_bureau
        state = self.lost[card][0] if card in self.lost else "N"
        found = {"NM": who.name, "ID": who.citizen_id, "MB": who.mobile, "CS": state, "PS": "U"}
        return R.APPROVED, found

    def _account_inquiry(self, pan, _link, _request):
        who = person(int(pan[6:-1]))
        holder = who.at_bank
        found = {"CU": who.customer, "NM": holder.name, "ID": holder.citizen_id}
        return R.APPROVED, found | {"MB": holder.mobile, "AS": "L" if pan in self.lost else "N"}

    def _link_register(self, who, link, _request):
        if who in self.lost:
            return R.LOST, None
        if who in self.active or link in self.ended:
            return R.STATE_DOES_NOT_ALLOW, None
        self.active[who] = link
        return R.APPROVED, None

    def _link_remove(self, who, link, _request):
        if self.active.get(who) != link:
            return R.ORIGINAL_NOT_FOUND, None
        del self.active[who]
        self.ended.add(link)
        return R.APPROVED, None

    def _account_activation(self, pan, link, request):
        if self.active.get(pan) != link:
            return R.STATE_DOES_NOT_ALLOW, {"RC": "NO_ACTIVE_LINK"}
        if pan in self.lost:
            return R.LOST, None
        if pan in self.accounts:
            return R.STATE_DOES_NOT_ALLOW, {"RC": "ALREADY_ACTIVE"}
        self.accounts.add(pan)
        self.pins[pan] = request.fields[52]
        return R.APPROVED, {"AS": "A"}

    def _account_activated(self, card, link, _request):
        refusal = self.unusable(card, link)
        if refusal is not None:
            return R.STATE_DOES_NOT_ALLOW, None
        self.followed.add(card)
        return R.APPROVED, {"CS": "N"}


class Speech:
    """How one link speaks: side, codec, message set, and a MAC key that is its own."""

    def __init__(self, name, side, codec, message_set, mac):
        self.name, self.side, self.codec = name, side, codec
        self.message_set, self.mac = message_set, mac
        self._subject = 2 if side is Side.FINANCIAL else 102
        self.mac_field = 64 if side is Side.FINANCIAL else 128

    def subject(self, request):
        """Give the card or the account that a request is about."""
        return request.text(self._subject)


def _key(mti, stan, transmitted):
    return (without_repeat(mti)[:3], stan, transmitted)


key_of = _key


def _fingerprint(request: Message):
    return tuple(sorted((de, v) for de, v in request.fields.items() if de not in {64, 128}))
