"""The history of the schema, one module a revision, each from the one before.

A revision is never changed once it was released. It adds (tables, columns that have a default,
indexes) and takes nothing away that the release before it still uses, so that nodes of that
release go on working while the others are exchanged. ``store.schema`` names them in order, and
a test upgrades the first release's stored data through all of them and compares with ``tables``.

====================  ===========================================================
module                holds
====================  ===========================================================
``r0001``             the tables of the first release
``r0002``             owners of operations, one at a time on a link, nodes, indexes
``r0003``             notices to channels
``r0004``             longer names of kinds of operations
``r0005``             losses by card and by account
====================  ===========================================================
"""
