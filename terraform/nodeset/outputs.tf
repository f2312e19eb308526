output "nodeset" {
  description = "All nodes up to max_nodes by name: {name, role, partition, address, image, flavor, features}."
  # No tomap(): with 10,000 nodes Terraform takes four times as long for it. As JSON it is the same.
  value = { for node in concat([local.login], local.compute) : node.name => node }
}
