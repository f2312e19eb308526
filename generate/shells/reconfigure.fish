# What the cluster on the command line has, asked for two seconds at most by the program that stands there
# (.venv/bin/reconfigure is on nobody's PATH). Only names that no shell reads as anything else are offered.
function _reconfigure_ask
  set -l words (commandline -opc)
  set -l cluster (string match -r -g -- ' --cluster[= ]([a-z][a-z0-9]*) ' " $words ")
  timeout 2 $words[1] (string replace -r -- '^' '--cluster=' $cluster) $argv 2>/dev/null
end

function _reconfigure_plain
  LC_ALL=C grep -x '[A-Za-z0-9][A-Za-z0-9._-]*'
end

# The last name of a list such as cpu-1,cpu-2.
function _reconfigure_nodes
  set -l before (string match -r '^.*,' -- (commandline -ct))
  set -l names 'import json, sys; home = json.load(sys.stdin)["variables"]["cluster_home"]; print(*json.load(open(home + "/nodeset.json"))["nodes"], sep="\n")'
  for name in (_reconfigure_ask inventory | python3 -I -c $names 2>/dev/null | _reconfigure_plain)
    printf '%s\n' "$before$name"
  end
end

function _reconfigure_images
  set -l names 'import json, sys; print(*(image["name"] for image in json.load(sys.stdin)), sep="\n")'
  _reconfigure_ask image list --json | python3 -I -c $names 2>/dev/null | _reconfigure_plain
end

function _reconfigure_clusters
  set -l root $KIWI_ROOT /var/lib/kiwi
  for folder in $root[1]/clusters/*/
    string match -r '^[a-z][a-z0-9]*$' -- (basename $folder)
  end
end

function _reconfigure_file
  __fish_complete_path (commandline -ct)
end
