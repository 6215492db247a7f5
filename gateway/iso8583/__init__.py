"""ISO 8583: dialect, codec, framing, session, matching. Pure: bytes and values in, values out.

=======================  =======================================================================
module                   holds
=======================  =======================================================================
``dialect``              how bytes look on one kind of link, read from ``specs/dialects``
``dialect_base``         what a dialect takes from the one it extends
``field_specification``  what a dialect says of one data element and its subfields
``field_content``        what stands in a field: text, EBCDIC text, bytes
``packed_digits``        digits two a byte, signed amounts
``multibyte_text``       GB18030 and GBK text
``ebcdic``               code pages 037, 500 and 1047
``field_form``           a field on the wire: length and content, read and written strictly
``subfields``            positional, tagged and nested subfields as the dialect declares them
``ber_tlv``              tags and lengths of chip data (DE 55), in their shortest form
``bitmap``               binary, hex and EBCDIC bitmaps; primary, secondary, tertiary
``plans``                many fields at once, by one regular expression
``layouts``              where the fields stand once the length of each is known
``codec``                messages to bytes and back; exactly one byte form per message
``framing``              one message of a stream of bytes: length, TPDU, header, trailer
``frames``               messages cut out of a stream of bytes, and written into it
``institution_header``   the fixed header of institution links, part by part
``mac``                  which data element holds the MAC, what it covers, its comparison
``message``              a message and its message type indicator
``private_data``         the subfields of data element 48
``original_data``        data element 90
``message_kind``         one message of a set: its request and its answer
``message_builder``      how requests and answers of a kind are put together
``message_gate``         what one direction of a message kind may hold, compiled
``message_index``        the messages of a set, compiled for looking up and checking
``message_set``          what is said on a link, read from ``specs/messages``
``matching``             which request an answer belongs to
``duplicates``           how a request that comes twice is known
``pin_place``            where the PIN block stands
``key_change``           a new key by 0800, and the request for one
``cut_over``             the new business day that an 0800 announces
``session``              the life of a link as one table
``describe``             a message field by field, masked
``message_table``        the message sets as a document
``errors``               what a peer may get wrong, and what we may
=======================  =======================================================================
"""
