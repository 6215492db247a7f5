"""What a core's 0420 takes back, where another node or nobody else is faster."""

import asyncio

import pytest

from gateway.api.service import Caller, IdempotencyKey
from gateway.app import core_record as module
from gateway.app.core_reversals import CoreReversals, Named
from gateway.app.identifiers import Identifiers
from gateway.app.intake import Intake
from gateway.regions.vocabulary import Channel
from gateway.store.journal import Conflict
from gateway.store.tables import idempotency_keys
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal

CORE = Caller("core-in", None, "", Channel.COUNTER)
REVERSAL, ORIGINAL = (IdempotencyKey(name, bytes(32)) for name in ("0420/1", "0300/1"))


class Nothing:
    """A store in which nothing stands."""

    def key(self, _channel, _key):
        return None

    def asked(self, *_names):
        return None, None


@pytest.fixture
def reversals(stage):
    """Give the reversals over a stage's conductor and an empty store."""

    async def read(query):
        return query(Nothing())

    intake = Intake(
        conductor=stage.conductor,
        read=read,
        pins=None,
        catalogue=None,
        identifiers=Identifiers(stage.timers.now),
        is_ready=stage.dialogues.is_ready,
        zone=None,
        now=stage.timers.now,
        answer_wait_s=1.0,
    )
    return CoreReversals(intake, card_life=None)


@pytest.mark.parametrize(
    ("failing", "refusal"),
    [({}, Refusal.NOT_FOUND), ({1: Conflict("held")}, Refusal.IN_PROGRESS)],
)
def test_reversal_that_meets_its_original_is_to_be_asked_again(stage, reversals, failing, refusal):
    """Both write the same key; only who bars the original may say that it is not there."""
    stage.journal.failing = failing

    with pytest.raises(RequestRefused) as caught:
        asyncio.run(
            reversals.undo(CORE, REVERSAL, Named(ORIGINAL, stage.cargo.account.pan, stage.link))
        )

    assert caught.value.refusal is refusal


def test_every_refusal_that_is_kept_fits_its_column():
    """A longer one would be an error of PostgreSQL, at which the node stops."""
    # The HTTP room alone refuses for a key that is missing, and keeps nothing under none.
    kept = {each for each in Refusal if not each.retryable} - {Refusal.IDEMPOTENCY_KEY_MISSING}

    longest = max(len(module.REFUSED + each.value) for each in kept)

    assert longest <= idempotency_keys.c.resource.type.length
