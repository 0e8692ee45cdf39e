"""Install the Debian packages that tests/peers needs: as root on Debian, and nothing anywhere else.

What is there already costs one look. What is installed here neither starts now nor with the system: the tests start
each program for themselves, on a free port, and stop it. With ``MEZHA_DAEMONS=0`` nothing is installed. Where a program
is missing, its tests are skipped, and say so; where ``CI`` is set and it could have been installed, they fail.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PACKAGES", "installs", "main"]

#: The packages, and what for.
PACKAGES = {
    "bird2": "a BGP speaker",
    "erlang-base": "the kinds of packets that Erlang's sockets know",
    "jq": "JSON lines, read and written",
    "ldap-utils": "clients of LDAP",
    "mariadb-server": "a MySQL server, and its client",
    "memcached": "a cache, with a text protocol",
    "mosquitto": "an MQTT broker",
    "mosquitto-clients": "its clients",
    "nats-server": "a broker, with a text protocol",
    "nginx-light": "an HTTP server",
    "nodejs": "the client of the protocol in Node.js",
    "postgresql": "a database, and its client",
    "rabbitmq-server": "a broker that speaks STOMP",
    "redis-server": "a database that speaks RESP",
    "rpcbind": "a server of ONC RPC, and its client",
    "rsyslog": "a syslog collector, and a sender of syslog messages",
    "slapd": "an LDAP server",
    "slirp": "SLIP, and PPP with its HDLC-like framing",
    "socat": "a way from a socket to a terminal (slirp), or to a program that has no socket (jq, debugpy)",
    "tshark": "a judge of where messages end in a capture",
    "unbound": "a DNS server",
}

_POLICY = Path("/usr/sbin/policy-rc.d")
_CLUSTER = Path("/etc/postgresql-common/createcluster.d/mezha.conf")


def installs() -> bool:
    """Say whether packages can be installed here, and may be."""
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and Path("/etc/debian_version").exists()
        and shutil.which("apt-get") is not None
        and os.environ.get("MEZHA_DAEMONS") != "0"
    )


def main() -> int:
    """Install what is missing; return 0 if all is there now, or nothing can be installed here."""
    if not installs():
        print("-- daemons: nothing is installed (this takes root on Debian)", flush=True)
        return 0
    before = _installed()
    missing = [package for package in PACKAGES if package not in before]
    if not missing:
        return 0
    print(f"-- daemons: installing {' '.join(missing)}", flush=True)
    with _nothing_started():
        if _apt("install", *missing) and (_apt("update") or _apt("install", *missing)):
            return 1
    _disable(_installed() - before)
    return 0


def _installed() -> set[str]:
    """Return the names of the packages that are installed, whole."""
    lines = _answer("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n").splitlines()
    return {name for status, _, name in (line.partition(" ") for line in lines) if status == "installed"}


def _apt(verb: str, *packages: str) -> int:
    """Run apt-get without questions; print what it says if it fails."""
    options = ["--quiet=2", "--yes", "--no-install-recommends", "--option=DPkg::Lock::Timeout=300"]
    ran = subprocess.run(
        ["apt-get", *options, verb, *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        print(ran.stdout, flush=True)
    return ran.returncode


@contextmanager
def _nothing_started() -> Generator[None]:
    """Keep packages from starting what they bring (Debian asks policy-rc.d first), PostgreSQL from making a cluster."""
    written: list[Path] = []
    for path, text in ((_POLICY, "#!/bin/sh\nexit 101\n"), (_CLUSTER, "create_main_cluster = false\n")):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
            written.append(path)
    try:
        yield
    finally:
        for path in written:
            path.unlink()


def _disable(packages: Collection[str]) -> None:
    """Keep the services of these packages from starting with the system."""
    if not packages or not shutil.which("systemctl"):
        return
    paths = map(Path, _answer("dpkg", "--listfiles", *sorted(packages)).splitlines())
    units = {
        path.name
        for path in paths
        if path.parent.match("systemd/system") and path.suffix in (".service", ".socket") and "@" not in path.name
    }
    if units:
        subprocess.run(["systemctl", "--quiet", "disable", *sorted(units)], capture_output=True)


def _answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
