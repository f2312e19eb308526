#!/bin/bash
# Record what Terraform says of one node made and one that failed: `record-terraform.sh FOLDER`
# writes plan.json, apply.jsonl and state.json. KIWI_TERRAFORM names the program (default terraform).
set -e
terraform() { command ${KIWI_TERRAFORM:-terraform} "$@"; }
out=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
mkdir node
cat >main.tf <<'TF'
module "node" {
  source   = "./node"
  for_each = toset(["cpu-1", "cpu-2"])
  name     = each.key
}
TF
cat >node/main.tf <<'TF'
variable "name" {}
resource "terraform_data" "machine" {
  input = var.name
  provisioner "local-exec" {
    command = "if [ ${var.name} = cpu-2 ]; then echo the host is full >&2; exit 3; fi"
  }
}
TF
terraform init -no-color >&2
terraform plan -no-color -out=plan '-target=module.node["cpu-1"]' '-target=module.node["cpu-2"]' >&2
terraform show -json plan >"$out/plan.json"
terraform apply -json plan >"$out/apply.jsonl" || true
terraform show -json >"$out/state.json"
