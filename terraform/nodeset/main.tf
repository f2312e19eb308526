# Site data in, all nodes that may ever exist out. No provider, no state that
# matters: addresses come from positions alone, so growing and shrinking move
# nothing. docs/seams.md, "Node record".

locals {
  login = {
    name      = "login"
    role      = "login"
    partition = ""
    address   = cidrhost(var.subnet, 10)
    image     = var.login.image
    flavor    = var.login.flavor
    features  = tolist([])
  }

  compute = flatten([
    for index, p in var.partitions : [
      for number in range(1, p.max_nodes + 1) : {
        name      = "${p.name}-${number}"
        role      = p.scheduler
        partition = p.name
        address   = cidrhost(var.subnet, 1024 * (index + 1) + number)
        image     = p.image
        flavor    = p.flavor
        features  = tolist(p.features)
      }
    ]
  ])
}
