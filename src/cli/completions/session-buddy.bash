# session-buddy completion for bash, written by `session-buddy install completions`

# The program itself says what there is; here it is only asked, and put on the line.
_session_buddy() {
  local reply how=--
  # What is within quotes is not completed by words that would need them.
  [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]] && how=quoted
  mapfile -t reply <<<"$(command session-buddy complete bash "$how" \
    "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$2" 2>/dev/null </dev/null)"
  COMPREPLY=()
  case ${reply[0]} in
    words)
      compopt -o nosort 2>/dev/null
      COMPREPLY=("${reply[@]:1}")
      ;;
    files) compopt -o default ;;
    folders) compopt -o dirnames ;;
    command\ *)
      local from=$((${reply[0]#command } + 1))
      if declare -F _command_offset >/dev/null; then
        _command_offset "$from"
      elif ((from == COMP_CWORD)); then
        compopt -o filenames
        mapfile -t COMPREPLY <<<"$(compgen -c -- "$2")"
      else
        compopt -o default
      fi
      ;;
  esac
}
complete -F _session_buddy session-buddy
