"""Several nodes on one database: what a dead one left is finished by another."""

import signal
from time import monotonic, sleep

import pytest

from gateway.app.bench.cluster import Cluster
from gateway.app.bench.drill import LIMITS, Drill, restart_database
from gateway.app.online_bank import call
from gateway.terms.errors import Unavailable

SECONDS_MAX = 60.0  # a lease and the start of a process, on a busy machine


@pytest.fixture
def cluster(tmp_path, postgresql):
    """Give two nodes that are ready; the server of the other tests shows that there is one."""
    assert postgresql.data.is_dir()
    with Cluster(
        tmp_path, nodes=2, lease_s=2.0, limits=LIMITS, http={"answer_wait_s": 3}
    ) as running:
        for name in running.names:
            wait_for(lambda name=name: is_ready(running, name))
        yield running


def wait_for(probe, what="readiness"):
    deadline = monotonic() + SECONDS_MAX
    while not probe():
        assert monotonic() < deadline, f"{what} did not come about in {SECONDS_MAX} s"
        sleep(0.05)


def is_ready(cluster, name):
    try:
        return call(f"{cluster.url_of(name)}/readyz").body["degraded"] == []
    except Unavailable:
        return False


def kill_for_good(cluster):
    cluster.nodes["n1"].kill()
    return "n1 killed"


def stop_past_its_lease(cluster):
    """Stop the node that is left, let the other come back and take over, then let it go on."""
    cluster.signal("n2", signal.SIGSTOP)
    cluster.start_node("n1")
    log = cluster.directory / "n1.log"
    wait_for(lambda: '"nodes-fenced"' in log.read_text("utf-8"), "the fence")
    cluster.signal("n2", signal.SIGCONT)
    return f"n2 ended with {cluster.nodes['n2'].process.wait(30)}"


def test_nothing_acknowledged_is_lost_and_nothing_applied_twice(cluster):
    """One node killed under load, the database crashed, the other node stopped past its lease."""
    faults = (kill_for_good, restart_database, stop_past_its_lease)

    verdict = Drill(cluster, seed=1, clients=2).run(iter(faults))

    assert verdict.broken == []
    assert verdict.operations >= 16
    assert verdict.faults[-1] == "n2 ended with 74"
