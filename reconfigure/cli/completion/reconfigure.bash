# Made from the parser of reconfigure by bin/generate, with shtab (Apache-2.0); not to be edited.

_shtab_reconfigure_image_subparsers=(list bake)
_shtab_reconfigure_subparsers=(status why check accept init down inventory ssh-config wake welcome sync resume suspend resize keep image serve completion)

_shtab_reconfigure_status_option_strings=(-h --help --json --watch --paths)
_shtab_reconfigure_why_option_strings=(-h --help --json)
_shtab_reconfigure_check_option_strings=(-h --help --site --quiet --print --json --schema)
_shtab_reconfigure_accept_option_strings=(-h --help --site --force)
_shtab_reconfigure_init_option_strings=(-h --help --site --force)
_shtab_reconfigure_down_option_strings=(-h --help --all --force)
_shtab_reconfigure_inventory_option_strings=(-h --help)
_shtab_reconfigure_ssh_config_option_strings=(-h --help)
_shtab_reconfigure_wake_option_strings=(-h --help)
_shtab_reconfigure_welcome_option_strings=(-h --help)
_shtab_reconfigure_sync_option_strings=(-h --help --json --dry-run --force --give-back --adopt)
_shtab_reconfigure_resume_option_strings=(-h --help --dry-run)
_shtab_reconfigure_suspend_option_strings=(-h --help --dry-run --force)
_shtab_reconfigure_resize_option_strings=(-h --help --site --wait --cancel --dry-run --json)
_shtab_reconfigure_keep_option_strings=(-h --help --until --end)
_shtab_reconfigure_image_list_option_strings=(-h --help --json)
_shtab_reconfigure_image_bake_option_strings=(-h --help)
_shtab_reconfigure_image_option_strings=(-h --help)
_shtab_reconfigure_serve_option_strings=(-h --help --log --detach --stop)
_shtab_reconfigure_completion_option_strings=(-h --help)
_shtab_reconfigure_option_strings=(-h --help --version --cluster --debug)

_shtab_reconfigure_why_pos_0_COMPGEN=_reconfigure_nodes
_shtab_reconfigure_check___site_COMPGEN=_reconfigure_file
_shtab_reconfigure_accept___site_COMPGEN=_reconfigure_file
_shtab_reconfigure_init___site_COMPGEN=_reconfigure_file
_shtab_reconfigure_resume_pos_0_COMPGEN=_reconfigure_nodes
_shtab_reconfigure_suspend_pos_0_COMPGEN=_reconfigure_nodes
_shtab_reconfigure_resize___site_COMPGEN=_reconfigure_file
_shtab_reconfigure_keep_pos_0_COMPGEN=_reconfigure_nodes
_shtab_reconfigure_image_bake_pos_0_COMPGEN=_reconfigure_images
_shtab_reconfigure___cluster_COMPGEN=_reconfigure_clusters

_shtab_reconfigure_image_pos_0_choices=(list bake)
_shtab_reconfigure_completion_pos_0_choices=(bash zsh fish)
_shtab_reconfigure_pos_0_choices=(status why check accept init down inventory ssh-config wake welcome sync resume suspend resize keep image serve completion)

