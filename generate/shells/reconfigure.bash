# What the cluster on the command line has, asked for two seconds at most by the program that stands there
# (.venv/bin/reconfigure is on nobody's PATH). Only names that no shell reads as anything else are offered, as
# bash puts them on the command line as they are.
_reconfigure_ask() {
  local line=" ${COMP_WORDS[*]} " cluster=()
  if [[ $line =~ " --cluster "(= )?([a-z][a-z0-9]*)" " ]]; then cluster=(--cluster "${BASH_REMATCH[2]}"); fi
  timeout 2 "${COMP_WORDS[0]}" "${cluster[@]}" "$@" 2>/dev/null
}

# Lines of standard input that are plain names and begin with $1.
_reconfigure_match() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^[[:alnum:]][[:alnum:]._-]*$ && $line == "$1"* ]]; then printf '%s\n' "$line"; fi
  done
}

# The last name of a list such as cpu-1,cpu-2.
_reconfigure_nodes() {
  local before=${1%"${1##*,}"} line
  _reconfigure_ask inventory |
    python3 -I -c 'import json, sys; home = json.load(sys.stdin)["variables"]["cluster_home"]; print(*json.load(open(home + "/nodeset.json"))["nodes"], sep="\n")' 2>/dev/null |
    _reconfigure_match "${1##*,}" | while IFS= read -r line; do printf '%s\n' "$before$line"; done
}

_reconfigure_images() {
  _reconfigure_ask image list --json |
    python3 -I -c 'import json, sys; print(*(image["name"] for image in json.load(sys.stdin)), sep="\n")' 2>/dev/null |
    _reconfigure_match "$1"
}

_reconfigure_clusters() {
  local folder
  for folder in "${KIWI_ROOT:-/var/lib/kiwi}"/clusters/*/; do
    folder=${folder%/}
    printf '%s\n' "${folder##*/}"
  done | _reconfigure_match "$1"
}

_reconfigure_file() { compgen -f -- "$1"; }
