# What kiwi and Slurm know now, each asked for a second at most. Only names that no shell reads as anything
# else are offered, as bash puts them on the command line as they are.
_kiwi_info() {
  LC_ALL=C timeout 1 kiwi info 2>/dev/null |
    LC_ALL=C awk -v column="$1" 'NR > 1 && $column ~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ && !seen[$column]++ { print $column }'
}

_kiwi_jobs() {
  LC_ALL=C timeout 1 squeue -h -o %i 2>/dev/null |
    LC_ALL=C awk '{ sub(/_\[.*/, "") } /^[0-9]+([_+][0-9]+)?$/ && !seen[$0]++'
}

# Lines of standard input that begin with $1.
_kiwi_match() {
  local line
  while IFS= read -r line; do
    if [[ $line == "$1"* ]]; then printf '%s\n' "$line"; fi
  done
}

# The last name of a list such as lab-1,lab-2.
_kiwi_nodes() {
  local before=${1%"${1##*,}"} line
  _kiwi_info 1 | _kiwi_match "${1##*,}" | while IFS= read -r line; do printf '%s\n' "$before$line"; done
}

_kiwi_partitions() { { echo all; _kiwi_info 2; } | _kiwi_match "$1"; }

_kiwi_targets() { { _kiwi_info 1; _kiwi_jobs; } | _kiwi_match "$1"; }

_kiwi_users() { compgen -u -- "$1" | LC_ALL=C grep -x '[A-Za-z0-9_][A-Za-z0-9._@-]*'; }

_kiwi_file() { compgen -f -- "$1"; }
