"""Whole gateways in a simulated world: stepped clock, faulty wires, disks and processes.

The conductor, the service, the core's channel, couriers, leases, take-over, dialogues, codec,
matching, plans and decisions are the real ones. Time, network, disk, far sides, customers and staff
are simulated, and every chance comes from one seed, so that a seed tells the same history again.

=================  =================================================================
module             holds
=================  =================================================================
``scheduler``      one clock and one queue of events, and event loops that run on them
``faults``         what can go wrong, how often in which history
``shipped``        the specifications that are shipped, as three bureaus and a core
``disk``           what is durable: a model of the store
``store_disk``     the same through the real store
``writer``         the journal of one process, and what a crash takes away
``cluster``        leases of several nodes on one store
``far_side``       bureaus and cores, with every effect logged
``card_rules``     what they do in the life of a card
``network``        links between a node and the far sides
``node``           one gateway process, wired as `serve` does
``customers``      what the channel asks for
``businesses``     … in the life of a card
``counter``        what a core asks for, and takes back
``receiver``       who hears callbacks
``operators``      two persons who resolve what is manual
``invariants``     what must hold, by number
``watch``          the invariants on the wires and before clients
``watch_durable``  … on disk
``watch_outside``  … of callbacks, cores and losses
``judgement``      … when everything is quiet
``history``        one seed, one history: storm, calm, judgement
``planted``        mistakes that a history must find, by kind
``evidence``       runs all of it and writes ``docs/evidence.md``
``run``            many histories on many cores, replay, shrinking
=================  =================================================================
"""
