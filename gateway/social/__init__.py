"""The social side: what is said to a bureau about an SS card, and how its answers are read.

Nothing here knows of the financial side; the two meet in ``linking`` under a link reference.

=============  =================================================================
module         holds
=============  =================================================================
``card``       the card, its holder, the states of card and SS PIN
``exchanges``  the exchanges with a bureau, and the draft of each message
``answers``    what an answer of a bureau says, and the refusal it means
=============  =================================================================
"""
