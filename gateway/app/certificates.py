"""The files of a listener's TLS, checked before anybody may connect."""

import os

from gateway.app.settings import TlsSettings
from gateway.hsm.private_files import read_private
from gateway.terms.errors import SpecificationError
from gateway.wire.tls import Certificates


def certificates(settings: TlsSettings) -> Certificates:
    """Name the files of a listener's TLS; raises `SpecificationError` where one is not as it must.

    The private key must be ours alone, like a key store.
    """
    read_private(settings.private_key)
    for file in (settings.certificate, settings.trust):
        if not os.access(file, os.R_OK):
            raise SpecificationError(str(file), "", "cannot be read")
    return Certificates(
        settings.certificate, settings.private_key, settings.trust, settings.subjects
    )
