"""A security module that dies takes one side's PINs with it for a moment, and nothing else."""

import os
import signal

import pytest

from gateway.terms.sides import Side


@pytest.mark.parametrize("side", Side)
def test_dead_module_is_told_and_started_again(brief_town, newcomer, side):
    """503 meanwhile, nothing sent, the other side's PINs go on, and it recovers by itself."""
    citizen = newcomer(fresh=True, of=brief_town).linked()
    ways = {Side.SOCIAL: citizen.set_pin, Side.FINANCIAL: citizen.activate}
    bodies = {
        Side.SOCIAL: citizen.pin_body("738291", citizen.session()),
        Side.FINANCIAL: citizen.activation_body(),
    }
    sends = {
        Side.SOCIAL: citizen.send_pin,
        Side.FINANCIAL: lambda body: citizen.bank.change("POST", "/v1/activations", body),
    }
    [other] = set(Side) - {side}

    os.kill(brief_town.module_pid(side), signal.SIGKILL)
    refused = sends[side](bodies[side])
    carried_on = sends[other](bodies[other])
    brief_town.wait_until_ready()
    afterwards = ways[side]()

    assert (refused.status, refused.body["code"]) == (503, "SECURITY_MODULE_UNAVAILABLE")
    assert "operation" not in refused.body
    assert carried_on.status == 200
    assert afterwards.status == 200


def test_linking_needs_no_security_module(brief_town, newcomer):
    """A link carries no PIN."""
    os.kill(brief_town.module_pid(Side.SOCIAL), signal.SIGKILL)

    answer = newcomer(of=brief_town).ask_link()
    brief_town.wait_until_ready()

    assert answer.status == 201
