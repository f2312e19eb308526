#compdef kiwi

# Made from the parser of kiwi by bin/generate, with shtab (Apache-2.0); not to be edited.


_shtab_kiwi_commands() {
  local _commands=(
    agent:'Serve this machine (root; started by systemd).'
    alloc:'Take nodes.'
    clean:'End all that a user runs on this machine (root).'
    completion:'Print the completion for a shell.'
    extend:'Keep nodes for longer.'
    info:'Who has which node, and until when.'
    kill:'Give nodes back now, or cancel what was booked for later.'
    metrics:'Print metrics for Prometheus (login node).'
    version:'Print the version.'
    why:'Why a job waits, or a node cannot be had.'
  )
  _describe 'kiwi commands' _commands
}

_shtab_kiwi_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(- : *)--version[print the version]"
  {-p,--partition}"[only this partition\; \`all\` for info of all (the default)]:partition:_kiwi_partitions"
  {-u,--user}"[for this user (administrators only)\: for alloc, extend and kill]:user:_kiwi_users"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_defaults_added=0

_shtab_kiwi_agent_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_agent_defaults_added=0

_shtab_kiwi_alloc_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "*"{-w,--worker}"[nodes, such as lab-1,lab-2 or lab-\[1-4\]]:NODES:_kiwi_nodes"
  {-n,--nodes}"[any N nodes instead, all of one partition]:N:"
  "*"{-l,--label}"[only nodes with this label, may be given again\; without -n\: one node]:LABEL:"
  {-t,--time}"[\[\[D\:\]H\:\]M\:S or seconds (default\: 3600)]:time:"
  "--at[from 18\:00, 2026-12-01T18\:00 or \+2\:00\:00 (from now on) instead of at once]:WHEN:"
  "--wait[wait for nodes that are booked or being cleaned, so long at most\; who came first is served first]:TIMEOUT:"
  "--json[print a list of objects]"
  "--dry-run[say whether it would succeed\; change nothing]"
  {-p,--partition}"[only this partition\; \`all\` for info of all (the default)]:partition:_kiwi_partitions"
  {-u,--user}"[for this user (administrators only)]:user:_kiwi_users"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_alloc_defaults_added=0

_shtab_kiwi_clean_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--grace[seconds after TERM (default\: 5.0)]:S:"
  "--job[only what this job of Slurm\'s left running]:N:"
  ":name, or number of one who is gone:_kiwi_users"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_clean_defaults_added=0

_shtab_kiwi_completion_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":the shell that reads it:(bash zsh fish)"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_completion_defaults_added=0

_shtab_kiwi_extend_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "*"{-w,--worker}"[nodes, such as lab-1,lab-2 or lab-\[1-4\] (default\: all)]:NODES:_kiwi_nodes"
  "--until[18\:00, 2026-12-01T18\:00 or \+2\:00\:00 (from now on), later than their present end]:WHEN:"
  "--json[print a list of objects]"
  {-p,--partition}"[only this partition\; \`all\` for info of all (the default)]:partition:_kiwi_partitions"
  {-u,--user}"[for this user (administrators only)]:user:_kiwi_users"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_extend_defaults_added=0

_shtab_kiwi_info_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[print a list of objects]"
  {-p,--partition}"[only this partition\; \`all\` for info of all (the default)]:partition:_kiwi_partitions"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_info_defaults_added=0

_shtab_kiwi_kill_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "*"{-w,--worker}"[nodes, such as lab-1,lab-2 or lab-\[1-4\] (default\: all)]:NODES:_kiwi_nodes"
  {-y,--yes}"[give back all without being asked on a terminal]"
  {-p,--partition}"[only this partition\; \`all\` for info of all (the default)]:partition:_kiwi_partitions"
  {-u,--user}"[for this user (administrators only)]:user:_kiwi_users"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_kill_defaults_added=0

_shtab_kiwi_metrics_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--to[replace this file instead\; the timer does so]:FILE:_kiwi_file"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_metrics_defaults_added=0

_shtab_kiwi_version_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_version_defaults_added=0

_shtab_kiwi_why_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":the number of a job of Slurm, or a node such as lab-1:_kiwi_targets"
)

# guard to ensure default positional specs are added only once per session
_shtab_kiwi_why_defaults_added=0


_shtab_kiwi() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->kiwi'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_kiwi_defaults_added )); then
    if (( ${_shtab_kiwi_options[(I)${(q)one_or_more}*]} +          ${_shtab_kiwi_options[(I)${(q)remainder}*]} +          ${_shtab_kiwi_options[(I)${(q)default}]} == 0 )); then
      _shtab_kiwi_options+=(': :_shtab_kiwi_commands' '*::: :->kiwi')
    fi
    _shtab_kiwi_defaults_added=1
  fi
  _arguments -C -s $_shtab_kiwi_options

  case $state in
    kiwi)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_kiwi-$line[1]:"
      case $line[1] in
        agent) _arguments -C -s $_shtab_kiwi_agent_options ;;
        alloc) _arguments -C -s $_shtab_kiwi_alloc_options ;;
        clean) _arguments -C -s $_shtab_kiwi_clean_options ;;
        completion) _arguments -C -s $_shtab_kiwi_completion_options ;;
        extend) _arguments -C -s $_shtab_kiwi_extend_options ;;
        info) _arguments -C -s $_shtab_kiwi_info_options ;;
        kill) _arguments -C -s $_shtab_kiwi_kill_options ;;
        metrics) _arguments -C -s $_shtab_kiwi_metrics_options ;;
        version) _arguments -C -s $_shtab_kiwi_version_options ;;
        why) _arguments -C -s $_shtab_kiwi_why_options ;;
      esac
  esac
}

# Custom Preamble
# What kiwi and Slurm know now, each asked for a second at most. Only names that no shell reads as anything
# else are offered.
_kiwi_info() {
  LC_ALL=C timeout 1 kiwi info 2>/dev/null |
    LC_ALL=C awk -v column="$1" 'NR > 1 && $column ~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ && !seen[$column]++ { print $column }'
}

_kiwi_jobs() {
  LC_ALL=C timeout 1 squeue -h -o %i 2>/dev/null |
    LC_ALL=C awk '{ sub(/_\[.*/, "") } /^[0-9]+([_+][0-9]+)?$/ && !seen[$0]++'
}

# The last name of a list such as lab-1,lab-2.
_kiwi_nodes() {
  local -a found=(${(f)"$(_kiwi_info 1)"})
  compset -P '*,'
  compadd "$@" -a found
}

_kiwi_partitions() {
  local -a found=(all ${(f)"$(_kiwi_info 2)"})
  compadd "$@" -a found
}

_kiwi_targets() {
  local -a found=(${(f)"$(_kiwi_info 1)"} ${(f)"$(_kiwi_jobs)"})
  compadd "$@" -a found
}

_kiwi_users() { _users "$@"; }

_kiwi_file() { _files "$@"; }

# End Custom Preamble


typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_kiwi -N kiwi
else
  # autoload from fpath, call function directly
  _shtab_kiwi "$@"
fi
