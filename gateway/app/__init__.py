"""The only room that sees all others: settings, the conductor, wiring by hand, command line.

================  ===============================================================
module            holds
================  ===============================================================
``settings``      the configuration file, checked; names file, key and remedy
``clock``         the wall clock, the only place that reads it
``identifiers``   fresh references, sortable by time
``storage``       the store as the event loop sees it, and the take-over from dead nodes
``store_process`` starts the store's process and greets it
``store_main``    the store's process itself
``database``      opens and upgrades the database of either kind
``traces``        durable blocks of trace numbers, one counter per link
``dialogue``      drafts to messages and answers to events, in a link's message set
``ports``         what the conductor needs of others
``cargo``         what an operation's messages are written from
``futures``       what calls back settles a future; what goes on beside requests
``conductor``     decide, record, act: the one place that carries decisions out
``running``       an operation in memory, as the conductor carries it on
``outcomes``      opens operations and waits for them as long as is decent
``intake``        what every request passes: whose link, what is granted, once per key
``service``       what the HTTP room asks of the gateway
``card_life``     the businesses in the life of a card, by one rule for all
``descriptors``   whether another file may be opened
``certificates``  the files of a listener's TLS
``doors``         the ports, taken before anything is written or said
``core_desk``     what a bank core may have done
``core_record``   what the key of a core's request stands for
``core_reversals`` what a core's 0420 takes back, and what its inquiry tells
``core_answers``  what DE 39 and DE 48 tell a core
``core_channel``  ISO 8583 requests of a core to businesses, and outcomes back
``callbacks``     tells channels of outcomes for which nobody waits
``turns``         one request at a time for a key, one operation for a link
``pins``          PINs between the service and the security modules
``modules``       a side's security module as a process that `serve` keeps running
``payment_hsm``   a payment HSM beside it
``logs``          logs as JSON lines, masked by type
``metrics``       what the gateway counts
``rendering``     operations as a caller sees them
``specifications`` reads ``specs/``
``text_files``    reads files that a person wrote
``http_server``   uvicorn inside our loop
``http_connection`` how many connections, how slow and how long a header
``reactor``       one loop for all: Twisted's reactor on uvloop, with a monotonic clock
``serve``         wires everything and runs it
``ensemble``      gateway and simulators as processes, for `run` and `demo`
``online_bank``   plays an online-banking backend and its customer's browser
``guide``         what `run` prints
``stories``       each region's story, played and printed as a sequence
``bench``         measures
``documents``     the pages of ``docs/`` that are generated
``message_tools`` describes, encodes, sends and dissects single messages and captures
``control``       the running gateway's own socket, for its operator
``manual_desk``   operations that wait for a person, at that socket
``key_changes``   a far side's new key, from its link to the security module
``ceremony``      components of keys, from their custodians or a file
``command_line``  what there is to call, by name
``commands``      each command, imported when it is called
``importing``     imports by name
================  ===============================================================
"""
