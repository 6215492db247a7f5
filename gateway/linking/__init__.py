"""The operations in which both sides take part: the one place that sees both.

=============  =================================================================
module         holds
=============  =================================================================
``link``       the link, its states, what is asked, whether two persons are one
``plans``      link, unlink, set SS PIN, activate, SS account follows: what comes next
``procedures`` how each business in the life of a card is carried out: one table
``losses``     what a reported loss lets nobody do
``refusals``   what a far side's answer or absence means to a caller
``kinds``      which exchanges and which plan a kind of operation has
=============  =================================================================
"""
