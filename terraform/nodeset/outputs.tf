output "nodeset" {
  description = "All nodes up to max_nodes by name: {name, role, partition, address, image, flavor, features}."
  value       = tomap({ for node in concat([local.login], local.compute) : node.name => node })
}
