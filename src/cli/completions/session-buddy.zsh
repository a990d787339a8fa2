#compdef session-buddy
# session-buddy completion for zsh, written by `session-buddy install completions`

# The program itself says what there is; here it is only asked, and put on the line.
_session_buddy() {
  local -a reply found about
  local line
  reply=("${(@f)$(command session-buddy complete zsh -- \
    "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  [[ $PREFIX == --*=* && $reply[1] == f* ]] && compset -P '*='
  case $reply[1] in
    words)
      for line in "${(@)reply[2,-1]}"; do
        found+=("${line%%$'\t'*}")
        about+=("${line/$'\t'/  -- }")
      done
      # One a line where there is something to say of them.
      [[ $reply[2] == *$'\t'?* ]] && compadd -V session-buddy -ld about -a found ||
        compadd -V session-buddy -a found
      ;;
    files) _files ;;
    folders) _files -/ ;;
    command\ *)
      shift $(( ${reply[1]#command } + 1 )) words
      (( CURRENT -= ${reply[1]#command } + 1 ))
      _normal
      ;;
  esac
}

# Autoloaded by its name it is called; read by a startup file it is registered.
if [[ $funcstack[1] == _session-buddy ]]; then
  _session_buddy "$@"
else
  compdef _session_buddy session-buddy
fi
