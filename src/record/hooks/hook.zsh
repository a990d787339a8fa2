# session-buddy: records the commands of this zsh, in the lines that hook.bash
# describes. It starts no process for an ordinary command.
[[ -o interactive && -n ${SESSION_BUDDY_SPOOL-} && -n ${SESSION_BUDDY_SESSION_ID-} && ${__sb_pid-} != $$ ]] || return 0
() {
  emulate -L zsh
  typeset -g __sb_pid=$$ __sb_n=0 __sb_on=0 __sb_torn= __sb_e= __sb_bs='\'
  typeset -g __sb_file=$SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.$$.commands
  typeset -g __sb_pause=$SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.paused
  source $SESSION_BUDDY_HOOKS/prefilter.zsh
  zmodload zsh/datetime 2>/dev/null
  local stat=$(</proc/$$/stat) u=$(umask); local -a f=(${=stat##*\) })
  case ${SESSION_BUDDY_DEPTH-} in # as hook.bash has it
    (*[^0-9\ ]*|?????????????*|'') typeset -gx SESSION_BUDDY_DEPTH="0 $$" ;;
    (*" $$") ;;
    (*) typeset -gx SESSION_BUDDY_DEPTH="$(( ${SESSION_BUDDY_DEPTH%% *} + 1 )) $$" ;;
  esac
  umask 077
  local now=${EPOCHREALTIME-}; if [[ -n $now ]] { now=${${now/[.,]/}[1,16]} } else { now=${(%):-%D{%s%6.}} }
  typeset -g __sb_header="h	1	zsh	$ZSH_VERSION	$$	$PPID	${f[20]}	$now	${SESSION_BUDDY_DEPTH% *}	."
  print -r -- "$__sb_header" >>$__sb_file
  umask $u
} 2>/dev/null
__sb_escape() {
  emulate -L zsh
  __sb_e=$1
  [[ $__sb_e == *[$'\\\n\t']* ]] || return 0
  __sb_e=${__sb_e//$__sb_bs/$__sb_bs$__sb_bs}; __sb_e=${__sb_e//$'\n'/${__sb_bs}n}; __sb_e=${__sb_e//$'\t'/${__sb_bs}t}
}
# As hook.bash has it.
__sb_begin() {
  emulate -L zsh
  if [[ -d ${__sb_file%/*} ]]; then (umask 077; builtin print -r -- "$__sb_header" >>$__sb_file) || return 0; fi
}
# All in one: a function call costs as much as the append. No `emulate`: every word
# is quoted instead. The group's redirection keeps `set -x` from showing any of it.
__sb_preexec() { {
  local text="$1" mark= cwd="$PWD" t="${EPOCHREALTIME-${(%):-%D{%s%6.\}}}"
  t="${t/[.,]/}"; t="${t:0:16}"
  if [[ "$precmd_functions" != *__sb_precmd* || "$zshaddhistory_functions" != *__sb_zshadd* ]]; then __sb_heal; fi
  if [[ -e "$__sb_pause" ]]; then return 0; fi
  (( ++__sb_n )); __sb_on=1
  if [[ -z "$text" ]]; then mark=private
  elif [[ -n "$__sb_space" && "$text" == ' '* ]]; then text= mark=private
  elif [[ "${(L)text}" == ${~__sb_gate} ]]; then __sb_redact; fi
  if [[ "$text$cwd" == *[$'\\\n\t']* ]]; then __sb_escape "$cwd"; cwd="$__sb_e"; __sb_escape "$text"; text="$__sb_e"; fi
  [[ -e "$__sb_file" ]] || __sb_begin
  builtin print -r -- "${__sb_torn}s	$__sb_n	$t	$cwd	$mark	$text	." >>|"$__sb_file" && __sb_torn= || __sb_torn=$'\n'
} 2>/dev/null }
__sb_redact() {
  emulate -L zsh
  (( $#text > 8192 )) || __sb_match "$text" || return 0
  local out="$(builtin print -rn -- "$text" | command $SESSION_BUDDY_BIN redact-text 1)"
  if [[ $out == *$'\n.' ]]; then out=${out%$'\n.'}; mark=${out%%$'\n'*}; text=${out#*$'\n'}; else text= mark=withheld; fi
}
__sb_match() {
  # Only what is printable ASCII matters, and no invalid byte can make the match fail.
  # Nor has a pattern an error that would look like no match, as zsh/pcre's have.
  __sb_suspect "${1//[^ -~]/ }"
}
__sb_precmd() { {
  local s=$? p="${pipestatus[*]}" cwd="$PWD" t="${EPOCHREALTIME-${(%):-%D{%s%6.\}}}"
  if [[ -o histignorespace ]]; then __sb_space=1; else __sb_space=; fi
  if (( __sb_on )); then
    __sb_on=0 t="${t/[.,]/}"; t="${t:0:16}"
    [[ "$p" == *' '* ]] || p=
    [[ "$cwd" != *[$'\\\n\t']* ]] || { __sb_escape "$cwd"; cwd="$__sb_e" }
    [[ -e "$__sb_file" ]] || __sb_begin
    builtin print -r -- "${__sb_torn}e	$__sb_n	$t	$s	$p	$cwd	." >>|"$__sb_file" && __sb_torn= || __sb_torn=$'\n'
  fi
  if [[ "$preexec_functions" != *__sb_preexec* ]]; then __sb_heal; fi
} 2>/dev/null }
__sb_zshaddhistory() { {
  if [[ -o histignorespace ]]; then __sb_space=1; else __sb_space=; fi
  if [[ "$preexec_functions$precmd_functions" != *__sb_preexec*__sb_precmd* ]]; then __sb_heal; fi
  return 0
} 2>/dev/null }
# Whoever overwrites one of the arrays leaves the others.
__sb_heal() {
  emulate -L zsh
  (( ${precmd_functions[(I)__sb_precmd]-0} )) || precmd_functions=(__sb_precmd $precmd_functions)
  (( ${preexec_functions[(I)__sb_preexec]-0} )) || preexec_functions+=(__sb_preexec)
  (( ${zshaddhistory_functions[(I)__sb_zshaddhistory]-0} )) || zshaddhistory_functions+=(__sb_zshaddhistory)
}
typeset -g __sb_space=
typeset -ga precmd_functions preexec_functions zshaddhistory_functions
__sb_heal
