"""Requests drawn from the OpenAPI document, by Schemathesis, to a gateway with simulated far sides.

``make fuzz SECONDS=600``, or ``python tests/fuzz/fuzz_http.py SECONDS``. Promised is: no answer is
a mistake of ours; each has a status, type, headers and body that the document describes; what the
document forbids is refused, and so is who shows no token. What it allows may be refused all the
same: it knows no check digits and no states.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from gateway.app.ensemble import Ensemble
from gateway.app.online_bank import OnlineBank
from gateway.simulators.population import person

INSTITUTION = "99350201"
CUSTOMER = person(1)
SIGN_ON_SECONDS_MAX = 20
SECONDS_MORE = 120  # for the case that is being drawn when the time is over, and the report
SCHEMATHESIS = "from schemathesis.cli import schemathesis; schemathesis()"
# Nine of ten requests ask about a link that is there; none removes it.
CONFIGURATION = """
[dictionaries.links]
values = ["{link}"]

[parameters]
"path.link" = {{ dictionary = "links", probability = 0.9 }}

[[operations]]
include-method = "DELETE"
parameters = {{ link = "lnk_00000000000000000000000000" }}
"""


def link_of(bank):
    """Link the customer's card; gives the link."""
    body = {
        "institution": INSTITUTION,
        "ss_card_number": CUSTOMER.card,
        "account": CUSTOMER.pan,
        "mobile": CUSTOMER.at_bank.mobile,
    }
    deadline = monotonic() + SIGN_ON_SECONDS_MAX
    while bank.get("/readyz").body.get("degraded") != []:
        assert monotonic() < deadline, "the links to the far sides do not come up"
        sleep(0.1)
    return bank.change("POST", "/v1/links", body).body["link"]


def main(arguments):
    """Draw requests for so many seconds; gives the exit code of Schemathesis."""
    seconds = int(arguments[0])
    with TemporaryDirectory(prefix="sscard-fuzz-") as directory, Ensemble(Path(directory)) as town:
        bank = OnlineBank(town.url, town.token, CUSTOMER.customer)
        configuration = Path(directory) / "schemathesis.toml"
        configuration.write_text(CONFIGURATION.format(link=link_of(bank)), "utf-8")
        command = [sys.executable, "-c", SCHEMATHESIS]
        command += ["--no-color", "--config-file", str(configuration), "run"]
        command += [f"{town.url}/openapi.json", f"--max-time={seconds}"]
        command += ["--exclude-checks=positive_data_acceptance", "--warnings=off"]
        command += [f"--header=Authorization: Bearer {town.token}"]
        command += [f"--header=Customer-Number: {CUSTOMER.customer}"]
        ended = subprocess.run(command, cwd=directory, timeout=seconds + SECONDS_MORE, check=False)
        return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