_shtab_reconfigure_status__h_nargs=0
_shtab_reconfigure_status___help_nargs=0
_shtab_reconfigure_status___json_nargs=0
_shtab_reconfigure_status___watch_nargs=0
_shtab_reconfigure_status___paths_nargs=0
_shtab_reconfigure_why__h_nargs=0
_shtab_reconfigure_why___help_nargs=0
_shtab_reconfigure_why___json_nargs=0
_shtab_reconfigure_check__h_nargs=0
_shtab_reconfigure_check___help_nargs=0
_shtab_reconfigure_check___quiet_nargs=0
_shtab_reconfigure_check___json_nargs=0
_shtab_reconfigure_check___schema_nargs=0
_shtab_reconfigure_accept__h_nargs=0
_shtab_reconfigure_accept___help_nargs=0
_shtab_reconfigure_accept___force_nargs=0
_shtab_reconfigure_init__h_nargs=0
_shtab_reconfigure_init___help_nargs=0
_shtab_reconfigure_init___force_nargs=0
_shtab_reconfigure_down__h_nargs=0
_shtab_reconfigure_down___help_nargs=0
_shtab_reconfigure_down___all_nargs=0
_shtab_reconfigure_down___force_nargs=0
_shtab_reconfigure_inventory__h_nargs=0
_shtab_reconfigure_inventory___help_nargs=0
_shtab_reconfigure_ssh_config__h_nargs=0
_shtab_reconfigure_ssh_config___help_nargs=0
_shtab_reconfigure_wake__h_nargs=0
_shtab_reconfigure_wake___help_nargs=0
_shtab_reconfigure_welcome__h_nargs=0
_shtab_reconfigure_welcome___help_nargs=0
_shtab_reconfigure_sync__h_nargs=0
_shtab_reconfigure_sync___help_nargs=0
_shtab_reconfigure_sync___json_nargs=0
_shtab_reconfigure_sync___dry_run_nargs=0
_shtab_reconfigure_sync___force_nargs=0
_shtab_reconfigure_sync___give_back_nargs=0
_shtab_reconfigure_sync___adopt_nargs=0
_shtab_reconfigure_resume__h_nargs=0
_shtab_reconfigure_resume___help_nargs=0
_shtab_reconfigure_resume___dry_run_nargs=0
_shtab_reconfigure_suspend__h_nargs=0
_shtab_reconfigure_suspend___help_nargs=0
_shtab_reconfigure_suspend___dry_run_nargs=0
_shtab_reconfigure_suspend___force_nargs=0
_shtab_reconfigure_resize_pos_0_nargs='*'
_shtab_reconfigure_resize__h_nargs=0
_shtab_reconfigure_resize___help_nargs=0
_shtab_reconfigure_resize___cancel_nargs=0
_shtab_reconfigure_resize___dry_run_nargs=0
_shtab_reconfigure_resize___json_nargs=0
_shtab_reconfigure_keep__h_nargs=0
_shtab_reconfigure_keep___help_nargs=0
_shtab_reconfigure_keep___end_nargs=0
_shtab_reconfigure_image_list__h_nargs=0
_shtab_reconfigure_image_list___help_nargs=0
_shtab_reconfigure_image_list___json_nargs=0
_shtab_reconfigure_image_bake__h_nargs=0
_shtab_reconfigure_image_bake___help_nargs=0
_shtab_reconfigure_image_pos_0_nargs=A...
_shtab_reconfigure_image__h_nargs=0
_shtab_reconfigure_image___help_nargs=0
_shtab_reconfigure_serve__h_nargs=0
_shtab_reconfigure_serve___help_nargs=0
_shtab_reconfigure_serve___log_nargs=0
_shtab_reconfigure_serve___detach_nargs=0
_shtab_reconfigure_serve___stop_nargs=0
_shtab_reconfigure_completion__h_nargs=0
_shtab_reconfigure_completion___help_nargs=0
_shtab_reconfigure_pos_0_nargs=A...
_shtab_reconfigure__h_nargs=0
_shtab_reconfigure___help_nargs=0
_shtab_reconfigure___version_nargs=0
_shtab_reconfigure___debug_nargs=0


# Custom Preamble
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

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_reconfigure_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_reconfigure_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_reconfigure_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_shtab_reconfigure_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _shtab_reconfigure_set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_shtab_reconfigure_set_new_action() {
  current_action="${prefix}_$(_shtab_reconfigure_replace_nonword $1)"

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
_shtab_reconfigure() {
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

  local prefix=_shtab_reconfigure
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _shtab_reconfigure_set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_reconfigure_replace_nonword $this_word)"
        _shtab_reconfigure_set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _shtab_reconfigure_set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _shtab_reconfigure_set_new_action "pos_$completed_positional_actions" true
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

complete -o bashdefault -F _shtab_reconfigure reconfigure
