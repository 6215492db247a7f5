"""Mistakes that somebody could make in the gateway, each of which a history must find.

=============  =====================================================================
module         holds
=============  =====================================================================
``mistake``    what a mistake is
``recording``  recording before acting
``traces``     trace numbers, and what a repeat is
``silence``    what it means that no answer came
``answers``    what an answer means
``planning``   what comes next, and what is told
``turns``      keys, sessions, links and cards, one at a time
``sides``      what one side must not hear, and nobody of a PIN
``losses``     losses, and a card in place of another
``callbacks``  what a channel is told for which nobody waits
``cores``      what a core asks for, and takes back
``nodes``      several nodes on one store
``staff``      what two persons decide
=============  =====================================================================
"""

from simulation.planted import (
    answers,
    callbacks,
    cores,
    losses,
    nodes,
    planning,
    recording,
    sides,
    silence,
    staff,
    traces,
    turns,
)
from simulation.planted.mistake import MISTAKES, Mistake

KINDS = (
    recording,
    traces,
    silence,
    answers,
    planning,
    turns,
    sides,
    losses,
    callbacks,
    cores,
    nodes,
    staff,
)
__all__ = ["KINDS", "MISTAKES", "Mistake"]
