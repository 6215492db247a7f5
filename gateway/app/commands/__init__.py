"""The sub-commands of `gateway`, a module each, imported when its name is called.

===================  ===============================================================
module               holds
===================  ===============================================================
``refusals``         errors on purpose, told in one line
``serve``            starts the gateway for real peers
``security_module``  starts one side's security module
``simulate``         starts a bureau or a core
``run``              starts an ensemble and stays up
``clock``            lets time pass for an ensemble
``demo``             plays the regions' stories
``store``            brings the database of an older release up to this one
``keys``             what a key store's custodians do
``operations``       what waits for a person
``links``            what an operator says to a far side
``regions``          checks, explains and compares region profiles
``bench``            measures
``documents``        writes the generated documents anew
===================  ===============================================================
"""
