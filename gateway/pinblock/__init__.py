"""PIN blocks and PIN policy: pure, and the only pure room in which a clear PIN may appear.

===============  ========================================================================
module           holds
===============  ========================================================================
``formats``      ISO 9564-1 formats 0, 1, 3, 4 and the 16-byte SM4 form, and the cipher port
``encipherer``   PINs enciphered for one zone
``zone``         what one zone has agreed: format, algorithm, account rule, DE 53
``policy``       which PINs a region refuses, and whether as trivial or as personal
``share``        how many of all PINs a policy refuses
``translation``  which blocks may become which
``translator``   blocks of one zone made into blocks of another
===============  ========================================================================

A clear PIN is a `bytearray` of ASCII digits, so that its owner can overwrite it (`formats.wipe`).
No error text here ever holds a PIN, an account or a block.
"""
