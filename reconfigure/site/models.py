"""The keys of the site data as pydantic models: the type and range of each value, and what people read about it.

`title` says what a key means. `description` completes "KEY: found X; needs …"
(reconfigure/site/validation.py). Both are shown by editors (reconfigure/site/schema.py).
What one key demands of another is in reconfigure/site/rules.py.

Importing this takes tens of milliseconds: only what checks site data does so.
To add a provider, add a subclass of SiteData with its keys and name it in PROVIDERS.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconfigure.clusterdir import paths
from reconfigure.site import releases, rules, schedule
from reconfigure.site.values import (
    AccountName,
    Features,
    Flag,
    FlavorName,
    Gres,
    GroupName,
    Id,
    ImageName,
    Once,
    Package,
    PartitionName,
    PartitionWords,
    PublicKey,
    RoleFolder,
    Seconds,
    UserName,
    Words,
    only,
)

RELEASES = releases.known()


def _absent() -> Any:  # noqa: ANN401 - the value of a key that may be left out, of whatever type it is
    return None


class Keys(BaseModel):
    """A mapping of the site data: no key but these, no value of another type. Absent keys are None."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Image(Keys):
    """What is baked into an image."""

    release: Annotated[str, only(RELEASES.__contains__)] = Field(
        title="Codename of the distribution's release; one for the login node and all Slurm partitions.",
        json_schema_extra={"enum": list(RELEASES)},
        description=" or ".join(release.words for release in RELEASES.values()),
    )
    packages: Once[Package] = Field(
        default_factory=_absent,
        title="Debian packages of your own.",
        description="a list of names of Debian packages, none twice, such as [htop]",
    )
    roles: Once[RoleFolder] = Field(
        default_factory=_absent,
        title="Folders of your own Ansible roles.",
        description="a list of folders with tasks/install.yml or tasks/main.yml in them, relative to the site file's "
        "folder, none twice, such as [roles/motd]",
    )


class Flavor(Keys):
    """A size of machines, as Slurm is told about it."""

    cpus: int = Field(ge=1, le=4096, title="Processors.", description="a whole number from 1 to 4096, such as 1")
    memory_mb: int = Field(
        ge=64, le=2**26, title="Memory in megabytes.", description="whole megabytes from 64 up, such as 512"
    )
    features: Features = Field(
        default_factory=_absent, title="Words for --constraint, or kiwi alloc -l, added to those of the partition."
    )
    gres: Once[Gres] = Field(
        default_factory=_absent,
        title="Generic resources.",
        description="a list of NAME:COUNT or NAME:TYPE:COUNT, with words of gres.conf after it where there are any "
        "(a gpu needs them), such as ['gpu:tesla:2 File=/dev/nvidia[0-1]', 'lscratch:100G']",
    )


class Login(Keys):
    """The login node."""

    image: ImageName = Field(title="A key of images.")
    flavor: FlavorName = Field(title="A key of flavors.")


class Hours(Keys):
    """Other `min_nodes` from an hour on."""

    at: str = Field(
        pattern=schedule.AT,
        title="From when on, in the time zone of the site, until another entry's hour comes.",
        description="HH:MM in quotes, with days before it where it is not every day, such as '18:00', 'Mon-Fri 08:00' "
        "or 'Sat,Sun 10:00'",
    )
    min_nodes: int = Field(
        ge=0,
        le=rules.MOST_NODES,
        title="So many are always up then.",
        description="a whole number from 0 to max_nodes, such as 4",
    )


class Partition(Keys):
    """Nodes NAME-1 … NAME-max_nodes."""

    name: PartitionName = Field(title="Its nodes are NAME-1, NAME-2 and so on.")
    scheduler: Literal["slurm", "booking"] = Field(
        title="Who hands out its nodes: Slurm, or people who take them with `kiwi alloc`.",
        description="slurm or booking",
    )
    min_nodes: int = Field(
        default=0,
        ge=0,
        le=rules.MOST_NODES,
        title="So many are always up.",
        description="a whole number from 0 to max_nodes, such as 1",
    )
    max_nodes: int = Field(
        ge=1,
        le=rules.MOST_NODES,
        title="A Slurm partition grows to so many for its queue.",
        description=f"a whole number from 1 to {rules.MOST_NODES}, such as 4",
    )
    warm: int = Field(
        default_factory=_absent,
        ge=0,
        le=rules.MOST_NODES,
        title="So many nodes of a Slurm partition are kept up and idle beyond what its jobs have.",
        description="a whole number from 0 to max_nodes, such as 2; only where scheduler is slurm",
    )
    schedule: list[Hours] = Field(
        default_factory=_absent,
        title="Other min_nodes of a Slurm partition at given hours.",
        description="a list such as [{at: 'Mon-Fri 08:00', min_nodes: 4}, {at: '18:00', min_nodes: 1}]; "
        "only where scheduler is slurm",
    )
    image: ImageName = Field(title="A key of images.")
    flavor: FlavorName = Field(title="A key of flavors.")
    features: Features = Field(default=[], title="Words for --constraint; where kiwi hands it out, for kiwi alloc -l.")
    slurm: PartitionWords = Field(
        default_factory=_absent,
        title="Words of your own in Slurm's line of the partition.",
        description="words of a PartitionName line with one blank between them, without PartitionName and Nodes, "
        "such as 'MaxTime=1-0 Default=YES'",
    )


