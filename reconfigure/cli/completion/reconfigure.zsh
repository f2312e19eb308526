#compdef reconfigure

# Made from the parser of reconfigure by bin/generate, with shtab (Apache-2.0); not to be edited.


_shtab_reconfigure_commands() {
  local _commands=(
    accept:'Print what of the site data can be applied now: an edit that takes nodes from jobs or bookings waits.'
    check:'Check the site data as a whole.'
    completion:'Print the completion for a shell.'
    down:'Remove the machines and what was changed on this host.'
    image:'List or bake images.'
    init:'Write the cluster'"'"'s folder from checked site data.'
    inventory:'Print Ansible'"'"'s inventory as JSON.'
    keep:'Have nodes not powered down, whatever else says so; powers them up where they are off.'
    resize:'Change how many nodes are always up: drain, wait for jobs and bookings, remove; or add.'
    resume:'Make nodes.'
    serve:'Run the worker that does what Slurm asks for.'
    ssh-config:'Print what the ssh of a laptop needs.'
    status:'Show every node, the queue and the worker.'
    suspend:'Remove nodes that run no job.'
    sync:'Make Terraform, machines and Slurm agree.'
    wake:'Restart a slurmctld that runs and does not answer; jobs go on.'
    welcome:'Run a job, or book a node, and say what to try next.'
    why:'Say what keeps a node or a job, and what to do.'
  )
  _describe 'reconfigure commands' _commands
}

_shtab_reconfigure_image_commands() {
  local _commands=(
    bake:'Bake an image where its tree is missing.'
    list:'Print every image, its hash and whether it is baked.'
  )
  _describe 'reconfigure image commands' _commands
}

_shtab_reconfigure_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(- : *)--version[print the version]"
  "--cluster[default\: \$KIWI_CLUSTER, else cluster_name of the site data]:NAME:_reconfigure_clusters"
  "--debug[log every command, show tracebacks]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_defaults_added=0

_shtab_reconfigure_accept_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--site[YAML file laid over group_vars\/all.yml\: a key that it has replaces the whole value]:FILE:_reconfigure_file"
  "--force[also where somebody loses a job or a booking by it\; says who]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_accept_defaults_added=0

_shtab_reconfigure_check_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--site[YAML file laid over group_vars\/all.yml\: a key that it has replaces the whole value]:FILE:_reconfigure_file"
  "--quiet[print faults only]"
  "--print[print the value of one key, such as users]:KEY:"
  "--json[print it as JSON (all, without --print), paths of roles absolute]"
  "--schema[print the JSON Schema of site files, for editors]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_check_defaults_added=0

_shtab_reconfigure_completion_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":the shell that reads it:(bash zsh fish)"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_completion_defaults_added=0

_shtab_reconfigure_down_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--all[remove data, keys and unused images, too]"
  "--force[also where jobs run or somebody holds a node]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_down_defaults_added=0

_shtab_reconfigure_image_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_image_defaults_added=0

_shtab_reconfigure_image_bake_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":a key of images in the site data:_reconfigure_images"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_image_bake_defaults_added=0

_shtab_reconfigure_image_list_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print it as JSON]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_image_list_defaults_added=0

_shtab_reconfigure_init_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--site[YAML file laid over group_vars\/all.yml\: a key that it has replaces the whole value\; - reads JSON on standard input]:FILE:_reconfigure_file"
  "--force[also where somebody loses a job or a booking by it\; says who]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_init_defaults_added=0

_shtab_reconfigure_inventory_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_inventory_defaults_added=0

_shtab_reconfigure_keep_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--until[HH\:MM, YYYY-MM-DD or YYYY-MM-DDTHH\:MM in the time zone of the site\; default\: until --end]:TIME:"
  "--end[keep them no longer]"
  ":names as Slurm writes them, such as cpu-\[2-3\],lab-1:_reconfigure_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_keep_defaults_added=0

_shtab_reconfigure_resize_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--site[take min_nodes from a YAML file laid over group_vars\/all.yml\: a key that it has replaces the whole value\; - reads JSON on standard input]:FILE:_reconfigure_file"
  "--wait[how long to wait for jobs and bookings\: seconds or \[\[D\:\]H\:\]M\:S, 0 for not at all\; default\: resize_wait]:TIME:"
  "--cancel[have the nodes that are being taken away stay after all\: their drains are taken back]"
  "--dry-run[print the plan, change nothing]"
  "--json[print the result as JSON]"
  "(*)::a partition and how many of its nodes are always up\; without any all of the site data\'s min_nodes:"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_resize_defaults_added=0

_shtab_reconfigure_resume_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--dry-run[print the plan, change nothing]"
  ":names as Slurm writes them, such as cpu-\[2-3\],lab-1:_reconfigure_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_resume_defaults_added=0

