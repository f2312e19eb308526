# bash completion for reconfigure; printed by `reconfigure completion bash`
_reconfigure() {
    local current=${COMP_WORDS[COMP_CWORD]} words command=${COMP_WORDS[0]} cluster=()
    local nodes='import json, sys; print(*json.load(sys.stdin)["variables"]["nodeset"])'
    [[ " ${COMP_WORDS[*]} " =~ " --cluster "([a-z0-9]+)" " ]] && cluster=(--cluster "${BASH_REMATCH[1]}")
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    why | resume | suspend | --dry-run)
        words="$("$command" "${cluster[@]}" inventory 2>/dev/null | python3 -c "$nodes" 2>/dev/null) --help"
        ;;
    --cluster) words=$(ls "${KIWI_ROOT:-/var/lib/kiwi}/clusters" 2>/dev/null) ;;
    --site) words=$(compgen -f -- "$current") ;;
    status) words="--json --watch --paths --help" ;;
    serve) words="--detach --stop --help" ;;
    image) words="list bake" ;;
    completion) words=bash ;;
    *) words="@COMMANDS@ --cluster --debug --help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _reconfigure reconfigure
