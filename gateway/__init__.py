"""The bank-side gateway for social-security (SS) cards: the map of its rooms.

A room is pure or shell, never both, and imports only rooms on lines below its own; rooms on one
line do not import each other. The contracts in ``pyproject.toml`` prove it in the tests. ::

    shell   app                              sees everything: wiring, conductor, commands
            api | wire | store | hsm | simulators
    pure    linking                          operations of both sides: link, PIN, activation
            social | financial               one side's messages and answers
            operations | regions             the durable operation | what a region allows
            iso8583 | pinblock               messages and sessions | PIN formats and policy
            terms                            numbers that print masked, refusals, errors

How a request goes through: ``api`` reads it, ``app.service`` looks up and checks, the security
module of one side (``hsm``, a process of its own) opens, judges and enciphers a PIN in one call,
``operations.life`` decides by a plan of ``linking``, ``app.conductor`` has ``store`` (another
process) make the facts durable and only then lets ``wire`` send, in the words of a message set that
``iso8583`` checks. The answer comes back as the next event of the same operation.
"""
