# One machine. Its instance id is the resource's id. `input` keeps what the
# destroy step needs: it may look at nothing but the resource itself.

locals {
  prefix = split("/", var.cluster.subnet)[1]
}

resource "terraform_data" "machine" {
  input = {
    home    = var.cluster.home
    cluster = var.cluster.name
    name    = var.record.name
    role    = var.record.role
    address = "${var.record.address}/${local.prefix}"
    gateway = cidrhost(var.cluster.subnet, 1)
    image   = try(var.image.path, "")
    hash    = try(var.image.hash, "")
  }

  triggers_replace = {
    image   = try(var.image.hash, "")
    address = "${var.record.address}/${local.prefix}"
  }

  lifecycle {
    precondition {
      condition     = var.image != null
      error_message = "image of node ${var.record.name}: found \"${var.record.image}\", which is not baked; needs one of the keys of images."
    }
  }

  provisioner "local-exec" {
    interpreter = ["/bin/bash", "${path.module}/../machine.sh"]
    command     = "create"
    quiet       = true
    environment = {
      KIWI_HOME     = self.input.home
      KIWI_CLUSTER  = self.input.cluster
      KIWI_NAME     = self.input.name
      KIWI_INSTANCE = self.id
      KIWI_ROLE     = self.input.role
      KIWI_ADDRESS  = self.input.address
      KIWI_GATEWAY  = self.input.gateway
      KIWI_IMAGE    = self.input.image
      KIWI_HASH     = self.input.hash
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/bash", "${path.module}/../machine.sh"]
    command     = "destroy"
    quiet       = true
    environment = {
      KIWI_HOME     = self.input.home
      KIWI_CLUSTER  = self.input.cluster
      KIWI_NAME     = self.input.name
      KIWI_INSTANCE = self.id
    }
  }
}
