#!/usr/bin/env bash
# In place of terraform/local/machine.sh: machines that are made of nothing. The file `bad` beside it
# names one that cannot be made.
if [ "$1 ${KIWI_NAME:-}" = "create $(cat "${BASH_SOURCE[0]%/*}/bad" 2>/dev/null || echo none)" ]; then
  echo "the host is full" >&2
  exit 3
fi
sleep 1 # so that what is done at the same time meets
