# Guards: each validation of `partitions` refuses its bad value.
# Cannot prove: that the messages read well (tests/contract/terraform reads them).

variables {
  subnet     = "198.18.0.0/16"
  images     = ["debian13"]
  flavors    = ["small"]
  login      = { image = "debian13", flavor = "small" }
  partitions = []
}

run "refuses_a_name_with_capitals" {
  command = plan
  variables {
    partitions = [{ name = "CPU", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_name_with_an_underscore" {
  command = plan
  variables {
    partitions = [{ name = "gpu_a", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_name_that_ends_in_a_dash" {
  command = plan
  variables {
    partitions = [{ name = "cpu-", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_name_too_long_for_a_host_name" {
  command = plan
  variables {
    partitions = [{ name = "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_the_name_of_the_login_node" {
  command = plan
  variables {
    partitions = [{ name = "login", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_word_of_slurm_as_name" {
  command = plan
  variables {
    partitions = [{ name = "default", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_another_scheduler" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "pbs", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_min_nodes_above_max_nodes" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 5, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_negative_min_nodes" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = -1, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_half_a_node" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 1.5, max_nodes = 4, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_no_nodes" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 0, max_nodes = 0, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_partition_that_overlaps_the_next_block" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 16001, image = "debian13", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_an_image_that_is_not_defined" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian99", flavor = "small", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_flavor_that_is_not_defined" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "huge", features = [] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_feature_with_a_comma" {
  command = plan
  variables {
    partitions = [{ name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = ["a,b"] }]
  }
  expect_failures = [var.partitions]
}

run "refuses_a_name_given_twice" {
  command = plan
  variables {
    partitions = [
      { name = "cpu", scheduler = "slurm", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] },
      { name = "cpu", scheduler = "booking", min_nodes = 1, max_nodes = 4, image = "debian13", flavor = "small", features = [] },
    ]
  }
  expect_failures = [var.partitions]
}
