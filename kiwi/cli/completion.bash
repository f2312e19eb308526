# bash completion for kiwi; printed by `kiwi completion bash`
_kiwi() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
    case $before in
    -w | --worker) words=$(kiwi info 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
    -p | --partition) words="all $(kiwi info 2>/dev/null | awk 'NR > 1 { print $2 }' | sort -u)" ;;
    -u | --user) words=$(compgen -u) ;;
    completion) words=bash ;;
    why) words=$(kiwi info 2>/dev/null | awk 'NR > 1 { print $1 }'; squeue -h -o %i 2>/dev/null) ;;
    *)
        case " ${COMP_WORDS[*]} " in
        *" alloc "*) words="-w -t -u --worker --time --user --json --dry-run --help" ;;
        *" kill "*) words="-w -u --worker --user --help" ;;
        *" info "*) words="--json --help" ;;
        *) words="info alloc kill why version completion -p --partition --help" ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _kiwi kiwi
