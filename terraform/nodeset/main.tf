# Site data in, all nodes that may ever exist out. No provider, no state that
# matters: addresses come from positions alone, so growing and shrinking within
# a partition's block move nothing. docs/seams.md, "Node record".

locals {
  # A partition's block is the smallest of these that holds its nodes; the first begins at 1024.
  sizes  = [1024, 2048, 4096, 8192, 16384]
  blocks = [for p in var.partitions : try([for size in local.sizes : size if size > p.max_nodes][0], 16384)]
  begins = [for index in range(length(local.blocks)) : 1024 + sum(concat([0], slice(local.blocks, 0, index)))]

  # By thousands, since range() gives 1024 numbers at the most.
  numbers = [
    for p in var.partitions : flatten([
      for thousand in range(floor(p.max_nodes / 1000) + 1) :
      range(max(1, 1000 * thousand), min(1000 * (thousand + 1), p.max_nodes + 1))
    ])
  ]

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
      for number in local.numbers[index] : {
        name      = "${p.name}-${number}"
        role      = p.scheduler
        partition = p.name
        address   = cidrhost(var.subnet, local.begins[index] + number)
        image     = p.image
        flavor    = p.flavor
        features  = tolist(p.features)
      }
    ]
  ])
}
