# Made from the parser of kiwi by bin/generate, with shtab (Apache-2.0); not to be edited.

_shtab_kiwi_subparsers=(info alloc extend kill why metrics clean agent version completion)

_shtab_kiwi_info_option_strings=(-h --help --json -p --partition)
_shtab_kiwi_alloc_option_strings=(-h --help -w --worker -n --nodes -l --label -t --time --at --wait --json --dry-run -p --partition -u --user)
_shtab_kiwi_extend_option_strings=(-h --help -w --worker --until --json -p --partition -u --user)
_shtab_kiwi_kill_option_strings=(-h --help -w --worker -y --yes -p --partition -u --user)
_shtab_kiwi_why_option_strings=(-h --help)
_shtab_kiwi_metrics_option_strings=(-h --help --to)
_shtab_kiwi_clean_option_strings=(-h --help --grace --job)
_shtab_kiwi_agent_option_strings=(-h --help)
_shtab_kiwi_version_option_strings=(-h --help)
_shtab_kiwi_completion_option_strings=(-h --help)
_shtab_kiwi_option_strings=(-h --help --version -p --partition -u --user)

_shtab_kiwi_info__p_COMPGEN=_kiwi_partitions
_shtab_kiwi_info___partition_COMPGEN=_kiwi_partitions
_shtab_kiwi_alloc__w_COMPGEN=_kiwi_nodes
_shtab_kiwi_alloc___worker_COMPGEN=_kiwi_nodes
_shtab_kiwi_alloc__p_COMPGEN=_kiwi_partitions
_shtab_kiwi_alloc___partition_COMPGEN=_kiwi_partitions
_shtab_kiwi_alloc__u_COMPGEN=_kiwi_users
_shtab_kiwi_alloc___user_COMPGEN=_kiwi_users
_shtab_kiwi_extend__w_COMPGEN=_kiwi_nodes
_shtab_kiwi_extend___worker_COMPGEN=_kiwi_nodes
_shtab_kiwi_extend__p_COMPGEN=_kiwi_partitions
_shtab_kiwi_extend___partition_COMPGEN=_kiwi_partitions
_shtab_kiwi_extend__u_COMPGEN=_kiwi_users
_shtab_kiwi_extend___user_COMPGEN=_kiwi_users
_shtab_kiwi_kill__w_COMPGEN=_kiwi_nodes
_shtab_kiwi_kill___worker_COMPGEN=_kiwi_nodes
_shtab_kiwi_kill__p_COMPGEN=_kiwi_partitions
_shtab_kiwi_kill___partition_COMPGEN=_kiwi_partitions
_shtab_kiwi_kill__u_COMPGEN=_kiwi_users
_shtab_kiwi_kill___user_COMPGEN=_kiwi_users
_shtab_kiwi_why_pos_0_COMPGEN=_kiwi_targets
_shtab_kiwi_metrics___to_COMPGEN=_kiwi_file
_shtab_kiwi_clean_pos_0_COMPGEN=_kiwi_users
_shtab_kiwi__p_COMPGEN=_kiwi_partitions
_shtab_kiwi___partition_COMPGEN=_kiwi_partitions
_shtab_kiwi__u_COMPGEN=_kiwi_users
_shtab_kiwi___user_COMPGEN=_kiwi_users

_shtab_kiwi_completion_pos_0_choices=(bash zsh fish)
_shtab_kiwi_pos_0_choices=(info alloc extend kill why metrics clean agent version completion)

_shtab_kiwi_info__h_nargs=0
_shtab_kiwi_info___help_nargs=0
_shtab_kiwi_info___json_nargs=0
_shtab_kiwi_alloc__h_nargs=0
_shtab_kiwi_alloc___help_nargs=0
_shtab_kiwi_alloc___wait_nargs='?'
_shtab_kiwi_alloc___json_nargs=0
_shtab_kiwi_alloc___dry_run_nargs=0
_shtab_kiwi_extend__h_nargs=0
_shtab_kiwi_extend___help_nargs=0
_shtab_kiwi_extend___json_nargs=0
_shtab_kiwi_kill__h_nargs=0
_shtab_kiwi_kill___help_nargs=0
_shtab_kiwi_kill__y_nargs=0
_shtab_kiwi_kill___yes_nargs=0
_shtab_kiwi_why__h_nargs=0
_shtab_kiwi_why___help_nargs=0
_shtab_kiwi_metrics__h_nargs=0
_shtab_kiwi_metrics___help_nargs=0
_shtab_kiwi_clean__h_nargs=0
_shtab_kiwi_clean___help_nargs=0
_shtab_kiwi_agent__h_nargs=0
_shtab_kiwi_agent___help_nargs=0
_shtab_kiwi_version__h_nargs=0
_shtab_kiwi_version___help_nargs=0
_shtab_kiwi_completion__h_nargs=0
_shtab_kiwi_completion___help_nargs=0
_shtab_kiwi_pos_0_nargs=A...
_shtab_kiwi__h_nargs=0
_shtab_kiwi___help_nargs=0
_shtab_kiwi___version_nargs=0


# Custom Preamble
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

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_kiwi_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_kiwi_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_kiwi_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_shtab_kiwi_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _shtab_kiwi_set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_shtab_kiwi_set_new_action() {
  current_action="${prefix}_$(_shtab_kiwi_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_kiwi() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_kiwi
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _shtab_kiwi_set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_kiwi_replace_nonword $this_word)"
        _shtab_kiwi_set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _shtab_kiwi_set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _shtab_kiwi_set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 && -z "$completing_word" && "$current_action_is_positional" = true ]]; then
    # nothing else can stand here: say which options there are
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "${current_option_strings[*]}")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_kiwi kiwi
