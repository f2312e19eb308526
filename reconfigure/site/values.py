"""Types of single values of the site data; `description` says what such a value needs to be.

Annotations say what pydantic tests and an editor sees, functions what only we can test.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
PARTITION_WORD = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=[^\s#=]+")
# Users and groups of Debian's base system (base-passwd) and of packages that roles, or sites often, install: who has
# such a name gets that one's number on some machines. Debian's others begin with _ or systemd-.
SYSTEM_NAMES = [
    *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
    *("backup", "list", "irc", "gnats", "nobody", "adm", "tty", "disk", "kmem", "dialout", "fax", "voice", "cdrom"),
    *("floppy", "tape", "sudo", "audio", "dip", "operator", "src", "shadow", "utmp", "video", "sasl", "plugdev"),
    *("staff", "users", "nogroup", "sshd", "ssh", "messagebus", "polkitd", "crontab", "input", "sgx", "kvm", "render"),
    *("netdev", "rdma", "docker", "mysql", "kiwi", "slurm", "munge"),
]
NO_PARTITIONS = ["login", "all", "default", "nodes", "slurm", "booking"]
PERSON = r"^[a-z][a-z0-9_-]{0,31}$"
NAME = r"^[a-z][a-z0-9.-]{0,31}$"
T = TypeVar("T")


def only(good: Callable[[Any], bool]) -> AfterValidator:
    """Refuse values that `good` says no to; the key's description tells people why."""

    def judged(value: T) -> T:
        if not good(value):
            raise ValueError("the description says what is good")
        return value

    return AfterValidator(judged)


def _but(names: list[str]) -> dict[str, Any]:
    """Return what makes an editor refuse these names, as `only` does."""
    return {"not": {"enum": names}}


def public_key(value: str) -> bool:
    """Return whether a string is one SSH public key: a known type, and the same type inside (RFC 4253, 6.6)."""
    parts = value.split(None, 2) if "\n" not in value.strip() else []
    if len(parts) < 2 or parts[0] not in KEY_TYPES:
        return False
    try:
        blob = base64.b64decode(parts[1], validate=True)
        (length,) = struct.unpack(">I", blob[:4])
    except (binascii.Error, struct.error):
        return False
    return blob[4 : 4 + length] == parts[0].encode() and len(blob) >= 36


def role(value: str) -> bool:
    """Return whether a string is the absolute path of a role that can be baked."""
    tasks = Path(value, "tasks")
    return value.startswith("/") and any((tasks / name).is_file() for name in ("install.yml", "main.yml"))


def partition_words(value: str) -> bool:
    """Return whether a string is words of a PartitionName line that Kiwi does not write itself (man slurm.conf)."""
    words = [PARTITION_WORD.fullmatch(word) for word in value.split(" ")]
    return all(word and word[1].lower() not in ("partitionname", "nodes") for word in words)


Once = Annotated[
    list[T], only(lambda values: len(set(values)) == len(values)), Field(json_schema_extra={"uniqueItems": True})
]
Flag = Annotated[bool, Field(description="true or false")]
Seconds = Annotated[int, Field(ge=1, le=65533, description="whole seconds from 1 to 65533, such as 300")]
# The range that Debian's policy (9.2.2) leaves to people; the system takes from below and above it.
Id = Annotated[int, Field(ge=1000, le=59999, description="a whole number from 1000 to 59999, such as 10001")]
ImageName = Annotated[
    str, Field(pattern=NAME, description="a name of lower-case letters, digits, . and -, such as debian13")
]
FlavorName = Annotated[
    str, Field(pattern=NAME, description="a name of lower-case letters, digits, . and -, such as small")
]
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]{1,63}$")]
Features = Annotated[
    Once[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]],
    Field(description="a list of words, none twice, such as [fast]"),
]
# A GPU without a device is none to slurmd, and its node invalid to slurmctld.
Gres = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]*(:[A-Za-z][A-Za-z0-9_.-]*)?:[1-9][0-9]*[KMGT]?"
        r"( (File|Cores|Links|Flags|AutoDetect)=[^\s#=\x00-\x1f]+)*$"
    ),
    only(lambda gres: " " in gres or not gres.startswith("gpu:")),
]
PartitionName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9]{0,15}$",
        json_schema_extra=_but(NO_PARTITIONS),
        description="1 to 16 lower-case letters and digits, beginning with a letter, "
        f"not {', '.join(NO_PARTITIONS)}; such as cpu",
    ),
    only(lambda name: name not in NO_PARTITIONS),
]
UserName = Annotated[
    str,
    Field(
        pattern=PERSON,
        json_schema_extra=_but(SYSTEM_NAMES),
        description="a user name of lower-case letters, digits, _ and -, beginning with a letter, that is no user or "
        "group of Debian itself (as root, staff, operator or systemd-… are), such as alice",
    ),
    only(lambda name: name not in SYSTEM_NAMES and not name.startswith("systemd-")),
]
GroupName = Annotated[
    str,
    Field(
        pattern=PERSON,
        json_schema_extra=_but(SYSTEM_NAMES),
        description="a group name of lower-case letters, digits, _ and -, beginning with a letter, that is no user or "
        "group of Debian itself (as root, staff, users or systemd-… are), such as physics",
    ),
    only(lambda name: name not in SYSTEM_NAMES and not name.startswith("systemd-")),
]
AccountName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,31}$",
        json_schema_extra=_but(["root"]),
        description="a name of lower-case letters, digits, _ and -, not root, such as physics",
    ),
    only(lambda name: name != "root"),
]
PublicKey = Annotated[str, only(public_key)]
RoleFolder = Annotated[str, only(role)]
PartitionWords = Annotated[str, only(partition_words)]
Words = Annotated[str, only(lambda text: all(letter.isalnum() or letter in "_ .,()-" for letter in text))]
