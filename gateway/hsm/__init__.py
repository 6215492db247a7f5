"""The security module: keys, and the only process in which a customer's PIN is ever clear.

==================  =====================================================================
module              holds
==================  =====================================================================
``client``          the gateway's end: asks the module over a Unix socket
``module``          the module's end: a process of its own for each side
``protocol``        the commands and answers between them, as typed values
``pin_protocol``    those about a new PIN
``frames``          the same as bytes
``soft_module``     what each command does
``envelope``        opens the browser's JWE
``pin_list``        the operator's own list of refused PINs
``limits``          one-time sessions, refused attempts per card, blocks tried in one way
``attempts``        refused attempts on disk, over a restart
``key_store``       a side's keys, each given out for its one purpose
``key_ledger``      what is known of every key that a store has or had, sealed
``key_custody``     what is done to a store: taken in, rotated, revoked, each audited
``store_keeper``    the module's own hand on its store: key changes, reopening
``key_foundation``  makes an empty store
``key_purpose``     what keys are for: usage, mode and label of each
``key_material``    what a clear key must be: parity, components, no weak one
``key_block``       ANSI X9.143 key blocks, versions B and D
``master_key``      the key over all others: a file or a systemd credential
``audit``           who did what to a store, chained by hashes
``provision``       makes stores with fresh test keys
``private_files``   files that nobody else may read
``ciphers``         TDES, AES and SM4 with kept contexts
``mac``             the MACs of the links, by the names of a dialect
``data_key``        seals what a side stores in the database
``payshield``       the same work done by a payment HSM, over its host commands
==================  =====================================================================

No command takes or gives a clear PIN and none only deciphers: opening the envelope, the session
check, the weak-PIN policy and the encipherment for the zone are one call (``set_pin``).
"""
