variable "subnet" {
  description = "IPv4 network that holds the addresses of all machines, such as 198.18.0.0/16."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9.]+/[0-9]+$", var.subnet)) && can(cidrhost(var.subnet, 10))
    error_message = "subnet: found \"${var.subnet}\"; needs an IPv4 network with room for 10 addresses, such as 198.18.0.0/16."
  }

  validation {
    condition     = try(cidrsubnet(var.subnet, 0, 0) == var.subnet, true)
    error_message = "subnet: found \"${var.subnet}\", which has host bits; needs the network itself: ${try(cidrsubnet(var.subnet, 0, 0), "198.18.0.0/16")}."
  }

  # The broadcast address is no address for a machine, hence the 2.
  validation {
    condition = try(
      max(10, [for index, p in var.partitions : local.begins[index] + p.max_nodes]...)
      <= pow(2, 32 - tonumber(split("/", var.subnet)[1])) - 2,
    true)
    error_message = "subnet: found \"${var.subnet}\", too small: each partition has a block of at least 1024 addresses, and the last node of partition \"${try(var.partitions[length(var.partitions) - 1].name, "")}\" needs number ${try(local.begins[length(var.partitions) - 1] + var.partitions[length(var.partitions) - 1].max_nodes, 10)}; a good value is 198.18.0.0/16, or 10.0.0.0/8 where that is too small."
  }
}

variable "images" {
  description = "Names of the images that nodes may use: the keys of `images` in the site data."
  type        = set(string)
  nullable    = false
}

variable "flavors" {
  description = "Names of the flavors that nodes may use: the keys of `flavors` in the site data."
  type        = set(string)
  nullable    = false
}

variable "login" {
  description = "Image and flavor of the login node."
  type        = object({ image = string, flavor = string })
  nullable    = false

  validation {
    condition     = contains(var.images, var.login.image)
    error_message = "login.image: found \"${var.login.image}\"; needs one of images: ${join(", ", var.images)}."
  }

  validation {
    condition     = contains(var.flavors, var.login.flavor)
    error_message = "login.flavor: found \"${var.login.flavor}\"; needs one of flavors: ${join(", ", var.flavors)}."
  }
}

variable "partitions" {
  description = "Partitions in the order of their address blocks: new ones come last. Nodes are NAME-1 to NAME-max_nodes."
  type = list(object({
    name      = string
    scheduler = string
    min_nodes = number
    max_nodes = number
    image     = string
    flavor    = string
    features  = list(string)
  }))
  nullable = false

  # The longest node name is NAME-16000, and a host name has at most 63 characters.
  validation {
    condition     = alltrue([for p in var.partitions : can(regex("^[a-z]([a-z0-9-]{0,55}[a-z0-9])?$", p.name))])
    error_message = "partitions: name: found ${join(", ", [for p in var.partitions : "\"${p.name}\"" if !can(regex("^[a-z]([a-z0-9-]{0,55}[a-z0-9])?$", p.name))])}; needs 1 to 57 lower-case letters, digits and inner dashes, beginning with a letter, such as cpu."
  }

  # `all` and `default` mean something else to kiwi and in slurm.conf.
  validation {
    condition     = alltrue([for p in var.partitions : !contains(["login", "all", "default"], p.name)])
    error_message = "partitions: name: found ${join(", ", [for p in var.partitions : "\"${p.name}\"" if contains(["login", "all", "default"], p.name)])}, which is reserved; a good value is cpu."
  }

  validation {
    condition     = length(distinct(var.partitions[*].name)) == length(var.partitions)
    error_message = "partitions: name: found ${join(", ", [for name, times in { for p in var.partitions : p.name => p.name... } : "\"${name}\" ${length(times)} times" if length(times) > 1])}; needs another name for each partition, such as cpu and lab."
  }

  validation {
    condition     = alltrue([for p in var.partitions : contains(["slurm", "booking"], p.scheduler)])
    error_message = "partitions: scheduler: found ${join(", ", [for p in var.partitions : "\"${p.scheduler}\" (${p.name})" if !contains(["slurm", "booking"], p.scheduler)])}; needs slurm or booking."
  }

  validation {
    condition     = alltrue([for p in var.partitions : p.max_nodes >= 1 && p.max_nodes <= 16000 && floor(p.max_nodes) == p.max_nodes])
    error_message = "partitions: max_nodes: found ${join(", ", [for p in var.partitions : "${p.max_nodes} (${p.name})" if !(p.max_nodes >= 1 && p.max_nodes <= 16000 && floor(p.max_nodes) == p.max_nodes)])}; needs a whole number from 1 to 16000, such as 4."
  }

  validation {
    condition     = alltrue([for p in var.partitions : p.min_nodes >= 0 && p.min_nodes <= p.max_nodes && floor(p.min_nodes) == p.min_nodes])
    error_message = "partitions: min_nodes: found ${join(", ", [for p in var.partitions : "${p.min_nodes} (${p.name}, max_nodes ${p.max_nodes})" if !(p.min_nodes >= 0 && p.min_nodes <= p.max_nodes && floor(p.min_nodes) == p.min_nodes)])}; needs a whole number from 0 to max_nodes, such as 1."
  }

  validation {
    condition     = alltrue([for p in var.partitions : contains(var.images, p.image)])
    error_message = "partitions: image: found ${join(", ", [for p in var.partitions : "\"${p.image}\" (${p.name})" if !contains(var.images, p.image)])}; needs one of images: ${join(", ", var.images)}."
  }

  validation {
    condition     = alltrue([for p in var.partitions : contains(var.flavors, p.flavor)])
    error_message = "partitions: flavor: found ${join(", ", [for p in var.partitions : "\"${p.flavor}\" (${p.name})" if !contains(var.flavors, p.flavor)])}; needs one of flavors: ${join(", ", var.flavors)}."
  }

  # Slurm reads commas, & and | in a list of features as its own.
  validation {
    condition     = alltrue([for f in flatten(var.partitions[*].features) : can(regex("^[A-Za-z][A-Za-z0-9_.-]*$", f))])
    error_message = "partitions: features: found ${join(", ", [for f in flatten(var.partitions[*].features) : "\"${f}\"" if !can(regex("^[A-Za-z][A-Za-z0-9_.-]*$", f))])}; needs words of letters, digits, _, . and -, beginning with a letter, such as fast."
  }
}
