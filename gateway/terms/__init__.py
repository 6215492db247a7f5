"""The words of the domain: numbers that print masked, refusals, errors and specification files.

Every other room may import this one; it imports none of them.

=================  ==============================================================
module             holds
=================  ==============================================================
``advice``         what is said beside an answer, Chinese and English
``instants``       how an instant is written
``losses``         a reported loss: kind, instant, reference
``masking``        how a sensitive value prints
``numbers``        card, account, citizen, mobile, agency, link and trace numbers
``refusals``       the catalogue of reasons a caller is given, Chinese and English
``response_codes`` the meaning of data element 39
``sides``          social or financial, and whose PIN is whose
``errors``         the error tree: whose fault it is
``specification``  reads a specification file or names file, key and rule
``values``         what an operation is made of, frozen to the type checker
=================  ==============================================================
"""
