"""The durable store: tables in four groups, a journal writer with group commit, and readers.

No function here runs on the event loop's thread: the journal has a thread of its own, reads go
to a small pool.

===========  ====================================================================
module       holds
===========  ====================================================================
``tables``   the tables of each group; no foreign key crosses a group
``sealing``  a side's rows, enciphered with that side's data key
``engine``   opens the database and refuses a second process on the same file
``unit``     what one decision makes durable, and the rows it becomes
``journal``  the writer thread: many units, one transaction
``queries``  what is read back
===========  ====================================================================
"""
