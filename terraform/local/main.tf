# The machines of one cluster on this host: one module instance, and in it one
# machine, per wanted name. So -target='module.node["NAME"]' is one node with
# all it owns, and a change of an image reaches only the nodes that are named.

module "node" {
  source   = "./node"
  for_each = var.nodes

  cluster = var.cluster
  record  = var.nodeset[each.key]
  # An image that is not baked is refused in the node, so that it stops no other.
  image = lookup(var.images, var.nodeset[each.key].image, null)
}
