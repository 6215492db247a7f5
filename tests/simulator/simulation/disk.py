"""What is durable: a model of the store, written by `Unit`s and read by the words of `Queries`."""

import json
from dataclasses import replace
from operator import attrgetter

from gateway.financial import account as financial
from gateway.financial.account import AccountRecord, FinancialAccount
from gateway.linking.kinds import BESIDE_OTHERS, EXCHANGES
from gateway.linking.link import Link, LinkChanged, LinkState, PinSession, SessionUsed
from gateway.operations.exchange import ExchangeEvent
from gateway.operations.facts import Moved, OperationState, from_json, to_json
from gateway.operations.notice import Notice, NoticeDelivered, NoticeGivenUp, NoticeTried
from gateway.operations.operation import replay
from gateway.social import card as social
from gateway.social.card import CardRecord, CardReplaced, SocialCard
from gateway.store.errors import Conflict
from gateway.store.found import Linked, StoredKey
from gateway.store.unit import KeyUsed, LetGo, still_bars

_NEW_TRACE = frozenset({ExchangeEvent.SEND, ExchangeEvent.INQUIRE, ExchangeEvent.REVERSE})


class Row:
    """What is stored of one operation; `texts` are its facts as JSON, one for each commit."""

    __slots__ = ("folded", "id", "kind", "link", "owner", "place", "rests", "state", "texts")

    def __init__(self, operation, place):
        self.id, self.kind, self.link = operation.id, operation.kind, operation.link
        self.place = place  # among all that were opened
        self.owner = ""  # the node that carries it on
        self.state, self.rests = operation.state, False
        self.texts = []
        self.folded = (0, None)  # from how many texts it was folded last, and the operation


