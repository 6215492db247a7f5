"""What `gateway run` prints: where everything is, and how to try it."""

from gateway.app.ensemble import Ensemble
from gateway.simulators.population import Population, person, table
from gateway.terms.sides import Side


def guide(ensemble: Ensemble) -> str:
    """Write the URLs, the people there are, and a first request to copy."""
    who = person(1)
    return _GUIDE.format(
        url=ensemble.url,
        bureau=ensemble.control(Side.SOCIAL),
        core=ensemble.control(Side.FINANCIAL),
        directory=ensemble.directory,
        token=ensemble.token,
        tokens="\n".join(f"  {name:14} {token}" for name, token in ensemble.tokens.items()),
        customer=who.customer,
        institution=ensemble.institution.code,
        card=who.card,
        account=who.pan,
        mobile=who.at_bank.mobile,
        people=table(Population(20)),
    )


_GUIDE = """\
The gateway and both simulators are up. Everything is synthetic and goes when this stops.

  gateway    {url}           API documents: {url}/docs and {url}/openapi.json
  bureau     {bureau}/_sim/state   /_sim/journal  /_sim/faults  /_sim/terminal
  core       {core}/_sim/state   /_sim/journal  /_sim/faults
  files      {directory}   (configuration, keys, database, logs)

Link a card; then open a PIN session on the link you get, as {url}/docs says:

  export TOKEN={token}
  curl -s {url}/v1/agencies -H "Authorization: Bearer $TOKEN"
  curl -s {url}/v1/links -H "Authorization: Bearer $TOKEN" -H "Customer-Number: {customer}" \\
    -H "Idempotency-Key: first-try" -H "Content-Type: application/json" \\
    -d '{{"institution":"{institution}","ss_card_number":"{card}",
         "account":"{account}","mobile":"{mobile}"}}'

Other channels, each with a token of its own (they say what they have seen by the header Proofs):

{tokens}

Make the bureau lose its next answer, and see the gateway deal with it:

  curl -s {bureau}/_sim/faults -H "Content-Type: application/json" \\
    -d '{{"message":"pin-set","fault":"drop_answer","times":1}}'

Let a day pass, for both far sides and then for the gateway:

  for side in {bureau} {core}; do curl -s $side/_sim/clock \\
    -H "Content-Type: application/json" -d '{{"advance_seconds":86400}}'; done
  gateway clock --config {directory}/gateway.toml --advance-seconds 86400

People to play with (person 1 is in order, the others are each special in one way):

{people}

Ctrl-C stops all of it.
"""
