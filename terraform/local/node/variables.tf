variable "cluster" {
  description = "Name, home and subnet of the cluster."
  type        = object({ name = string, home = string, subnet = string })
  nullable    = false
}

variable "record" {
  description = "The node's record of the nodeset."
  type        = object({ name = string, role = string, address = string, image = string })
  nullable    = false
}

variable "image" {
  description = "The node's baked image; null where it is not baked."
  type        = object({ path = string, hash = string })
}
