"""The durable store: tables in four groups, a journal writer with group commit, and readers.

No query and no transaction runs on the event loop's thread: the journal has a thread of its own,
and so have the reads.

module       holds
===========  ====================================================================
``tables``   the tables of each group; no foreign key crosses a group
``sealing``  a side's rows, enciphered with that side's data key
``engine``   opens the database and refuses a second process on the same file
``unit``     what one decision makes durable, and the rows it becomes
``journal``  the writer thread: many units, one transaction
``reader``   the reader thread: many queries, one way back
``queries``  what is read back
``notices``  what channels are still to be told
``schema``   makes, checks and upgrades the schema
===========  ====================================================================
=======
==============  =================================================================
module          holds
==============  =================================================================
``tables``      the tables of each group; no foreign key crosses a group
``schema``      makes, checks and upgrades the schema
``sealing``     a side's rows, enciphered with that side's data key
``engine``      opens the embedded one and refuses a second process on its file
``postgresql``  opens the database that several nodes share
``statements``  writes of many rows and look-ups, put together once
``unit``        what one decision makes durable, and the rows it becomes
``keeping``     what becomes of a card or an account, and the loss that outlives links
``node``        the gateway process that a transaction stands under
``takeover``    what a dead node left is carried on by the others
``fate``        what became of a transaction that did not go through
``journal``     the writer thread: many units, one transaction
``reader``      the reader thread: many queries, one way back
``queries``     what is read back
``retention``   what is older than it has to be kept is deleted a little at a time
``history``     a long history made by SQL alone, for measuring
``notices``     what channels are still to be told
``counters``    blocks of numbers that are given once
==============  =================================================================

``migrations`` holds the revisions of the schema.
"""