class Disk:
    """Committed units, readable as `Queries`."""

    def __init__(self, watch):
        self._watch = watch
        self.writer = ""  # the process whose units are being committed
        self.node = ""  # … and the name of its node
        self.notice_rows = {}  # by id: what is to be told, or was given up
        self.rows = {}  # by operation, in the order of their opening
        self.holds = {}  # by link: the operation that must be over before another begins
        self.keys, self.sessions, self.counters = {}, {}, {}
        self._sessions_now = {}  # by link and purpose: the newest, which alone may be of use
        self.links, self.cards, self.accounts, self.holding = {}, {}, {}, {}
        self.sendings = {}  # by operation, exchange and STAN: durable decisions to send
        self._stan_now = {}
        self.card_losses, self.account_losses = {}, {}  # by number, whichever link leads there
        self.replaced = {}  # by card number: that of the card in its place

    # ------------------------------------------------------------ writing

    def commit(self, units):
        """Make units durable together; gives for each None or `Conflict`."""
        return [self._commit_one(unit) for unit in units]

    def reserve(self, name, size):
        """Take the next numbers of a counter; gives the first."""
        first = self.counters.get(name, 0)
        self.counters[name] = first + size
        return first

    def begin_counters(self, names, first):
        """Let counters begin there."""
        self.counters.update(dict.fromkeys(names, first))

    def _commit_one(self, unit):
        written = [(progress, _rests(progress)) for progress in unit.progress]
        if self._conflicts(unit, written):
            return Conflict("the unit breaks a uniqueness rule of the store")
        for record in unit.records:
            if isinstance(record, Notice):
                self._watch.noticed(record)
        for progress, rests in written:
            self._progress(progress, rests)
        for record in unit.records:
            self._record(record)
        return None

    def _conflicts(self, unit, written):
        if any(map(self._cannot_be_kept, unit.records)):
            return True
        for progress, rests in written:
            if _must_be_alone(progress, rests) and progress.operation.link.value in self.holds:
                return True
        return False

    def _cannot_be_kept(self, record):
        match record:
            case SocialCard():
                return record.number.value in self.holding
            case KeyUsed():
                return (record.channel, record.key) in self.keys
            case SessionUsed():
                return self.sessions[record.session].is_used
            case NoticeTried():
                known = self.notice_rows.get(record.notice)
                return known is None or known.attempts != record.attempts - 1
            case LinkChanged(state=LinkState.PENDING):
                return self.cards[record.link].number.value in self.holding
            case _:
                return False

    def _progress(self, progress, rests):
        operation, identity = progress.operation, progress.operation.id.value
        fresh = operation.facts[progress.recorded :]
        row = self.rows.get(identity)
        if row is None:
            row = self.rows[identity] = Row(operation, len(self.rows))
        row.owner = self.node  # what rests may be woken by any node
        row.state, row.rests = operation.state, rests
        if _must_be_alone(progress, rests):
            self.holds[row.link.value] = identity
        elif rests and not still_bars(operation):
            self._let_go(row)
        if fresh:
            text = to_json(fresh)
            row.texts.append(text)
            self._watch.recorded(self.writer, operation, fresh, text)
        for fact in fresh:
            if isinstance(fact, Moved):
                self._count_sending(identity, fact.exchange, fact.move)
        self._watch.written(identity, row.owner, rests=rests)

    def _let_go(self, row):
        if self.holds.get(row.link.value) == row.id.value:
            del self.holds[row.link.value]

    def _count_sending(self, identity, exchange, step):
        if step.event in _NEW_TRACE:
            self._stan_now[identity, exchange] = step.trace.stan.value
        elif step.event is not ExchangeEvent.REPEAT:
            return
        sending = (identity, exchange, self._stan_now.get((identity, exchange)))
        self.sendings[sending] = self.sendings.get(sending, 0) + 1

    def _record(self, record):
        self._watch.kept(record)
        match record:
            case Link():
                self.links[record.id] = record
            case SocialCard():
                self.cards[record.link] = record
                self.holding[record.number.value] = record.link
            case FinancialAccount():
                self.accounts[record.link] = record
            case PinSession():
                self._end_sessions(record)
                self.sessions[record.id] = record
            case KeyUsed():
                self.keys[record.channel, record.key] = record
            case _:
                self._change(record)

    def _end_sessions(self, newer):
        now = self._sessions_now.get((newer.link, newer.purpose))
        if now is not None:
            self.sessions[now] = replace(self.sessions[now], is_used=True)
        self._sessions_now[newer.link, newer.purpose] = newer.id

    def _change(self, record):
        match record:
            case Notice() | NoticeTried() | NoticeDelivered() | NoticeGivenUp():
                self._notice(record)
            case LinkChanged():
                self._change_link(record)
            case SessionUsed():
                used = replace(self.sessions[record.session], is_used=True)
                self.sessions[record.session] = used
            case LetGo():
                row = self.rows[record.operation.value]
                row.rests = True
                self._let_go(row)
            case _ if isinstance(record, CardRecord):
                self._keep_card(record)
            case _ if isinstance(record, AccountRecord):
                self._keep_account(record)
            case _:
                raise TypeError(type(record).__name__)

    def _keep_account(self, record):
        before = self.accounts[record.link]
        number = before.pan.value
        loss = self.account_losses.get(number, before.loss)
        before = before if loss is before.loss else replace(before, loss=loss)
        account = self.accounts[record.link] = financial.keep(before, record)
        _keep_loss(self.account_losses, number, account.loss)

    def _keep_card(self, record):
        before = self.cards[record.link]
        number = before.number.value
        loss = self.card_losses.get(number, before.loss)
        before = before if loss is before.loss else replace(before, loss=loss)
        card = self.cards[record.link] = social.keep(before, record)
        _keep_loss(self.card_losses, number, card.loss)
        if isinstance(record, CardReplaced):
            del self.holding[number]
            self.replaced[number] = card.number.value
            self.holding[card.number.value] = record.link

    def _notice(self, record):
        match record:
            case Notice():
                self.notice_rows[record.id] = record
            case NoticeTried():
                known = self.notice_rows[record.notice]
                tried = replace(known, attempts=record.attempts, due_at=record.due_at)
                self.notice_rows[record.notice] = tried
            case NoticeDelivered():
                self.notice_rows.pop(record.notice, None)
            case NoticeGivenUp():
                self._watch.gives_up(record.notice)
                known = self.notice_rows[record.notice]
                self.notice_rows[record.notice] = replace(known, due_at=None)

    def _change_link(self, change):
        before, card = self.links[change.link], self.cards[change.link].number.value
        activated_at = before.activated_at
        if change.state is LinkState.PENDING:
            self.holding[card] = change.link
        elif change.state.holds_card:
            activated_at = change.at
        elif self.holding.get(card) == change.link:
            del self.holding[card]
        link = replace(before, state=change.state, activated_at=activated_at)
        self.links[change.link] = link

    # ------------------------------------------------------------ reading, as `Queries` does

    def run(self, query):
        return query(self)

    def linked(self, link, session=None):
        if link not in self.links:
            return None
        along = self.session(session) if session else None
        found, card, account = self.links[link], self.cards[link], self.accounts[link]
        card = _with_loss(card, self.card_losses.get(card.number.value, card.loss), found)
        of_account = self.account_losses.get(account.pan.value, account.loss)
        return Linked(found, card, _with_loss(account, of_account, found), along)

    def asked(self, channel, key, link=None, session=None):
        return self.key(channel, key), self.linked(link, session)

    def link_holding(self, number):
        return self.holding.get(number.value)

    def key(self, channel, key):
        used = self.keys.get((channel, key))
        return StoredKey(used.request_digest, used.resource) if used else None

    def holder(self, link):
        holder = self.holds.get(link.value)
        return self.rows[holder].state if holder else None

    def session(self, session):
        return self.sessions.get(session)

    def operation(self, identity):
        row = self.rows.get(identity.value)
        return None if row is None else self.fold(row)

    def fold(self, row):
        """Fold an operation from its facts, as they were written."""
        count, folded = row.folded
        if count != len(row.texts):
            facts = [from_json(body) for text in row.texts for body in json.loads(text)]
            folded = replay(row.id, facts, EXCHANGES.__getitem__)
            row.folded = (len(row.texts), folded)
        return folded

    def unfinished_after(self, after, count_max, node=""):
        found = [
            row.id
            for row in self.rows.values()
            if not row.rests and row.owner == node and (after is None or row.id.value > after.value)
        ]
        return sorted(found, key=attrgetter("value"))[:count_max]

    def operations(self, identifiers):
        found = map(self.operation, identifiers)
        return [operation for operation in found if operation is not None]

    def notices(self, channel, count_max):
        waiting = [
            each
            for each in self.notice_rows.values()
            if each.channel == channel and each.due_at is not None
        ]
        return sorted(waiting, key=lambda each: each.due_at.isoformat())[:count_max]

    @property
    def is_at_rest(self):
        """Tell whether nothing is unfinished, and nothing is to be told any more."""
        for notice in self.notice_rows.values():
            if notice.due_at is not None:
                return False
        return all(row.rests for row in self.rows.values())

    def claim(self, identifiers, node):
        """Let a node carry operations on."""
        for identity in identifiers:
            self.rows[identity.value].owner = node

    def all_linked(self, links):
        return {link: self.linked(link) for link in links if link in self.links}

    def manual_count(self):
        return len(self.manual())

    # ------------------------------------------------------------ what the watch asks

    def state_of(self, identity):
        row = self.rows.get(identity.value)
        return row and row.state

    def manual(self):
        """Give the operations that wait for a person, in the order of their opening."""
        manual = OperationState.MANUAL
        return [row.id for row in self.rows.values() if row.state is manual]

    def links_in(self, state):
        """Give the links of the operations in a state."""
        return {row.link for row in self.rows.values() if row.state is state}

    def active_link(self, card):
        """Give the link that a card has, and whether it is active."""
        link = self.holding.get(card)
        return link, link is not None and self.links[link].state is LinkState.ACTIVE


def _keep_loss(losses, number, loss):
    if loss is None:
        losses.pop(number, None)
    else:
        losses[number] = loss


def _with_loss(half, loss, link):
    """Give what a side keeps with the loss that stands, where it concerns the link."""
    if loss is not None and not loss.concerns(link.id, link.created_at):
        loss = None
    return half if loss is half.loss else replace(half, loss=loss)


def _rests(progress):
    """Tell whether a restart would leave an operation be."""
    return progress.is_let_go or progress.operation.is_at_rest


def _must_be_alone(progress, rests):
    """Tell whether an operation opens that no other may run beside on its link."""
    opens = not progress.recorded and progress.operation.kind not in BESIDE_OTHERS
    return opens and not rests
