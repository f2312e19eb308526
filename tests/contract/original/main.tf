# eiffel-ohpc's way with Terraform, as small as it goes: a set of nodes, and a file of all hosts that
# every change targets beside the nodes it means.

variable "nodes" {
  type = set(string)
}

variable "image" {
  type = string
}

variable "bad" {
  type = string
}

resource "terraform_data" "node" {
  for_each         = var.nodes
  input            = each.key
  triggers_replace = [var.image]

  provisioner "local-exec" {
    command = "sleep 1; if [ ${each.key} = '${var.bad}' ]; then echo the host is full >&2; exit 3; fi"
  }
}

resource "terraform_data" "hosts" {
  input = { for name, node in terraform_data.node : name => node.id }
}
