output "machine" {
  description = "Address, image and instance id."
  value = {
    address  = var.record.address
    image    = var.record.image
    instance = terraform_data.machine.id
  }
}
