"""`gateway bench`: figures from one run on one machine, as ratios with their spread.

==============  ==================================================================
module          holds
==============  ==================================================================
``figures``     one figure, how rounds become one, JSON and Markdown
``codec``       strict codec against pyiso8583, in this process
``links``       round trips over one link against a bare loop on pyiso8583, in this process
``module``      security module: calls inside it and over its socket, MACs, PIN blocks
``operations``  full durable operations against the bare relay, over HTTP
``nodes``       several nodes on one PostgreSQL against one of them, over HTTP
``asking``      what a bank's backend asks, and what came of a round of it
``load``        the HTTP client that asks as fast as it is answered
``relay``       the bare relay and the peer that answers it, as processes
``store``       the journal's cost as history grows, and a restart with much unfinished
``cluster``     several nodes over one PostgreSQL, as processes
``drill``       nodes killed, paused and cut off under load, and the verdict
``postgresql``  a PostgreSQL server of our own, thrown away afterwards
``processes``   how much time of a processor each process of an ensemble took
==============  ==================================================================

A shared machine changes its speed from second to second. What is compared is measured in turns,
round by round, and only ratios within a round mean anything; absolute figures are for orientation.
"""
