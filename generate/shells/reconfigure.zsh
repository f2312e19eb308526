# What the cluster on the command line has, asked for two seconds at most by the program that stands there
# (.venv/bin/reconfigure is on nobody's PATH). Only names that no shell reads as anything else are offered.
_reconfigure_ask() {
  local -a match mbegin mend cluster
  local MATCH MBEGIN MEND typed=" ${(Q)${(z)LBUFFER}} "
  [[ $typed =~ ' --cluster[= ]([a-z][a-z0-9]*) ' ]] && cluster=(--cluster "$match[1]")
  timeout 2 "${_comp_command1:-reconfigure}" $cluster "$@" 2>/dev/null
}

_reconfigure_plain() {
  LC_ALL=C grep -x '[A-Za-z0-9][A-Za-z0-9._-]*'
}

# The last name of a list such as cpu-1,cpu-2.
_reconfigure_nodes() {
  local names='import json, sys; home = json.load(sys.stdin)["variables"]["cluster_home"]; print(*json.load(open(home + "/nodeset.json"))["nodes"], sep="\n")'
  local -a found=(${(f)"$(_reconfigure_ask inventory | python3 -I -c $names 2>/dev/null | _reconfigure_plain)"})
  compset -P '*,'
  compadd "$@" -a found
}

_reconfigure_images() {
  local names='import json, sys; print(*(image["name"] for image in json.load(sys.stdin)), sep="\n")'
  local -a found=(${(f)"$(_reconfigure_ask image list --json | python3 -I -c $names 2>/dev/null | _reconfigure_plain)"})
  compadd "$@" -a found
}

_reconfigure_clusters() {
  local -a found=(${KIWI_ROOT:-/var/lib/kiwi}/clusters/*(N/:t))
  found=(${(M)found:#[a-z][a-z0-9]#})
  compadd "$@" -a found
}

_reconfigure_file() { _files "$@"; }
