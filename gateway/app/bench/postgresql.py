"""A PostgreSQL server of our own for benchmarks and tests: private, on a Unix socket, thrown away.

The server's programs are the system's. PostgreSQL refuses to run as root; then it runs as the
user ``postgres``, or ``nobody``.
"""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

from gateway.terms.errors import Unavailable

START_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.05
_PLACES = "/usr/lib/postgresql/*/bin"  # of Debian's packages, which are not on the path


def programs() -> Path | None:
    """Find the directory of the server's programs, or None."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    places = sorted(Path("/").glob(_PLACES.lstrip("/")))
    return places[-1] if places else None


class PrivateServer:
    """One server with its data in a temporary directory.

    `durable` keeps its promises at power loss, as in production; without it, it is only quick.
    """

    def __init__(self, *, durable: bool = True, settings: dict[str, str] | None = None) -> None:
        directory = programs()
        if directory is None:
            raise Unavailable("PostgreSQL's server is not installed")
        self._programs = directory
        self._user = _user()
        # Not below pytest's directories, which other users may not enter.
        self.directory = Path(mkdtemp(prefix="sscard-pg-"))
        self.data = self.directory / "data"
        if self._user:
            shutil.chown(self.directory, self._user)
        quick = {"fsync": "off", "full_page_writes": "off"}
        self._settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "max_connections": "50",
            **({} if durable else quick),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of its first process, whose children the others are."""
        if self._process is None:
            raise Unavailable("the database is not running")
        return self._process.pid

    def create(self) -> None:
        """Make the server's data, and start it."""
        self.run("initdb", "-D", self.data, "-U", "gateway", "-A", "trust", "-N", "-E", "UTF8")
        self.start()

    def follow(self, primary: "PrivateServer", name: str) -> None:
        """Copy a running primary and start as its standby of this name."""
        conninfo = f"host={primary.directory} user=gateway application_name={name}"
        self.run(
            "pg_basebackup", "-D", self.data, "-d", conninfo, "-R", "-X", "stream", "-c", "fast"
        )
        self.start()

    def url(self, database: str = "postgres", *others: "PrivateServer") -> str:
        """Give the URL of a database, at this server or, after a failover, at another."""
        hosts = ",".join(str(server.directory) for server in (self, *others))
        return f"host={hosts} user=gateway dbname={database}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the system's own program
                [self._programs / "postgres", "-D", self.data, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
            )
        deadline = monotonic() + START_SECONDS_MAX
        while not self._is_ready():
            if monotonic() > deadline or self._process.poll() is not None:
                words = (self.directory / "log").read_text("utf-8", "replace")[-1000:]
                raise Unavailable(f"PostgreSQL did not start; it said:\n{words}")
            sleep(_LOOK_SECONDS)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions in order, SIGQUIT as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it and remove what it kept."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "promote", "-D", self.data, "-w")

    def run(self, program: str, *arguments: object) -> str:
        """Run one of PostgreSQL's programs as the server's user; gives what it printed."""
        ran = subprocess.run(  # noqa: S603 - the system's own program
            [self._programs / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            cwd=self.directory,
        )
        if ran.returncode:
            raise Unavailable(f"{program} failed: {ran.stderr[-1000:]}")
        return ran.stdout

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement; gives its rows as lines."""
        given = ("-h", self.directory, "-U", "gateway", "-d", database, "-At", "-c", statement)
        return self.run("psql", *given).strip()

    def _is_ready(self) -> bool:
        try:
            self.run("pg_isready", "-q", "-h", self.directory, "-U", "gateway")
        except Unavailable:
            return False
        return True


def _user() -> str | None:
    """Give the user to run as, or None where we are not root anyway."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