class Account(Keys):
    """An account in Slurm's accounting."""

    name: AccountName = Field(title="Its name in Slurm.")
    parent: str = Field(
        default_factory=_absent,
        pattern=r"^[a-z][a-z0-9_-]{0,31}$",
        title="The account that it is part of; root where there is none.",
        description=rules.PARENT,
    )
    description: Words = Field(
        default_factory=_absent,
        min_length=1,
        max_length=60,
        title="Words for people.",
        description="up to 60 letters, digits, blanks and .,()-",
    )


class User(Keys):
    """A person with the same ids on every machine."""

    name: UserName = Field(title="Login name.")
    uid: Id = Field(title="User id on every machine.")
    gid: Id = Field(default_factory=_absent, title="Id of the primary group; the uid where it is not given.")
    keys: Once[PublicKey] = Field(
        default_factory=_absent,
        title="SSH public keys; without any the cluster makes a pair.",
        description="a list of SSH public keys such as ['ssh-ed25519 AAAA…']",
    )
    admin: Flag = Field(default_factory=_absent, title="Whether they may act for others (`kiwi -u`) and sudo.")
    accounts: Once[AccountName] = Field(
        default_factory=_absent,
        title="Their accounts in Slurm's accounting.",
        description="a list of names of accounts, none twice, the default one first",
    )


class Group(Keys):
    """A group with the same id on every machine, besides each user's own one."""

    name: GroupName = Field(title="Its name.")
    gid: Id = Field(title="Group id on every machine.")
    members: Once[UserName] = Field(
        default_factory=_absent,
        title="Users who are in it.",
        description="a list of names of users, none twice, such as [alice]",
    )


class SiteData(Keys):
    """The keys that site data has with every provider."""

    cluster_name: str = Field(
        pattern=f"^{paths.NAME.pattern}$",
        title="Names machines, bridge, rules and folders.",
        description=paths.NAME_GOOD,
    )
    provider: str = Field(title="Who makes the machines.")
    subnet: Annotated[str, only(rules.network)] = Field(
        title="Addresses of all machines; each partition has a block of 1024 in it, or more.",
        description="a private IPv4 network (10/8, 172.16/12, 192.168/16 or 198.18/15) without host bits, "
        "such as 198.18.0.0/16",
    )
    images: dict[ImageName, Image] = Field(
        min_length=1,
        title="What is baked into images, by name.",
        description="a mapping such as {debian13: {release: trixie}}",
    )
    flavors: dict[FlavorName, Flavor] = Field(
        min_length=1,
        title="Sizes of machines, by name.",
        description="a mapping such as {small: {cpus: 1, memory_mb: 512}}",
    )
    login: Login = Field(
        title="Image and flavor of the login node.", description="a mapping such as {image: debian13, flavor: small}"
    )
    partitions: list[Partition] = Field(
        min_length=1,
        title="In the order of their address blocks: add new ones at the end.",
        description="a list with at least one partition",
    )
    accounting: Flag = Field(title="Whether slurmdbd and a MariaDB on the login node keep what was done, for sacct.")
    accounts: list[Account] = Field(
        title="Accounts in Slurm's accounting, parents first.",
        description="a list such as [{name: physics}, {name: optics, parent: physics}]",
    )
    slurm_conf: str = Field(
        title="Lines of your own in slurm.conf; keys that Kiwi writes are refused.",
        description="text: lines of slurm.conf, such as 'DebugFlags=Power'",
    )
    suspend_time: Seconds = Field(title="So long is a Slurm node idle before it is powered down.")
    suspend_timeout: Seconds = Field(title="After so long may a node that was powered down be wanted again.")
    resume_timeout: Seconds = Field(title="So long may a node take to register.")
    time_zone: Annotated[str, only(schedule.is_zone)] = Field(
        title="Time zone of the hours in schedule; empty: the control host's.",
        description="a name such as Europe/Berlin, or ''",
    )
    resize_wait: int = Field(
        ge=0,
        le=2**22,
        title="So long does a resize wait for jobs and bookings on nodes that go.",
        description="whole seconds from 0 to 4194304, such as 86400",
    )
    resize_idle_first: Flag = Field(
        title="Whether idle nodes go before those that somebody has, whatever their numbers."
    )
    slurm_gate: Flag = Field(title="Whether only users with a job on a Slurm node log in to it.")
    mpi: Flag = Field(title="Whether Open MPI and a C compiler are in the images.")
    users: list[User] = Field(
        title="People, with the same ids on every machine.", description="a list such as [{name: alice, uid: 10001}]"
    )
    user_groups: list[Group] = Field(
        title="Groups that users have in common, with the same ids on every machine.",
        description="a list such as [{name: physics, gid: 20000, members: [alice]}]",
    )
    bypass_users: Once[UserName] = Field(
        title="Users whom the gate of a node always lets in, besides root.",
        description="a list of user names, none twice, such as [alice]",
    )
    left_files_block: Flag = Field(
        title="Whether files of its last user that cannot be removed keep a booked node from the next one."
    )


class Local(SiteData):
    """Site data with systemd-nspawn machines on this host."""

    provider: Literal["local"] = Field(title="Who makes the machines.", description="local (the only provider so far)")


PROVIDERS: dict[str, type[SiteData]] = {"local": Local}
