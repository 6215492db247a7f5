"""The only Twisted protocols of the gateway: bytes in, messages out, and the life of a link.

===================  ============================================================
module               holds
===================  ============================================================
``connection``       one TCP connection: frames, codec, MAC; refuses by place and rule
``link_mac``         the MAC of a link whose key changes
``outbound_link``    a link that we dial: session, echo, matching, reconnecting
===================  ============================================================
"""
