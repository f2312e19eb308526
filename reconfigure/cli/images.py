"""Commands about images: list and bake them."""

from __future__ import annotations

import argparse

from kiwi.common import commandline
from kiwi.common.commandline import BY_HAND, complete
from kiwi.common.errors import OK
from reconfigure.cli import tables
from reconfigure.cli.common import Commands, Options, add, folder, print_json
from reconfigure.cli.tables import Table
from reconfigure.images import catalogue
from reconfigure.site import data as site_data
from reconfigure.site import written


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare image list and image bake."""
    command = add(commands, "image", image, "list or bake images", "image list", BY_HAND)
    actions = commandline.commands_of(command, "action")
    listing = add(actions, "list", image, "print every image, its hash and whether it is baked", "image list")
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    bake = add(actions, "bake", image, "bake an image where its tree is missing", "image bake debian13")
    name = bake.add_argument("name", metavar="NAME", help="a key of images in the site data")
    complete(name, "_reconfigure_images")


def image(options: Options) -> int:
    """List or bake images."""
    clusterdir = folder(options)
    found = written.read(clusterdir) if clusterdir.site.exists() else site_data.load(None)
    if options.action == "bake":
        print_json({"changed": catalogue.bake(clusterdir, found, options.name)})
        return OK
    rows = catalogue.images(clusterdir.root, found)
    if options.json:
        print_json([row.data() for row in rows])
    else:
        cells = [(row.name, row.hash[:12], "baked" if row.baked else "not baked") for row in rows]
        table = Table(("image", "hash", "state"), cells, whole=("image", "hash"), states=("state",), bare=True)
        tables.show(table)
    return OK
