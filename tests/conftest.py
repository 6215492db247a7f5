"""What tests of several rooms share: certificates, a PostgreSQL; and who runs what when.

A module's tests are run by one process, so that what they share is made once; so are the tests of
several modules that share a town. What takes longest begins.
"""

import gc
import os
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from xdist.scheduler import LoadScopeScheduling

from gateway.app.bench.postgresql import PrivateServer, programs
from gateway.app.clock import utc_now

THE_TOWN = "bad_requests card_life command_line configuration far_side_faults foreign_bytes"
THE_TOWN += " main_job memory object_authorisation once pins"
THE_BRIEF_TOWN = "canaries crash pin_sessions security_modules"
THE_COUNTERS = "core_channel core_reversals"
TOGETHER = {
    f"tests/end_to_end/test_{name}.py": town
    for town, names in (
        ("the town", THE_TOWN),
        ("the brief town", THE_BRIEF_TOWN),
        ("the counters", THE_COUNTERS),
    )
    for name in names.split()
}
# Each of its parts takes long, so that one process should not have all of them.
IN_PARTS = "tests/simulator/test_histories.py::test_every_invariant_holds["
FIRST = (
    "the town",
    "tests/end_to_end/test_torture.py",
    "tests/simulator/",
    "the brief town",
    "tests/end_to_end/",
    "",
)


class ByTown(LoadScopeScheduling):
    """Hands out modules as a whole, and those that share a town as one."""

    def _split_scope(self, nodeid):
        return together(nodeid)


def together(nodeid):
    """Name that whose tests one process runs: a town, a module, or a part of histories."""
    if nodeid.startswith(IN_PARTS):
        return nodeid
    file = nodeid.split("::")[0]
    return TOGETHER.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out tests by what they share."""
    gone = [file for file in TOGETHER if not (config.rootpath / file).is_file()]
    assert gone == [], f"who runs together is said of what is not there: {gone}"
    return ByTown(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among the tests: none of them goes before all are run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes longest; among the rest chance decides."""

    def rank(item):
        scope = together(item.nodeid)
        return next(at for at, start in enumerate(FIRST) if scope.startswith(start))

    items.sort(key=rank)


class Authority:
    """A certificate authority of a test, and the certificates that it signs."""

    def __init__(self, directory, name):
        self._directory = directory / name
        (self._directory / "trusted").mkdir(parents=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._build(self._name, self._key, is_authority=True)
        self.trusted = self._directory / "trusted"  # a directory, as endpoint strings want it
        self.file = self.trusted / "authority.pem"
        self.file.write_bytes(own.public_bytes(Encoding.PEM))

    def sign(self, common_name, host="127.0.0.1"):
        """Make a key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = {NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATION_NAME: "Test Bank"}
        subject = x509.Name([x509.NameAttribute(*each) for each in attributes.items()])
        return Signed(
            self._directory / common_name,
            self._build(subject, key, host=host).public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )

    def _build(self, subject, key, host=None, *, is_authority=False):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(utc_now() - timedelta(days=1))
            .not_valid_after(utc_now() + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if host:
            names = [x509.IPAddress(ip_address(host))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Signed:
    """One key with its certificate, as files."""

    def __init__(self, stem, certificate, private_key):
        self.certificate_file = stem.with_suffix(".pem")
        self.key_file = stem.with_suffix(".key")
        self.certificate_file.write_bytes(certificate)
        self.key_file.touch(0o600)
        self.key_file.write_bytes(private_key)

    @property
    def as_client(self):
        """Give what an endpoint string says to show this certificate."""
        return f":certificate={self.certificate_file}:privateKey={self.key_file}"


@pytest.fixture(scope="session")
def new_authority(tmp_path_factory):
    """Give the maker of certificate authorities, by their names."""
    return lambda name: Authority(tmp_path_factory.mktemp("authority"), name)


@pytest.fixture(scope="session")
def postgresql_programs() -> Path:
    """Give where PostgreSQL's programs are; where CI runs, they must be there."""
    found = programs()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed, and CI has to check against it")
        pytest.skip("PostgreSQL is not installed")
    return found


@pytest.fixture(scope="session")
def postgresql(postgresql_programs) -> Iterator[PrivateServer]:
    """Give a server that is quick and forgets at power loss."""
    assert postgresql_programs.is_dir()
    server = PrivateServer(durable=False)
    try:
        server.create()
        yield server
    finally:
        server.remove()
