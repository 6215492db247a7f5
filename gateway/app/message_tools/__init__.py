"""`gateway message`: what an integrator needs with single messages and captures.

===================  ============================================================================
module               holds
===================  ============================================================================
``commands``         the sub-commands of `gateway message`
``message_input``    hex text, base64 or bytes, from the command line, a file or standard input
``fitting``          which dialect a message is in, with or without its frame
``describing``       what one dialect, or all of them, make of the bytes given
``hex_view``         bytes as hex, sensitive ones hidden, a caret under one place
``report``           a described message as text and as JSON
``draft``            a message written as JSON or TOML
``exchange``         one message to a peer, and what comes back
``sending``          what `gateway message send` prints
``segments``         captured packets taken apart: link layer, IP, TCP
``reassembly``       one direction of a TCP connection put in order
``conversation``     captured connections as messages, with what is missing
``capture``          what `gateway message pcap` prints
``dissector``        a Wireshark dissector in Lua, from ``dissector.lua`` and a dialect
``gb18030``          GB18030 as a table for dissectors
===================  ============================================================================

Nothing here prints a sensitive value, and nothing offers to.
"""
