# Guards: one machine per wanted name and no other, what replaces a machine,
# and that bad input is refused where it belongs.
# Cannot prove: that machines start or end, nor what -target leaves alone
# (tests/cluster/test_provider_local.py does, with real machines).

variables {
  cluster = { name = "tb", home = "/tmp/kiwi/clusters/tb", subnet = "198.18.202.0/24" }
  images  = { debian13 = { path = "/tmp/kiwi/images/debian13-1", hash = "1" } }
  nodeset = {
    login   = { name = "login", role = "login", partition = "", address = "198.18.202.10", image = "debian13", flavor = "small", features = [] }
    "cpu-1" = { name = "cpu-1", role = "slurm", partition = "cpu", address = "198.18.202.21", image = "debian13", flavor = "small", features = [] }
    "cpu-2" = { name = "cpu-2", role = "slurm", partition = "cpu", address = "198.18.202.22", image = "debian12", flavor = "small", features = [] }
  }
  nodes = ["login", "cpu-1"]
}

run "plans_one_machine_per_wanted_name" {
  command = plan
  assert {
    condition     = toset(keys(output.machines)) == toset(["login", "cpu-1"])
    error_message = "machines are ${join(", ", keys(output.machines))}"
  }
  assert {
    condition     = output.machines["cpu-1"].address == "198.18.202.21"
    error_message = "cpu-1 has the address ${output.machines["cpu-1"].address}"
  }
}

run "plans_no_machine_for_no_name" {
  command = plan
  variables { nodes = [] }
  assert {
    condition     = length(output.machines) == 0
    error_message = "machines are ${join(", ", keys(output.machines))}"
  }
}

run "gives_a_machine_the_network_and_the_image" {
  command = plan
  module { source = "./node" }
  variables {
    record = { name = "cpu-1", role = "slurm", address = "198.18.202.21", image = "debian13" }
    image  = { path = "/tmp/kiwi/images/debian13-1", hash = "1" }
  }
  assert {
    condition = terraform_data.machine.input == {
      home    = "/tmp/kiwi/clusters/tb", cluster = "tb", name = "cpu-1", role = "slurm", address = "198.18.202.21/24",
      gateway = "198.18.202.1", image = "/tmp/kiwi/images/debian13-1", hash = "1"
    }
    error_message = "input is ${jsonencode(terraform_data.machine.input)}"
  }
  assert {
    condition     = terraform_data.machine.triggers_replace == { image = "1", address = "198.18.202.21/24" }
    error_message = "a machine is replaced by ${jsonencode(terraform_data.machine.triggers_replace)}"
  }
}

run "refuses_an_image_that_is_not_baked_at_its_node" {
  command = plan
  module { source = "./node" }
  variables {
    record = { name = "cpu-2", role = "slurm", address = "198.18.202.22", image = "debian12" }
    image  = null
  }
  expect_failures = [terraform_data.machine]
}

run "refuses_a_name_that_is_not_in_the_nodeset" {
  command = plan
  variables { nodes = ["login", "gpu-1"] }
  expect_failures = [var.nodes]
}

run "refuses_a_bad_cluster_name" {
  command = plan
  variables { cluster = { name = "My Lab", home = "/tmp/kiwi/clusters/tb", subnet = "198.18.202.0/24" } }
  expect_failures = [var.cluster]
}

run "refuses_a_home_that_mount_would_take_apart" {
  command = plan
  variables { cluster = { name = "tb", home = "/tmp/a:b,c", subnet = "198.18.202.0/24" } }
  expect_failures = [var.cluster]
}

run "refuses_a_subnet_that_is_no_network" {
  command = plan
  variables { cluster = { name = "tb", home = "/tmp/kiwi/clusters/tb", subnet = "198.18/24" } }
  expect_failures = [var.cluster]
}

run "refuses_an_image_path_that_mount_would_take_apart" {
  command = plan
  variables { images = { debian13 = { path = "/tmp/a:b", hash = "1" } } }
  expect_failures = [var.images]
}
