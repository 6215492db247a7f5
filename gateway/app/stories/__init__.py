"""Each region's story, played against a running ensemble: for the demo and the tests.

=================  =====================================================================
module             holds
=================  =====================================================================
``story``          what every story is told with: customers, far sides, printing
``xiamen``         the PIN set without an old one, the SS account that follows at once
``fangchenggang``  six wrong tries, unlocking, 24 hours
``shijiazhuang``   the initial PIN, which is asked for once it was changed
``kunming``        the e-card
``qingdao``        the holder's choice, the one-time notice, loss and a new card
``playbill``       which story is which region's
=================  =====================================================================
"""
