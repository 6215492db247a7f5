"""The words of a region profile: what is done, where, on which proof, and what PINs are asked."""

from enum import StrEnum


class Operation(StrEnum):
    """A business operation that a region grants or does not grant."""

    LINK = "link"
    UNLINK = "unlink"
    SET_SS_PIN = "set-ss-pin"
    ACTIVATE_FINANCIAL = "activate-financial"


class Channel(StrEnum):
    """Where the holder stands when asking."""

    ONLINE_BANK = "online-bank"
    COUNTER = "counter"


class Proof(StrEnum):
    """What shows that it is the holder who asks."""

    SESSION = "session"
    CITIZEN_ID = "citizen-id"
    CARD_PRESENT = "card-present"


class Scene(StrEnum):
    """Where the card is used and a PIN may be asked for."""

    PHARMACY = "pharmacy"
    HOSPITAL = "hospital"


class PinDemand(StrEnum):
    """Whether a scene asks for the SS PIN."""

    NOT_ASKED = "not-asked"
    WHEN_SET = "when-set"
    MANDATORY = "mandatory"


class RuleForce(StrEnum):
    """What a rule about too simple PINs does."""

    REFUSE = "refuse"
    ADVISE = "advise"
    OFF = "off"


class PinStore(StrEnum):
    """Where the SS PIN is kept; only a host can take one without the old one."""

    HOST = "host"
    CHIP = "chip"
