"""Rules for values of the site data: what is good, and how a fault is told.

A Rule says whether a value is good and what a good one looks like. `table`
applies rules to a mapping and collects every fault: bad, missing and unknown
keys.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconfigure.clusterdir import paths

KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
NETWORKS = tuple(ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"))
NO_USERS = (  # of Debian's base system and of the roles' packages
    *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
    *("backup", "list", "irc", "nobody", "sshd", "messagebus", "systemd-network", "polkitd", "sudo", "shadow"),
    *("kiwi", "slurm", "munge"),
)
NO_PARTITIONS = ("login", "all", "default", "nodes", "slurm", "booking")


class Rule(NamedTuple):
    """`good(value)` decides; `needs` completes the sentence "needs …"."""

    good: Callable[[Any], bool]
    needs: str
    required: bool = True


class Faults:
    """Collects faults, each one line that names the key, the value found and a good one."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, found: object, needs: str) -> None:
        self.lines.append(f"{key}: found {short(found)}; needs {needs}")

    def missing(self, key: str, needs: str) -> None:
        self.lines.append(f"{key}: missing; needs {needs}")


def short(value: object) -> str:
    """A value as it is shown in a fault: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def table(faults: Faults, where: str, value: object, rules: Mapping[str, Rule]) -> Mapping[str, Any]:
    """Check a mapping against rules; return the values that are good."""
    if not isinstance(value, dict):
        faults.add(where, value, f"a mapping with the keys {', '.join(rules)}")
        return {}
    prefix = f"{where}." if where else ""
    for key in [key for key in value if key not in rules]:
        faults.add(f"{prefix}{key}", value[key], f"to be left out: unknown key (known: {', '.join(rules)})")
    good = {}
    for key, rule in rules.items():
        if key not in value:
            if rule.required:
                faults.missing(f"{prefix}{key}", rule.needs)
        elif rule.good(value[key]):
            good[key] = value[key]
        else:
            faults.add(f"{prefix}{key}", value[key], rule.needs)
    return good


def integer(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def pattern(expression: str) -> Callable[[Any], bool]:
    compiled = re.compile(expression)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def one_of(names: Sequence[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


def strings(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A list of good strings, none twice."""
    return lambda v: isinstance(v, list) and all(map(good, v)) and len(set(map(str, v))) == len(v)


def public_key(value: object) -> bool:
    """Whether a string is one SSH public key: known type, and the same type inside."""
    parts = value.split(None, 2) if isinstance(value, str) and "\n" not in value.strip() else []
    if len(parts) < 2 or parts[0] not in KEY_TYPES:
        return False
    try:
        blob = base64.b64decode(parts[1], validate=True)
        (length,) = struct.unpack(">I", blob[:4])
    except (binascii.Error, struct.error):
        return False
    return blob[4 : 4 + length] == parts[0].encode() and len(blob) >= 36


def network(value: object) -> ipaddress.IPv4Network | None:
    """The private or benchmark IPv4 network that a string is, or None."""
    try:
        found = ipaddress.IPv4Network(value) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None
    return found if found and any(found.subnet_of(n) for n in NETWORKS if n.version == 4) else None


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def role(value: object) -> bool:
    """Whether a string is the absolute path of a role that can be baked."""
    folder = Path(value, "tasks") if isinstance(value, str) and value.startswith("/") else None
    return folder is not None and any((folder / name).is_file() for name in ("install.yml", "main.yml"))


def _user_name(value: object) -> bool:
    return pattern(r"[a-z_][a-z0-9_-]{0,31}")(value) and value not in NO_USERS


def _partition_name(value: object) -> bool:
    return pattern(r"[a-z][a-z0-9]{0,15}")(value) and value not in NO_PARTITIONS


