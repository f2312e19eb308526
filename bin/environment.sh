# shellcheck shell=bash
# Sourced first by the scripts beside it: starts them anew with what reconfigure/clusterdir/environment.txt lets
# through of the caller's environment. Their `bash -p` keeps BASH_ENV, CDPATH, SHELLOPTS and exported functions from
# acting before this.
if [ "${KIWI_CLEAN:-}" != $$ ]; then # our process keeps its number, whoever calls has another one
  kept=(KIWI_CLEAN=$$ LANG=C.UTF-8 LC_ALL=C.UTF-8)
  exported=$(compgen -e)
  while IFS= read -r pattern; do
    case $pattern in '' | '#'*) continue ;; esac
    for name in $exported; do
      # shellcheck disable=SC2254  # it is a pattern
      case $name in $pattern) kept+=("$name=${!name}") ;; esac
    done
  done <"$(dirname "${BASH_SOURCE[0]}")/../reconfigure/clusterdir/environment.txt"
  exec /usr/bin/env -i "${kept[@]}" /bin/bash -p "$0" "$@"
fi
unset KIWI_CLEAN
if ! [ -d "${TMPDIR:-/tmp}" ] || ! [ -w "${TMPDIR:-/tmp}" ]; then
  echo "${0##*/}: TMPDIR: found '${TMPDIR:-/tmp}'; needs a folder to write to, such as /tmp" >&2
  exit 2
fi
