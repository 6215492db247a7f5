"""Whole gateways in a simulated world: stepped clock, faulty wires, disks and processes.

The conductor, the service, dialogues, codec, matching, plans and decisions are the real ones.
Time, network, disk, far sides and customers are simulated, and every chance comes from one seed,
so that a seed tells the same history again.

=============  =====================================================================
module         holds
=============  =====================================================================
``scheduler``  one clock and one queue of events, and event loops that run on them
``faults``     what can go wrong, how often in which history
``disk``       what is durable, and what a crash takes away
``far_side``   bureaus and cores, with every effect logged
``network``    links between a node and the far sides
``node``       one gateway process, wired as `serve` does
``customers``  what the channel asks for
``watch``      the invariants
``history``    one seed, one history: storm, calm, judgement
``planted``    mistakes that a history must find
``evidence``   runs all of it and writes ``docs/evidence.md``
``run``        many histories on many cores, replay, shrinking
=============  =====================================================================
"""
