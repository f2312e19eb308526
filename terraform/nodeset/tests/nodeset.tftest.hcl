# Guards: which nodes a site has, their names, roles and addresses (addresses
# are promised to stay when a partition grows), and that every bad value is
# refused at its variable.
# Cannot prove: that the messages read well, that the driver hands the site
# data over unchanged, or that a machine comes up at its address.

variables {
  subnet  = "198.18.0.0/16"
  images  = ["debian13"]
  flavors = ["small"]
  login   = { image = "debian13", flavor = "small" }
  partitions = [
    { name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = ["fast"] },
    { name = "lab", scheduler = "booking", min_nodes = 2, max_nodes = 2, image = "debian13", flavor = "small", features = [] },
  ]
}

run "names_all_nodes_up_to_max_nodes" {
  command = plan

  assert {
    condition     = toset(keys(output.nodeset)) == toset(["login", "cpu-1", "cpu-2", "cpu-3", "cpu-4", "lab-1", "lab-2"])
    error_message = "the names are ${join(", ", keys(output.nodeset))}"
  }
  assert {
    condition = jsonencode(output.nodeset["cpu-3"]) == jsonencode({
      name  = "cpu-3", role = "slurm", partition = "cpu", address = "198.18.4.3",
      image = "debian13", flavor = "small", features = ["fast"]
    })
    error_message = "cpu-3 is ${jsonencode(output.nodeset["cpu-3"])}"
  }
  assert {
    condition = jsonencode(output.nodeset["login"]) == jsonencode({
      name  = "login", role = "login", partition = "", address = "198.18.0.10",
      image = "debian13", flavor = "small", features = []
    })
    error_message = "login is ${jsonencode(output.nodeset["login"])}"
  }
  assert {
    condition     = output.nodeset["lab-2"].address == "198.18.8.2" && output.nodeset["lab-2"].role == "booking"
    error_message = "lab-2 is ${jsonencode(output.nodeset["lab-2"])}"
  }
}

run "keeps_addresses_when_a_partition_grows" {
  command = plan

  variables {
    partitions = [
      { name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 1023, image = "debian13", flavor = "small", features = [] },
      { name = "lab", scheduler = "booking", min_nodes = 2, max_nodes = 2, image = "debian13", flavor = "small", features = [] },
    ]
  }
  assert {
    condition = (
      output.nodeset["cpu-3"].address == "198.18.4.3" && output.nodeset["cpu-1023"].address == "198.18.7.255" &&
      output.nodeset["lab-2"].address == "198.18.8.2"
    )
    error_message = "an address moved"
  }
  assert {
    condition     = length(distinct([for node in output.nodeset : node.address])) == length(output.nodeset)
    error_message = "two nodes have the same address"
  }
}

run "gives_a_partition_of_more_nodes_a_bigger_block" {
  command = plan

  variables {
    partitions = [
      { name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 4000, image = "debian13", flavor = "small", features = [] },
      { name = "lab", scheduler = "booking", min_nodes = 2, max_nodes = 2, image = "debian13", flavor = "small", features = [] },
    ]
  }
  assert {
    condition = (
      output.nodeset["cpu-1"].address == "198.18.4.1" && output.nodeset["cpu-1000"].address == "198.18.7.232" &&
      output.nodeset["cpu-4000"].address == "198.18.19.160" && output.nodeset["lab-2"].address == "198.18.20.2"
    )
    error_message = "an address is another one"
  }
  assert {
    condition     = length(output.nodeset) == 4003
    error_message = "there are ${length(output.nodeset)} nodes"
  }
  assert {
    condition     = length(distinct([for node in output.nodeset : node.address])) == length(output.nodeset)
    error_message = "two nodes have the same address"
  }
}

run "keeps_all_addresses_when_a_partition_grows_within_its_block" {
  command = plan

  variables {
    partitions = [
      { name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 4095, image = "debian13", flavor = "small", features = [] },
      { name = "lab", scheduler = "booking", min_nodes = 2, max_nodes = 2, image = "debian13", flavor = "small", features = [] },
    ]
  }
  assert {
    condition     = output.nodeset["cpu-4000"].address == "198.18.19.160" && output.nodeset["lab-2"].address == "198.18.20.2"
    error_message = "an address moved"
  }
}

run "takes_a_small_subnet_that_holds_all" {
  command = plan
  variables {
    subnet     = "198.18.202.0/24"
    partitions = []
  }
  assert {
    condition     = output.nodeset["login"].address == "198.18.202.10"
    error_message = "login is ${jsonencode(output.nodeset["login"])}"
  }
}

run "takes_the_last_address_that_fits" {
  command = plan
  variables {
    subnet     = "10.0.0.0/21"
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 1022, image = "debian13", flavor = "small", features = [] }]
  }
  assert {
    condition     = output.nodeset["cpu-1022"].address == "10.0.7.254"
    error_message = "cpu-1022 is ${jsonencode(output.nodeset["cpu-1022"])}"
  }
}

run "refuses_the_broadcast_address" {
  command = plan
  variables {
    subnet     = "10.0.0.0/21"
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 1023, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.subnet]
}

run "refuses_a_subnet_that_is_no_network" {
  command = plan
  variables {
    subnet     = "198.18/16"
    partitions = []
  }
  expect_failures = [var.subnet]
}

run "refuses_ipv6" {
  command = plan
  variables {
    subnet     = "fd00::/64"
    partitions = []
  }
  expect_failures = [var.subnet]
}

run "refuses_host_bits" {
  command = plan
  variables { subnet = "198.18.0.1/16" }
  expect_failures = [var.subnet]
}

run "refuses_a_subnet_too_small_for_the_last_partition" {
  command = plan
  variables { subnet = "198.18.0.0/21" }
  expect_failures = [var.subnet]
}

run "refuses_a_login_image_that_is_not_defined" {
  command = plan
  variables { login = { image = "debian99", flavor = "small" } }
  expect_failures = [var.login]
}

run "refuses_a_login_flavor_that_is_not_defined" {
  command = plan
  variables { login = { image = "debian13", flavor = "huge" } }
  expect_failures = [var.login]
}
