# Made from the parser of kiwi by bin/generate, with shtab (Apache-2.0); not to be edited.

# Custom Preamble
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

# End Custom Preamble

# Parse current commandline:
# - _shtab_kiwi_cmdpath=(sub)command path seen so far
# - _shtab_kiwi_npos=number of positional arguments given after it
# - options are skipped based on _shtab_kiwi_opts_with_value & _shtab_kiwi_commands lists
function _shtab_kiwi_scan
  set -g _shtab_kiwi_cmdpath ''
  set -g _shtab_kiwi_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_kiwi_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_kiwi_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_kiwi_cmdpath"
            set candidate "$_shtab_kiwi_cmdpath $t"
          end
          if contains -- $candidate $_shtab_kiwi_commands
            set -g _shtab_kiwi_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_kiwi_npos (math $_shtab_kiwi_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_kiwi_using
  _shtab_kiwi_scan
  test "$_shtab_kiwi_cmdpath" = "$argv"
end

set -g _shtab_kiwi_commands info alloc extend kill why metrics clean agent version completion
set -g _shtab_kiwi_opts_with_value --at --grace --job --label --nodes --partition --time --to --until --user --wait --worker -l -n -p -t -u -w

complete -c kiwi -e
complete -c kiwi -f

complete -c kiwi -n _shtab_kiwi_using -s h -l help -d 'show this help message and exit'
complete -c kiwi -n _shtab_kiwi_using -l version -d 'print the version'
complete -c kiwi -n _shtab_kiwi_using -s p -l partition -xka "(_kiwi_partitions)" -d 'only this partition; `all` for info of all (the default)'
complete -c kiwi -n _shtab_kiwi_using -s u -l user -xka "(_kiwi_users)" -d 'for this user (administrators only): for alloc, extend and kill'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a info -d 'Who has which node, and until when.'
complete -c kiwi -n '_shtab_kiwi_using info' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using info' -l json -d 'print a list of objects'
complete -c kiwi -n '_shtab_kiwi_using info' -s p -l partition -xka "(_kiwi_partitions)" -d 'only this partition; `all` for info of all (the default)'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a alloc -d 'Take nodes.'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s w -l worker -xka "(_kiwi_nodes)" -d 'nodes, such as lab-1,lab-2 or lab-[1-4]'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s n -l nodes -x -d 'any N nodes instead, all of one partition'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s l -l label -x -d 'only nodes with this label, may be given again; without -n: one node'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s t -l time -x -d '[[D:]H:]M:S or seconds (default: 3600)'
complete -c kiwi -n '_shtab_kiwi_using alloc' -l at -x -d 'from 18:00, 2026-12-01T18:00 or +2:00:00 (from now on) instead of at once'
complete -c kiwi -n '_shtab_kiwi_using alloc' -l wait -x -d 'wait for nodes that are booked or being cleaned, so long at most; who came first is served first'
complete -c kiwi -n '_shtab_kiwi_using alloc' -l json -d 'print a list of objects'
complete -c kiwi -n '_shtab_kiwi_using alloc' -l dry-run -d 'say whether it would succeed; change nothing'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s p -l partition -xka "(_kiwi_partitions)" -d 'only this partition; `all` for info of all (the default)'
complete -c kiwi -n '_shtab_kiwi_using alloc' -s u -l user -xka "(_kiwi_users)" -d 'for this user (administrators only)'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a extend -d 'Keep nodes for longer.'
complete -c kiwi -n '_shtab_kiwi_using extend' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using extend' -s w -l worker -xka "(_kiwi_nodes)" -d 'nodes, such as lab-1,lab-2 or lab-[1-4] (default: all)'
complete -c kiwi -n '_shtab_kiwi_using extend' -l until -x -d '18:00, 2026-12-01T18:00 or +2:00:00 (from now on), later than their present end'
complete -c kiwi -n '_shtab_kiwi_using extend' -l json -d 'print a list of objects'
complete -c kiwi -n '_shtab_kiwi_using extend' -s p -l partition -xka "(_kiwi_partitions)" -d 'only this partition; `all` for info of all (the default)'
complete -c kiwi -n '_shtab_kiwi_using extend' -s u -l user -xka "(_kiwi_users)" -d 'for this user (administrators only)'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a kill -d 'Give nodes back now, or cancel what was booked for later.'
complete -c kiwi -n '_shtab_kiwi_using kill' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using kill' -s w -l worker -xka "(_kiwi_nodes)" -d 'nodes, such as lab-1,lab-2 or lab-[1-4] (default: all)'
complete -c kiwi -n '_shtab_kiwi_using kill' -s y -l yes -d 'give back all without being asked on a terminal'
complete -c kiwi -n '_shtab_kiwi_using kill' -s p -l partition -xka "(_kiwi_partitions)" -d 'only this partition; `all` for info of all (the default)'
complete -c kiwi -n '_shtab_kiwi_using kill' -s u -l user -xka "(_kiwi_users)" -d 'for this user (administrators only)'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a why -d 'Why a job waits, or a node cannot be had.'
complete -c kiwi -n '_shtab_kiwi_using why' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using why; and test $_shtab_kiwi_npos -eq 0' -ka "(_kiwi_targets)" -d 'the number of a job of Slurm, or a node such as lab-1'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a metrics -d 'Print metrics for Prometheus (login node).'
complete -c kiwi -n '_shtab_kiwi_using metrics' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using metrics' -l to -xka "(_kiwi_file)" -d 'replace this file instead; the timer does so'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a clean -d 'End all that a user runs on this machine (root).'
complete -c kiwi -n '_shtab_kiwi_using clean' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using clean' -l grace -x -d 'seconds after TERM (default: 5.0)'
complete -c kiwi -n '_shtab_kiwi_using clean' -l job -x -d 'only what this job of Slurm'"'"'s left running'
complete -c kiwi -n '_shtab_kiwi_using clean; and test $_shtab_kiwi_npos -eq 0' -ka "(_kiwi_users)" -d 'name, or number of one who is gone'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a agent -d 'Serve this machine (root; started by systemd).'
complete -c kiwi -n '_shtab_kiwi_using agent' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a version -d 'Print the version.'
complete -c kiwi -n '_shtab_kiwi_using version' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using; and test $_shtab_kiwi_npos -eq 0' -a completion -d 'Print the completion for a shell.'
complete -c kiwi -n '_shtab_kiwi_using completion' -s h -l help -d 'show this help message and exit'
complete -c kiwi -n '_shtab_kiwi_using completion; and test $_shtab_kiwi_npos -eq 0' -ka "bash zsh fish" -d 'the shell that reads it'