USER = Rule(_user_name, "a user name of lower-case letters, digits, _ and -, none of the system's, such as alice")
SECONDS = Rule(integer(1, 65533), "whole seconds from 1 to 65533, such as 300")
IMAGE = Rule(pattern(r"[a-z][a-z0-9.-]{0,31}"), "a name of lower-case letters, digits, . and -, such as debian13")
FLAVOR = Rule(pattern(r"[a-z][a-z0-9.-]{0,31}"), "a name of lower-case letters, digits, . and -, such as small")
FEATURES = Rule(strings(pattern(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")), "a list of words, none twice, such as [fast]")
_WORD = r"(?!(?i:PartitionName|Nodes)=)[A-Za-z][A-Za-z0-9_]*=[^\s#=]+"
PARTITION_WORDS = rf"{_WORD}( {_WORD})*"
# A GPU without a device is none to slurmd, and its node invalid to slurmctld.
_GRES_WORDS = r"( (File|Cores|Links|Flags|AutoDetect)=[^\s#=]+)*"
GRES = rf"(?!gpu:\S*$)[a-z][a-z0-9_]*(:[A-Za-z][A-Za-z0-9_.-]*)?:[1-9][0-9]*[KMGT]?{_GRES_WORDS}"

TOP = {
    "cluster_name": Rule(lambda v: isinstance(v, str) and bool(paths.NAME.fullmatch(v)), paths.NAME_GOOD),
    "provider": Rule(one_of(("local",)), "local (the only provider so far)"),
    "subnet": Rule(
        lambda v: network(v) is not None,
        "a private IPv4 network (10/8, 172.16/12, 192.168/16 or 198.18/15) without host bits, such as 198.18.0.0/16",
    ),
    "images": Rule(lambda v: isinstance(v, dict) and bool(v), "a mapping such as {debian13: {release: trixie}}"),
    "flavors": Rule(lambda v: isinstance(v, dict) and bool(v), "a mapping such as {small: {cpus: 1, memory_mb: 512}}"),
    "login": Rule(lambda v: isinstance(v, dict), "a mapping such as {image: debian13, flavor: small}"),
    "partitions": Rule(lambda v: isinstance(v, list) and bool(v), "a list with at least one partition"),
    "accounting": Rule(_flag, "true or false"),
    "accounts": Rule(
        lambda v: isinstance(v, list), "a list such as [{name: physics}, {name: optics, parent: physics}]"
    ),
    "slurm_conf": Rule(lambda v: isinstance(v, str), "text: lines of slurm.conf, such as 'DebugFlags=Power'"),
    "suspend_time": SECONDS,
    "suspend_timeout": SECONDS,
    "resume_timeout": SECONDS,
    "slurm_gate": Rule(_flag, "true or false"),
    "mpi": Rule(_flag, "true or false"),
    "users": Rule(lambda v: isinstance(v, list), "a list such as [{name: alice, uid: 10001}]"),
    "bypass_users": Rule(strings(_user_name), "a list of user names, none twice, such as [alice]"),
}
IMAGES = {  # beside `release` (reconfigure/site/releases.py)
    "packages": Rule(
        strings(pattern(r"[a-z0-9][a-z0-9+.-]{1,63}")),
        "a list of names of Debian packages, none twice, such as [htop]",
        required=False,
    ),
    "roles": Rule(
        strings(role),
        "a list of folders with tasks/install.yml or tasks/main.yml in them, relative to the site file's folder, "
        "none twice, such as [roles/motd]",
        required=False,
    ),
}
FLAVORS = {
    "cpus": Rule(integer(1, 4096), "a whole number from 1 to 4096, such as 1"),
    "memory_mb": Rule(integer(64, 2**26), "whole megabytes from 64 up, such as 512"),
    "features": Rule(FEATURES.good, FEATURES.needs, required=False),
    "gres": Rule(
        strings(pattern(GRES)),
        "a list of NAME:COUNT or NAME:TYPE:COUNT, with words of gres.conf after it where there are any "
        "(a gpu needs them), such as ['gpu:tesla:2 File=/dev/nvidia[0-1]', 'lscratch:100G']",
        required=False,
    ),
}
LOGIN = {"image": IMAGE, "flavor": FLAVOR}
PARTITION = {
    "name": Rule(
        _partition_name,
        f"1 to 16 lower-case letters and digits, beginning with a letter, not {', '.join(NO_PARTITIONS)}; such as cpu",
    ),
    "scheduler": Rule(one_of(("slurm", "booking")), "slurm or booking"),
    "min_nodes": Rule(integer(0, 1023), "a whole number from 0 to max_nodes, such as 1"),
    "max_nodes": Rule(integer(1, 1023), "a whole number from 1 to 1023, such as 4"),
    "image": IMAGE,
    "flavor": FLAVOR,
    "features": FEATURES,
    "slurm": Rule(
        pattern(PARTITION_WORDS),
        "words of a PartitionName line with one blank between them, without PartitionName and Nodes, "
        "such as 'MaxTime=1-0 Default=YES'",
        required=False,
    ),
}
ACCOUNT = Rule(
    lambda v: pattern(r"[a-z][a-z0-9_-]{0,31}")(v) and v != "root",
    "a name of lower-case letters, digits, _ and -, not root, such as physics",
)
ACCOUNTS = {
    "name": ACCOUNT,
    "parent": Rule(pattern(r"[a-z][a-z0-9_-]{0,31}"), "root or an account above it in the list", required=False),
    "description": Rule(pattern(r"[\w .,()-]{1,60}"), "up to 60 letters, digits, blanks and .,()-", required=False),
}
IDS = "a whole number from 1000 to 60000, such as 10001"
USERS = {
    "name": USER,
    "uid": Rule(integer(1000, 60000), IDS),
    "gid": Rule(integer(1000, 60000), IDS, required=False),
    "keys": Rule(strings(public_key), "a list of SSH public keys such as ['ssh-ed25519 AAAA…']", required=False),
    "admin": Rule(_flag, "true or false", required=False),
    "accounts": Rule(
        strings(ACCOUNT.good), "a list of names of accounts, none twice, the default one first", required=False
    ),
}
