"""The durable operation: what it has done, what is in doubt, and what follows.

Pure: state and event in, facts and effects out. The conductor in ``app`` records the facts before
it carries out the effects, so that after a crash the facts alone say what is left to do.

=============  =====================================================================
module         holds
=============  =====================================================================
``exchange``   one request to one far side until its outcome is known: a table
``copies``     copies of values with some members changed
``draft``      what is to be said, before it has trace numbers
``recovery``   what each kind of exchange does when its answer is overdue
``facts``      what is recorded, and its form in the journal
``operation``  the operation as folded from its facts
``resolution`` what a person may say of an operation that the gateway gave up
``notice``     what a channel is told of an outcome for which nobody waits
``life``       decides: event in, facts and effects out, following the operation's plan
=============  =====================================================================
"""
