"""The financial side: what is said to a bank core about an account, and how answers are read.

Nothing here knows of the social side; the two meet in ``linking`` under a link reference.

=============  =================================================================
module         holds
=============  =================================================================
``account``    the account, its owner, its states, the services a customer may add
``exchanges``  the exchanges with a core, and the draft of each message
``answers``    what an answer of a core says, and the refusal it means
=============  =================================================================
"""
