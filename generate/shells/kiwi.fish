# What kiwi and Slurm know now, each asked for a second at most. Only names that no shell reads as anything
# else are offered.
function _kiwi_info
  LC_ALL=C timeout 1 kiwi info 2>/dev/null |
    LC_ALL=C awk -v column=$argv[1] 'NR > 1 && $column ~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ && !seen[$column]++ { print $column }'
end

function _kiwi_jobs
  LC_ALL=C timeout 1 squeue -h -o %i 2>/dev/null |
    LC_ALL=C awk '{ sub(/_\[.*/, "") } /^[0-9]+([_+][0-9]+)?$/ && !seen[$0]++'
end

# The last name of a list such as lab-1,lab-2.
function _kiwi_nodes
  set -l before (string match -r '^.*,' -- (commandline -ct))
  for name in (_kiwi_info 1)
    printf '%s\n' "$before$name"
  end
end

function _kiwi_partitions
  echo all
  _kiwi_info 2
end

function _kiwi_targets
  _kiwi_info 1
  _kiwi_jobs
end

function _kiwi_users
  __fish_complete_users
end

function _kiwi_file
  __fish_complete_path (commandline -ct)
end
