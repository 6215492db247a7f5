"""The only Twisted protocols of the gateway: bytes in, messages out, and the life of a link.

===================  ============================================================
module               holds
===================  ============================================================
``addresses``        the endpoints of host and port, or of a Twisted endpoint string
``endpoint_string``  tells one from the other
``answers``          requests that wait, and what is matched to them
``connection``       one TCP connection: frames, codec, MAC; refuses by place and rule
``line``             one connection with the session on it, whichever end dialled
``link_mac``         the MAC of a link whose key changes
``key_changes``      a far side's new key: read, taken in, answered
``rotation``         turns among the connections of a link, by weight
``outbound_link``    a link that we dial: connections kept up, answers matched
``exchange_link``    a link that we dial for each request anew
``doorway``          a listener's port: taken first, opened when there is who answers
``inbound_link``     a link that far sides dial
``tally``            what is counted of a link
``renewal``          what is made of files, made anew when they change
``tls``              certificates that a listener demands, the socket beneath, why TLS failed
===================  ============================================================
"""
