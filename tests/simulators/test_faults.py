"""Faults are matched by name, counted and refused when they make no sense."""

import pytest

from gateway.simulators.faults import FAULTS_MAX, Fault, FaultKind, Faults
from gateway.terms.errors import SpecificationError
from gateway.terms.response_codes import ResponseCode

NAMES = frozenset({"pin-set", "echo"})


def test_fault_strikes_its_own_message_as_often_as_asked():
    """Twice means twice, and other messages do not count."""
    faults, fault = Faults(), Fault("pin-set", FaultKind.DROP_ANSWER, times=2)
    faults.add(fault)

    struck = [faults.take(name, management=False) for name in ("other", *["pin-set"] * 3)]

    assert struck == [None, fault, fault, None]
    assert faults.listed() == []


def test_fault_without_times_strikes_until_cleared():
    """A lasting fault goes only when it is deleted."""
    faults = Faults()
    faults.add(Fault("pin-set", FaultKind.DROP_REQUEST, times=None))

    assert all(faults.take("pin-set", management=False) for _ in range(5))
    faults.clear()
    assert faults.take("pin-set", management=False) is None


def test_fault_for_any_message_spares_network_management():
    """A star strikes business messages only, so that the link itself stays up."""
    faults = Faults()
    faults.add(Fault("*", FaultKind.DROP_REQUEST))

    assert faults.take("echo", management=True) is None
    assert faults.take("pin-set", management=False) is not None


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault("pin-sett", FaultKind.DROP_REQUEST), "message"),
        (Fault("pin-set", FaultKind.DELAY), "seconds"),
        (Fault("pin-set", FaultKind.LATE_ANSWER), "seconds"),
        (Fault("pin-set", FaultKind.DROP_ANSWER, seconds=1), "seconds"),
        (Fault("pin-set", FaultKind.DECLINE), "response_code"),
        (
            Fault("pin-set", FaultKind.DISCONNECT, response_code=ResponseCode.MALFUNCTION),
            "response_code",
        ),
    ],
)
def test_senseless_fault_is_refused(fault, key):
    """An unknown message, a missing part and a part without meaning are named."""
    with pytest.raises(SpecificationError) as refused:
        fault.check(NAMES)

    assert refused.value.key == key


def test_faults_are_bounded():
    """One more than the limit is refused."""
    faults = Faults()
    for _ in range(FAULTS_MAX):
        faults.add(Fault("*", FaultKind.DROP_REQUEST))

    with pytest.raises(SpecificationError):
        faults.add(Fault("*", FaultKind.DROP_REQUEST))
