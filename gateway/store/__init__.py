"""The durable store: tables in four groups, a journal with group commit, and a reader.

All of it but the client runs in a process of its own, beside the gateway's event loop: no query and
no transaction takes a moment of that interpreter, and no data key is in its memory.

==============  =================================================================
module          holds
==============  =================================================================
``client``      the gateway's end: what is asked for, and who is told
``silence``     whether it answers, as the client sees it
``host``        the store's end: journal and reader behind one socket
``frames``      what crosses between both
``questions``   what may be asked, each as a value
``unit``        what one decision makes durable, and how it crosses
``found``       what is found, and how it crosses
``members``     cards, accounts and losses, as they are enciphered and as they cross
``lease``       for how long a node's name is its own
``errors``      what is said of a unit that does not stand
``chores``      what the store does of its own, by name
``tables``      the tables of each group; no foreign key crosses a group
``schema``      makes, checks and upgrades the schema
``sealing``     a side's rows, enciphered with that side's data key
``engine``      opens the embedded one and refuses a second process on its file
``postgresql``  opens the database that several nodes share
``statements``  writes of many rows and look-ups, put together once
``batch``       the rows of many units
``keeping``     what becomes of a card or an account, and the loss that outlives links
``node``        the gateway that a transaction stands under
``takeover``    what a dead node left is carried on by the others
``fate``        what became of a transaction that did not go through
``journal``     the writer thread: many units, one transaction
``reader``      many queries, one connection
``queries``     what is read back
``retention``   what is older than it has to be kept is deleted a little at a time
``history``     a long history made by SQL alone, for measuring
``notices``     what channels are still to be told
``counters``    blocks of numbers that are given once
==============  =================================================================

``migrations`` holds the revisions of the schema.
"""
