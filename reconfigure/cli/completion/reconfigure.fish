# Made from the parser of reconfigure by bin/generate, with shtab (Apache-2.0); not to be edited.

# Custom Preamble
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

# End Custom Preamble

# Parse current commandline:
# - _shtab_reconfigure_cmdpath=(sub)command path seen so far
# - _shtab_reconfigure_npos=number of positional arguments given after it
# - options are skipped based on _shtab_reconfigure_opts_with_value & _shtab_reconfigure_commands lists
function _shtab_reconfigure_scan
  set -g _shtab_reconfigure_cmdpath ''
  set -g _shtab_reconfigure_npos 0
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
        if contains -- $t $_shtab_reconfigure_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_reconfigure_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_reconfigure_cmdpath"
            set candidate "$_shtab_reconfigure_cmdpath $t"
          end
          if contains -- $candidate $_shtab_reconfigure_commands
            set -g _shtab_reconfigure_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_reconfigure_npos (math $_shtab_reconfigure_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_reconfigure_using
  _shtab_reconfigure_scan
  test "$_shtab_reconfigure_cmdpath" = "$argv"
end

set -g _shtab_reconfigure_commands status why check accept init down inventory ssh-config wake welcome sync resume suspend resize keep image 'image list' 'image bake' serve completion
set -g _shtab_reconfigure_opts_with_value --cluster --print --site --until --wait

complete -c reconfigure -e
complete -c reconfigure -f

complete -c reconfigure -n _shtab_reconfigure_using -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n _shtab_reconfigure_using -l version -d 'print the version'
complete -c reconfigure -n _shtab_reconfigure_using -l cluster -xka "(_reconfigure_clusters)" -d 'default: $KIWI_CLUSTER, else cluster_name of the site data'
complete -c reconfigure -n _shtab_reconfigure_using -l debug -d 'log every command, show tracebacks'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a status -d 'Show every node, the queue and the worker.'
complete -c reconfigure -n '_shtab_reconfigure_using status' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using status' -l json -d 'print it as JSON'
complete -c reconfigure -n '_shtab_reconfigure_using status' -l watch -d 'keep it up to date until q or an interrupt'
complete -c reconfigure -n '_shtab_reconfigure_using status' -l paths -d 'list the logs and other things to read, with their sizes'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a why -d 'Say what keeps a node or a job, and what to do.'
complete -c reconfigure -n '_shtab_reconfigure_using why' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using why' -l json -d 'print it as JSON'
complete -c reconfigure -n '_shtab_reconfigure_using why; and test $_shtab_reconfigure_npos -eq 0' -ka "(_reconfigure_nodes)" -d 'a node such as cpu-2, or the number of a job'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a check -d 'Check the site data as a whole.'
complete -c reconfigure -n '_shtab_reconfigure_using check' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using check' -l site -xka "(_reconfigure_file)" -d 'YAML file laid over group_vars/all.yml: a key that it has replaces the whole value'
complete -c reconfigure -n '_shtab_reconfigure_using check' -l quiet -d 'print faults only'
complete -c reconfigure -n '_shtab_reconfigure_using check' -l print -x -d 'print the value of one key, such as users'
complete -c reconfigure -n '_shtab_reconfigure_using check' -l json -d 'print it as JSON (all, without --print), paths of roles absolute'
complete -c reconfigure -n '_shtab_reconfigure_using check' -l schema -d 'print the JSON Schema of site files, for editors'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a accept -d 'Print what of the site data can be applied now: an edit that takes nodes from jobs or bookings waits.'
complete -c reconfigure -n '_shtab_reconfigure_using accept' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using accept' -l site -xka "(_reconfigure_file)" -d 'YAML file laid over group_vars/all.yml: a key that it has replaces the whole value'
complete -c reconfigure -n '_shtab_reconfigure_using accept' -l force -d 'also where somebody loses a job or a booking by it; says who'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a init -d 'Write the cluster'"'"'s folder from checked site data.'
complete -c reconfigure -n '_shtab_reconfigure_using init' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using init' -l site -xka "(_reconfigure_file)" -d 'YAML file laid over group_vars/all.yml: a key that it has replaces the whole value; - reads JSON on standard input'
complete -c reconfigure -n '_shtab_reconfigure_using init' -l force -d 'also where somebody loses a job or a booking by it; says who'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a down -d 'Remove the machines and what was changed on this host.'
complete -c reconfigure -n '_shtab_reconfigure_using down' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using down' -l all -d 'remove data, keys and unused images, too'
complete -c reconfigure -n '_shtab_reconfigure_using down' -l force -d 'also where jobs run or somebody holds a node'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a inventory -d 'Print Ansible'"'"'s inventory as JSON.'
complete -c reconfigure -n '_shtab_reconfigure_using inventory' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a ssh-config -d 'Print what the ssh of a laptop needs.'
complete -c reconfigure -n '_shtab_reconfigure_using ssh-config' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a wake -d 'Restart a slurmctld that runs and does not answer; jobs go on.'
complete -c reconfigure -n '_shtab_reconfigure_using wake' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a welcome -d 'Run a job, or book a node, and say what to try next.'
complete -c reconfigure -n '_shtab_reconfigure_using welcome' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a sync -d 'Make Terraform, machines and Slurm agree.'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -l json -d 'print the result as JSON'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -l dry-run -d 'print the plan, change nothing'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -l force -d 'also where somebody loses a job or a booking by it; says who'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -l give-back -d 'have Slurm use nodes again that were drained for an edit of the site data which is in force now'
complete -c reconfigure -n '_shtab_reconfigure_using sync' -l adopt -d 'first write machines that run into Terraform'"'"'s state, where that was lost'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a resume -d 'Make nodes.'
complete -c reconfigure -n '_shtab_reconfigure_using resume' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using resume' -l dry-run -d 'print the plan, change nothing'
complete -c reconfigure -n '_shtab_reconfigure_using resume; and test $_shtab_reconfigure_npos -eq 0' -ka "(_reconfigure_nodes)" -d 'names as Slurm writes them, such as cpu-[2-3],lab-1'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a suspend -d 'Remove nodes that run no job.'
complete -c reconfigure -n '_shtab_reconfigure_using suspend' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using suspend' -l dry-run -d 'print the plan, change nothing'
complete -c reconfigure -n '_shtab_reconfigure_using suspend' -l force -d 'also where somebody loses a job or a booking by it; says who'
complete -c reconfigure -n '_shtab_reconfigure_using suspend; and test $_shtab_reconfigure_npos -eq 0' -ka "(_reconfigure_nodes)" -d 'names as Slurm writes them, such as cpu-[2-3],lab-1'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a resize -d 'Change how many nodes are always up: drain, wait for jobs and bookings, remove; or add.'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -l site -xka "(_reconfigure_file)" -d 'take min_nodes from a YAML file laid over group_vars/all.yml: a key that it has replaces the whole value; - reads JSON on standard input'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -l wait -x -d 'how long to wait for jobs and bookings: seconds or [[D:]H:]M:S, 0 for not at all; default: resize_wait'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -l cancel -d 'have the nodes that are being taken away stay after all: their drains are taken back'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -l dry-run -d 'print the plan, change nothing'
complete -c reconfigure -n '_shtab_reconfigure_using resize' -l json -d 'print the result as JSON'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a keep -d 'Have nodes not powered down, whatever else says so; powers them up where they are off.'
complete -c reconfigure -n '_shtab_reconfigure_using keep' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using keep' -l until -x -d 'HH:MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM in the time zone of the site; default: until --end'
complete -c reconfigure -n '_shtab_reconfigure_using keep' -l end -d 'keep them no longer'
complete -c reconfigure -n '_shtab_reconfigure_using keep; and test $_shtab_reconfigure_npos -eq 0' -ka "(_reconfigure_nodes)" -d 'names as Slurm writes them, such as cpu-[2-3],lab-1'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a image -d 'List or bake images.'
complete -c reconfigure -n '_shtab_reconfigure_using image' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using image; and test $_shtab_reconfigure_npos -eq 0' -a list -d 'Print every image, its hash and whether it is baked.'
complete -c reconfigure -n '_shtab_reconfigure_using image list' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using image list' -l json -d 'print it as JSON'
complete -c reconfigure -n '_shtab_reconfigure_using image; and test $_shtab_reconfigure_npos -eq 0' -a bake -d 'Bake an image where its tree is missing.'
complete -c reconfigure -n '_shtab_reconfigure_using image bake' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using image bake; and test $_shtab_reconfigure_npos -eq 0' -ka "(_reconfigure_images)" -d 'a key of images in the site data'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a serve -d 'Run the worker that does what Slurm asks for.'
complete -c reconfigure -n '_shtab_reconfigure_using serve' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using serve' -l log -d 'log to the cluster'"'"'s log/serve.log, as --detach does'
complete -c reconfigure -n '_shtab_reconfigure_using serve' -l detach -d 'start it in the background where none runs'
complete -c reconfigure -n '_shtab_reconfigure_using serve' -l stop -d 'stop the one in the background'
complete -c reconfigure -n '_shtab_reconfigure_using; and test $_shtab_reconfigure_npos -eq 0' -a completion -d 'Print the completion for a shell.'
complete -c reconfigure -n '_shtab_reconfigure_using completion' -s h -l help -d 'show this help message and exit'
complete -c reconfigure -n '_shtab_reconfigure_using completion; and test $_shtab_reconfigure_npos -eq 0' -ka "bash zsh fish" -d 'the shell that reads it'
