"""Commands about images: list and bake them."""

from __future__ import annotations

import argparse

from kiwi.common.errors import OK
from reconfigure.cli import tables
from reconfigure.cli.common import Commands, Options, add, folder, print_json
from reconfigure.cli.tables import Table
from reconfigure.clusterdir import files
from reconfigure.images import catalogue
from reconfigure.site import data as site_data


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare image list and image bake."""
    command = add(commands, "image", image, "list or bake images", "image bake debian13")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print every image, its hash and whether it is baked")
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    bake = actions.add_parser("bake", help="bake an image where its tree is missing")
    bake.add_argument("name", metavar="NAME", help="a key of images in the site data")


def image(options: Options) -> int:
    clusterdir = folder(options)
    written = clusterdir.site.exists()
    found = site_data.freeze(files.read_json(clusterdir.site)) if written else site_data.load(None)
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