_shtab_reconfigure_serve_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--log[log to the cluster\'s log\/serve.log, as --detach does]"
  "--detach[start it in the background where none runs]"
  "--stop[stop the one in the background]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_serve_defaults_added=0

_shtab_reconfigure_ssh_config_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_ssh_config_defaults_added=0

_shtab_reconfigure_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print it as JSON]"
  "--watch[keep it up to date until q or an interrupt]"
  "--paths[list the logs and other things to read, with their sizes]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_status_defaults_added=0

_shtab_reconfigure_suspend_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--dry-run[print the plan, change nothing]"
  "--force[also where somebody loses a job or a booking by it\; says who]"
  ":names as Slurm writes them, such as cpu-\[2-3\],lab-1:_reconfigure_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_suspend_defaults_added=0

_shtab_reconfigure_sync_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print the result as JSON]"
  "--dry-run[print the plan, change nothing]"
  "--force[also where somebody loses a job or a booking by it\; says who]"
  "--give-back[have Slurm use nodes again that were drained for an edit of the site data which is in force now]"
  "--adopt[first write machines that run into Terraform\'s state, where that was lost]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_sync_defaults_added=0

_shtab_reconfigure_wake_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_wake_defaults_added=0

_shtab_reconfigure_welcome_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_welcome_defaults_added=0

_shtab_reconfigure_why_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print it as JSON]"
  ":a node such as cpu-2, or the number of a job:_reconfigure_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_reconfigure_why_defaults_added=0


_shtab_reconfigure() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->reconfigure'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_reconfigure_defaults_added )); then
    if (( ${_shtab_reconfigure_options[(I)${(q)one_or_more}*]} +          ${_shtab_reconfigure_options[(I)${(q)remainder}*]} +          ${_shtab_reconfigure_options[(I)${(q)default}]} == 0 )); then
      _shtab_reconfigure_options+=(': :_shtab_reconfigure_commands' '*::: :->reconfigure')
    fi
    _shtab_reconfigure_defaults_added=1
  fi
  _arguments -C -s $_shtab_reconfigure_options

  case $state in
    reconfigure)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_reconfigure-$line[1]:"
      case $line[1] in
        accept) _arguments -C -s $_shtab_reconfigure_accept_options ;;
        check) _arguments -C -s $_shtab_reconfigure_check_options ;;
        completion) _arguments -C -s $_shtab_reconfigure_completion_options ;;
        down) _arguments -C -s $_shtab_reconfigure_down_options ;;
        image) _shtab_reconfigure_image ;;
        init) _arguments -C -s $_shtab_reconfigure_init_options ;;
        inventory) _arguments -C -s $_shtab_reconfigure_inventory_options ;;
        keep) _arguments -C -s $_shtab_reconfigure_keep_options ;;
        resize) _arguments -C -s $_shtab_reconfigure_resize_options ;;
        resume) _arguments -C -s $_shtab_reconfigure_resume_options ;;
        serve) _arguments -C -s $_shtab_reconfigure_serve_options ;;
        ssh-config) _arguments -C -s $_shtab_reconfigure_ssh_config_options ;;
        status) _arguments -C -s $_shtab_reconfigure_status_options ;;
        suspend) _arguments -C -s $_shtab_reconfigure_suspend_options ;;
        sync) _arguments -C -s $_shtab_reconfigure_sync_options ;;
        wake) _arguments -C -s $_shtab_reconfigure_wake_options ;;
        welcome) _arguments -C -s $_shtab_reconfigure_welcome_options ;;
        why) _arguments -C -s $_shtab_reconfigure_why_options ;;
      esac
  esac
}

_shtab_reconfigure_image() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->image'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_reconfigure_image_defaults_added )); then
    if (( ${_shtab_reconfigure_image_options[(I)${(q)one_or_more}*]} +          ${_shtab_reconfigure_image_options[(I)${(q)remainder}*]} +          ${_shtab_reconfigure_image_options[(I)${(q)default}]} == 0 )); then
      _shtab_reconfigure_image_options+=(': :_shtab_reconfigure_image_commands' '*::: :->image')
    fi
    _shtab_reconfigure_image_defaults_added=1
  fi
  _arguments -C -s $_shtab_reconfigure_image_options

  case $state in
    image)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_reconfigure_image-$line[1]:"
      case $line[1] in
        bake) _arguments -C -s $_shtab_reconfigure_image_bake_options ;;
        list) _arguments -C -s $_shtab_reconfigure_image_list_options ;;
      esac
  esac
}

# Custom Preamble
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

# End Custom Preamble


typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_reconfigure -N reconfigure
else
  # autoload from fpath, call function directly
  _shtab_reconfigure "$@"
fi
