variable "cluster" {
  description = "Name of the cluster, its folder on this host (docs/seams.md, Places) and its network."
  type        = object({ name = string, home = string, subnet = string })
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.cluster.name))
    error_message = "cluster.name: found \"${var.cluster.name}\"; needs lower-case letters, digits and dashes, beginning with a letter, such as kiwi."
  }

  # A colon or a comma would be taken apart by mount and systemd-nspawn.
  validation {
    condition     = can(regex("^/[A-Za-z0-9/._+-]+$", var.cluster.home))
    error_message = "cluster.home: found \"${var.cluster.home}\"; needs an absolute path of letters, digits and . _ + -, such as /var/lib/kiwi/clusters/kiwi."
  }

  validation {
    condition     = can(cidrhost(var.cluster.subnet, 1))
    error_message = "cluster.subnet: found \"${var.cluster.subnet}\"; needs an IPv4 network such as 198.18.0.0/16."
  }
}

variable "nodeset" {
  description = "Records of the nodes that shall exist, by name, out of the output of ../nodeset; others may be there and mean nothing."
  type = map(object({
    name      = string
    role      = string
    partition = string
    address   = string
    image     = string
    flavor    = string
    features  = list(string)
  }))
  nullable = false
}

variable "images" {
  description = "Baked images by name: the folder that holds root/, and the hash of what was baked."
  type        = map(object({ path = string, hash = string }))
  nullable    = false

  validation {
    condition     = alltrue([for image in var.images : can(regex("^/[A-Za-z0-9/._+-]+$", image.path))])
    error_message = "images: path: found ${join(", ", [for name, image in var.images : "\"${image.path}\" (${name})" if !can(regex("^/[A-Za-z0-9/._+-]+$", image.path))])}; needs an absolute path of letters, digits and . _ + -, such as /var/lib/kiwi/images/debian13-1f2e."
  }
}

variable "nodes" {
  description = "Names of the nodes that shall exist now."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(var.nodes, keys(var.nodeset))) == 0
    error_message = "nodes: found ${join(", ", setsubtract(var.nodes, keys(var.nodeset)))}; needs names of the nodeset, such as login."
  }
}
