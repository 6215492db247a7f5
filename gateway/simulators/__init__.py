"""Simulated bureau and bank core: stateful peers as a bureau or a bank would build them.

They share the wire's words with the gateway and nothing of its sides, operations or ciphers.

==============  =====================================================================
module          holds
==============  =====================================================================
``population``  synthetic people, the same at bureau and core
``cipher``      their own ciphers: keys and MACs
``pin``         PIN blocks as they read them, PINs as they keep them
``zone_ring``   their keys of the zone, which change
``links``       the links that a far side knows
``records``     what a bureau keeps of a card
``pin_desk``    a bureau's rules for an SS PIN in force: compare, count, lock, reset
``loss_desk``   a bureau's rules for a loss: reported, made formal, cancelled
``card_desk``   a bureau's rules for cards ordered, handed over and cancelled
``terminal``    a terminal that a card is used at
``ecard_desk``  the e-card platform behind a bureau
``bureau``      the rules of a bureau
``core``        the rules of a bank core
``desk``        duplicates, reversals and tombstones around the rules
``faults``      what goes wrong on demand
``journal``     what was said, decoded and masked
``protocol``    one TCP connection
``host``        one far side put together: rules, desk, faults, journal, wire
``control``     the HTTP control port ``/_sim``
``views``       the state as the control port shows it
``server``      the two listening ports
``process``     one far side as a process of its own
==============  =====================================================================
"""
