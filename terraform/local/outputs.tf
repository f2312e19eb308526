output "machines" {
  description = "Address, image and instance of each machine, for people. Stale after -target: programs read the state."
  value       = { for name, node in module.node : name => node.machine }
}
