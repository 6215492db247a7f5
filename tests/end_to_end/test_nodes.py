"""Several nodes on one database: what a dead one left is finished by another."""

import shutil
import signal
from pathlib import Path
from time import monotonic, sleep

import pytest

import gateway
from gateway.app.bench import nodes
from gateway.app.bench.cluster import Cluster
from gateway.app.bench.drill import LIMITS, Drill, restart_database, upgrade_to
from gateway.app.online_bank import call
from gateway.app.specifications import shipped_directory
from gateway.store import schema
from gateway.terms.errors import Unavailable

THINK_S = 0.5  # nodes start meanwhile, with what the customers leave of the machine
SECONDS_MAX = 60.0  # a lease and the start of a process, on a busy machine


@pytest.fixture(scope="module", name="two_nodes")
def _two_nodes(tmp_path_factory, postgresql_programs):
    """Give two nodes, on a server of their own."""
    assert postgresql_programs.is_dir()
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster(
        directory, nodes=2, lease_s=2.0, limits=LIMITS, http={"answer_wait_s": 3}
    ) as running:
        yield running


@pytest.fixture
def cluster(two_nodes):
    """Give both nodes ready, of whatever release they are by now."""
    for name in two_nodes.names:
        if two_nodes.nodes[name].process.poll() is not None:
            two_nodes.nodes[name].kill()
            two_nodes.start_node(name)
        wait_for(lambda name=name: is_ready(two_nodes, name))
    return two_nodes


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


def test_all_nodes_are_measured_against_one_of_them(cluster):
    """Every PIN is set, at one node and at both, and every process is accounted for."""
    plan = nodes.Plan(rounds=1, seconds=0.2, connections=2, links=8)

    figures = {figure.name: figure for figure in nodes.compare(cluster, plan)}

    one = figures["nodes: set PIN, one node"]
    assert figures["nodes: set PIN, 2 nodes"].baseline == one.value
    taken = [figure for name, figure in figures.items() if "2 nodes, processor time" in name]
    assert len(taken) == 5
    assert all(figure.value > 0 for figure in figures.values())


NEXT = """\
from alembic import op
import sqlalchemy as sa

revision, down_revision = "9999", "{head}"


def upgrade():
    op.add_column("operations_operations", sa.Column("remark", sa.Text))
    op.create_index("operations_by_remark", "operations_operations", ["remark"])
"""


@pytest.fixture
def next_release(tmp_path):
    """Give a copy of this release whose schema has one column and one index more."""
    code = Path(gateway.__file__).parent
    copied = tmp_path / "next"
    shutil.copytree(code, copied / "gateway")  # with what is compiled
    shutil.copytree(shipped_directory(), copied / "specs")
    schema_file = copied / "gateway/store/schema.py"
    text = schema_file.read_text("utf-8")
    schema_file.write_text(text.replace("\nHEAD = ", '\nREVISIONS += ("9999",)\nHEAD = '), "utf-8")
    migration = copied / "gateway/store/migrations/r9999.py"
    migration.write_text(NEXT.format(head=schema.HEAD), "utf-8")
    return copied


def test_a_release_is_exchanged_node_by_node_without_stopping(cluster, next_release):
    """The schema changes under nodes that serve; each is exchanged in turn; nothing is lost."""
    before = cluster.database.sql("SELECT version_num FROM alembic_version")

    # Two releases start meanwhile, which take what the customers leave of the machine.
    verdict = Drill(cluster, seed=2, clients=2, think_s=THINK_S).run(
        upgrade_to(cluster, next_release)
    )

    after = cluster.database.sql("SELECT version_num FROM alembic_version")
    assert verdict.broken == []
    assert verdict.operations >= 12
    assert (before, after) == (schema.HEAD, "9999")
    assert [fault.partition(",")[0] for fault in verdict.faults[1:]] == [
        "n1 stopped with 0",
        "n2 stopped with 0",
    ]
