"""A payment HSM spoken to by its host commands over TCP (Thales payShield and its kind).

===============  ==========================================================================
module           holds
===============  ==========================================================================
``module``       `PayShieldModule`: what the gateway may ask, and the rules kept on our side
``port``         a side's security module that has an HSM beside the soft one
``key_file``     the file of a side's keys in the HSM
``host``         the connection: many requests in flight, matched by message header
``framing``      two bytes of length, and the parts of a message
``errors``       what each error code means, and whose fault it is
``fields``       how one field is written and read
``command``      what every command is
``keys``         keys as the HSM gives them out: key blocks and variants under its LMK
``diagnostics``  commands NC and B2
``key_commands`` commands A0, A6, A8 and BU
``pin_commands`` commands CA, CC, and FW and BK as probes for weak PINs
``mac_commands`` commands M6 and M8
``excluded``     the table of PINs that a probe carries
===============  ==========================================================================

Everything but ``host``, ``module``, ``port`` and ``key_file`` is pure: values to bytes and bytes to
values. No command that gives out a clear PIN, a PIN under the LMK, a PVV or an offset is here, and
what the probes answer is thrown away unread. ``docs/payshield.md`` says what this can promise.
"""
