# session-buddy: records the commands of this bash; sourced after the user's own
# startup files. It starts no process for an ordinary command.
#
# bash 4.4 to 5.2: PS0 counts and takes the time, a DEBUG trap that fires once
# writes the start, the last of PROMPT_COMMAND writes the end and sets the trap
# again. 5.3: PS0 writes the start. Before 4.4: DEBUG alone, with whole seconds.
# Where DEBUG is somebody else's, subshells write, for there it does not fire.
#
# A line has fields between tabs, the last one a dot; \, newline and tab are escaped:
#   h 1 bash VERSION PID PPID START_TICKS TIME_US DEPTH .
#   s SEQ TIME_US CWD MARK TEXT .
#   e SEQ TIME_US STATUS PIPESTATUS CWD .
case $- in *i*) ;; *) return 0 ;; esac
[[ -z ${__sb_rc-} ]] || return 0 # our own rc.bash sources it, after the user's files
[[ -n ${SESSION_BUDDY_SPOOL-} && -n ${SESSION_BUDDY_SESSION_ID-} && ${__sb_pid-} != "$$" ]] || return 0
__sb_alias=; if shopt -q expand_aliases; then __sb_alias=1; fi
shopt -u expand_aliases # what follows is parsed without the user's aliases
__sb_pid=$$ __sb_n=0 __sb_on=0 __sb_c=0 __sb_t=0 __sb_h=0 __sb_f=1 __sb_0=0 __sb_torn= __sb_last='?' __sb_u= __sb_kept= __sb_pwd= __sb_cwd=
__sb_file=$SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.$$.commands
__sb_pause=$SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.paused
. "$SESSION_BUDDY_HOOKS/prefilter.bash" # __sb_suspect
# Where `history 1` goes to be read back: a folder of ours in memory, or "" (then $( ) forks).
__sb_tmp=
if [[ -d ${SESSION_BUDDY_SHM-} && -O ${SESSION_BUDDY_SHM-} ]]; then __sb_tmp=$SESSION_BUDDY_SHM/$$; fi
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 500)); then __sb_clock='${EPOCHREALTIME/[.,]/}'; else __sb_clock='0'; fi

__sb_now() { # → __sb_now
  if [[ -n ${EPOCHREALTIME-} ]]; then __sb_now=${EPOCHREALTIME/[.,]/}
  elif ((BASH_VERSINFO[0] > 3)); then builtin printf -v __sb_now '%(%s)T000000' -1
  else __sb_now=$((__sb_epoch + SECONDS))000000; fi
}

# The last history entry, `  501  text`, → __sb_raw. Never a here-string: bash < 5.1 puts those on disk.
__sb_history() {
  __sb_raw=
  if [[ -n $__sb_tmp ]] && ((BASH_SUBSHELL == 0)) && HISTTIMEFORMAT='' builtin history 1 >|"$__sb_tmp"; then
    # `read` goes letter by letter.
    if [[ -n $__sb_ps0 ]]; then builtin mapfile -d '' __sb_raw <"$__sb_tmp"; __sb_raw=${__sb_raw-}
    else IFS= builtin read -rd '' __sb_raw <"$__sb_tmp" || :; fi
  else
    __sb_raw=$(HISTTIMEFORMAT='' builtin history 1)
  fi
  __sb_raw=${__sb_raw%$'\n'}
}

# The number of that entry → __sb_number; 0 without any. With an argument: of __sb_raw.
__sb_count() {
  if (($# == 0)); then __sb_history; fi
  __sb_number=${__sb_raw#"${__sb_raw%%[! ]*}"}; __sb_number=${__sb_number%%[!0-9]*}
  __sb_number=${__sb_number:-0}
}
__sb_say_number() { __sb_count; builtin printf %s "$__sb_number"; }

__sb_escape() { # $1 → __sb_e
  __sb_e=${1//\\/\\\\}; __sb_e=${__sb_e//$'\n'/\\n}; __sb_e=${__sb_e//$'\t'/\\t}
}

# A file of ours begins with who writes it, also one that is new because the spool was moved away.
__sb_begin() {
  if [[ -d ${__sb_file%/*} ]]; then (umask 077; builtin printf %s "$__sb_header" >>"$__sb_file") || return 0; fi
}

# The current folder → __sb_cwd. It seldom changes.
__sb_where() {
  __sb_escape "$PWD"; __sb_cwd=$__sb_e
  __sb_pwd=$PWD
}

__sb_append() { # $1 the line
  [[ -e $__sb_file ]] || __sb_begin
  builtin printf '%s%s\n' "$__sb_torn" "$1" >>"$__sb_file" && __sb_torn= || __sb_torn=$'\n'
}

# What an ordinary command needs is short, and the rest stands in functions of its
# own: bash copies a function at each call.

# Whether it is private, where bash is older than 5 or the history grew by nothing.
__sb_compare() { # → text, mark
  if [[ -z $__sb_old && ${HISTCONTROL-} != *erasedups* ]]; then
    mark=private # by the user's own HISTCONTROL or HISTIGNORE, or a repetition under ignoredups
    return 0
  fi
  __sb_history
  if [[ -n $__sb_old && -n $__sb_yielded ]] && __sb_count && ((__sb_number == __sb_before)); then mark=private
  elif [[ -z $__sb_old || -z $__sb_yielded ]] && [[ $__sb_raw == "$__sb_last" || $__sb_last == '?' ]]; then mark=private
  else text=${__sb_raw#*[0-9][ *] }; fi
}

__sb_redact() { # text → text, mark
  local out
  if [[ -n $__sb_tmp ]]; then : >|"$__sb_tmp"; fi
  # $( ), not a job: no notice, no $!, the shell stays the file's one writer.
  out=$(builtin printf %s "$text" | command "$SESSION_BUDDY_BIN" redact-text 1)
  if [[ $out == *$'\n.' ]]; then
    out=${out%$'\n.'}; mark=${out%%$'\n'*}; text=${out#*$'\n'}
  else text= mark=withheld; fi
}

# Writes the start of command __sb_n, which began at __sb_t.
__sb_start() {
  local text= mark=
  if [[ -e $__sb_pause ]]; then __sb_kept=; return 0; fi
  __sb_kept=1
  if ((__sb_t == 0)); then __sb_now; __sb_t=$__sb_now; fi
  if [[ ! -o history ]]; then mark=private
  elif ((__sb_c <= 0)) || [[ -n $__sb_old ]]; then __sb_compare
  else __sb_history; text=${__sb_raw#*[0-9][ *] }; fi
  # About to be somebody else's; DEBUG of ours would have seen it.
  if [[ -n $__sb_nodebug && $text == 'trap '[!-]*DEBUG* ]]; then __sb_yield; fi
  # bash-preexec takes ignorespace out of HISTCONTROL.
  if [[ $text == ' '* && -n ${bash_preexec_imported-${__bp_imported-}} ]]; then text= mark=private; fi
  if [[ -n $text ]] && { ((${#text} > 8192)) || __sb_suspect "$text"; }; then __sb_redact; fi
  [[ $PWD == "$__sb_pwd" ]] || __sb_where
  if [[ $text == *[$'\\\n\t']* ]]; then __sb_escape "$text"; text=$__sb_e; fi
  # In a subshell others may write at once: only what one write(2) takes.
  if ((BASH_SUBSHELL > 0 && ${#text} > 900)) && [[ -z ${1-} ]]; then return 0; fi
  __sb_append "s	$__sb_n	$__sb_t	$__sb_cwd	$mark	$text	."
}

# DEBUG, armed by the prompt, fires once: before the first command after PS0. Fails once it has.
__sb_debug() { # $1: $_, which the trap's last command gives back
  __sb_u=${1-}
  if [[ -z $__sb_ps0 && ( $BASH_COMMAND == *'__sb_p-}"' || $BASH_COMMAND == '__sb_prompt '* ) ]]; then return 0; fi # bash < 4.4: no command was read
  if ((__sb_on != 1)); then # a completion, a key binding, somebody's PROMPT_COMMAND
    if [[ $- == *T* && -n $__sb_tset ]]; then set +T; __sb_tset=; fi
    if ((__sb_on == 2)); then return 1; fi
    return 0
  fi
  if [[ -n $__sb_tset ]]; then set +T; __sb_tset=; fi
  # About to be somebody else's.
  if [[ $BASH_COMMAND == 'trap '[!-]*DEBUG* ]]; then __sb_yield; fi
  __sb_on=2
  __sb_start
  return 1
}

# The end of a command whose start this shell has not written: no command was read,
# DEBUG is somebody else's, or it was one that does not fire it, as `( … )`.
__sb_unstarted() {
  if [[ -z $__sb_ps0 ]]; then
    __sb_count
    if ((__sb_number == __sb_before)); then __sb_on=0; __sb_n=$((__sb_n - 1)); return 0; fi
  fi
  if [[ -z $__sb_forked ]]; then __sb_start ${__sb_yielded:+1}
  elif [[ -e $__sb_pause ]]; then __sb_kept= # the fork wrote it, unless it was paused
  else __sb_kept=1; fi
}

# Ends command __sb_n.
__sb_prompt() {
  local s=$? p="${PIPESTATUS[*]}"
  if (($# > 0)); then
    s=$1 p=${*:2}
    # bash-preexec came before us, and keeps them.
    if [[ -n ${bash_preexec_imported-${__bp_imported-}} ]]; then p=${BP_PIPESTATUS[*]-}; fi
  fi
  if ((__sb_on == 1)); then __sb_unstarted; fi
  if ((__sb_on)) && [[ -n $__sb_kept ]]; then
    if [[ -n ${EPOCHREALTIME-} ]]; then __sb_now=${EPOCHREALTIME/[.,]/}; else __sb_now; fi
    [[ $PWD == "$__sb_pwd" ]] || __sb_where
    [[ $p == *' '* ]] || p=
    __sb_append "e	$__sb_n	$__sb_now	$s	$p	$__sb_cwd	."
  fi
  __sb_on=0 __sb_f=1 __sb_forked=
  if (($# > 0)) && [[ $- != *e* ]]; then return "$s"; fi
  return 0
}

# Disarms itself at the top level: in a function that does not last before bash 5.
__sb_debug_text='{ __sb_debug "$_" || trap - DEBUG; : "$__sb_u"; } 2>/dev/null'

# The last thing before the prompt: what the next start is compared with.
# Fails when DEBUG is not needed or somebody else's.
__sb_ready() {
  __sb_h=$HISTCMD
  if [[ -o history ]] && { [[ -n $__sb_old ]] || [[ ${HISTCONTROL-} == *erasedups* ]]; }; then __sb_history; __sb_last=$__sb_raw; fi
  if [[ -z $__sb_ps0 ]]; then __sb_count of; __sb_before=$__sb_number; fi
  if [[ $BASHOPTS != *promptvars* ]]; then PS0=${PS0//"$__sb_ps0"}; return 1; fi
  if [[ -n $__sb_ps0 && ${PS0-} != *"$__sb_ps0"* ]]; then PS0=$__sb_ps0${PS0-}; fi
  # In somebody's function DEBUG cannot be seen, and may be theirs.
  case ${FUNCNAME[*]} in
    __sb_ready | '__sb_ready __sb_arm') ;;
    *) __sb_fork; return 1 ;;
  esac
  if [[ -n $__sb_probe ]]; then __sb_probed; fi
  if [[ -n $__sb_tmp && -z $__sb_nodebug ]]; then
    __sb_trap=
    if [[ ! -e $__sb_tmp.t ]]; then return 1; fi # the session is over, and its folder gone: who has DEBUG is not known
    if [[ -s $__sb_tmp.t ]]; then IFS= builtin read -rd '' __sb_trap <"$__sb_tmp.t" || :; fi
  fi
  if [[ -z $__sb_trap || $__sb_trap == "trap -- '$__sb_debug_text' DEBUG"* ]]; then
    [[ -n $__sb_ps0 ]] || __sb_last_of_prompt
    return
  fi
  __sb_yield
  return 1
}

# Without PS0 DEBUG would take what somebody put behind ours for what is typed, and a
# trap that is set there would not last: from the next prompt on, ours is the last again.
__sb_last_of_prompt() {
  local rest=${PROMPT_COMMAND#*"$__sb_final"}
  if [[ $PROMPT_COMMAND != *"$__sb_final"* || -z $rest ]]; then return 0; fi
  if [[ -z $__sb_moved ]]; then PROMPT_COMMAND=${PROMPT_COMMAND%%"$__sb_final"*}$rest$__sb_final; fi
  __sb_moved=1
  return 1
}

# Ours is in PROMPT_COMMAND, and DEBUG nobody's: what found that out goes.
__sb_probed() {
  local i
  for i in "${!PROMPT_COMMAND[@]}"; do
    if [[ ${PROMPT_COMMAND[i]} == "$__sb_probe" ]]; then unset "PROMPT_COMMAND[$i]"; fi
  done
  __sb_probe=
  if [[ -n $__sb_nodebug && -z $__sb_trap ]]; then
    PS0=${PS0/"$__sb_ps0"/"$__sb_ps0_stay"}
    __sb_ps0=$__sb_ps0_stay
  fi
}

# From the next PS0 on, a subshell writes the start. Before 5.3 it does where DEBUG is not armed.
__sb_fork() {
  local rest=${PS0#*"$__sb_ps0"}
  if [[ -z $__sb_nodebug || $__sb_ps0 == "$__sb_ps0_fork" || $PS0 != *"$__sb_ps0"* ]]; then return 0; fi
  PS0=${PS0%%"$__sb_ps0"*}$__sb_ps0_fork$rest
  __sb_ps0=$__sb_ps0_fork
}

# DEBUG is somebody else's: a command of ours at the prompt would fire it, so from
# now on a subshell, which has no such trap, writes the end.
__sb_yield() {
  local i
  __sb_yielded=1
  __sb_fork
  if [[ -n $__sb_old ]]; then __sb_raw=$__sb_last; __sb_count of; __sb_before=$__sb_number; fi
  if [[ -n $__sb_element ]]; then
    for i in "${!PROMPT_COMMAND[@]}"; do
      if [[ ${PROMPT_COMMAND[i]} == "$__sb_element" ]]; then PROMPT_COMMAND[i]=$__sb_forking; fi
    done
  elif [[ $PROMPT_COMMAND == *"$__sb_first"*"$__sb_final"* ]]; then
    i=${PROMPT_COMMAND%%"$__sb_first"*}$__sb_forking${PROMPT_COMMAND#*"$__sb_first"}
    PROMPT_COMMAND=${i%"$__sb_final"*}$__sb_after${i##*"$__sb_final"}
  fi
}

# Sets the trap for the next command, called at the top level as everything that
# looks at DEBUG: a function does not see it.
__sb_arm() {
  __sb_ready || return 0
  __sb_f=
  if [[ $- != *T* ]]; then __sb_tset=1; set -T; fi
  trap "$__sb_debug_text" DEBUG # the last: it fires for whatever comes here
}

# Run at the top level (a function does not see the DEBUG trap): arms it when nobody else has one.
__sb_arm_text='if __sb_ready; then __sb_f=; [[ $- == *T* ]] || { __sb_tset=1; set -T; }; trap "$__sb_debug_text" DEBUG; fi'
if [[ -n $__sb_tmp ]]; then __sb_arm_text="trap -p DEBUG >|\"\$__sb_tmp.t\"; $__sb_arm_text"
else __sb_arm_text="__sb_trap=\$(trap -p DEBUG); $__sb_arm_text"; fi


__sb_install() {
  local v=$((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1]))
  # By its name, as an expression in a variable: PS0 is looked at before each prompt, and short.
  __sb_tick='__sb_n+=1,__sb_on=1,__sb_c=HISTCMD-__sb_h,__sb_h=HISTCMD'
  local count='__sb_tick,__sb_t='$__sb_clock',0'
  __sb_tset= __sb_forked= __sb_ps0= __sb_nodebug= __sb_old= __sb_element= __sb_yielded= __sb_moved= __sb_before=0 __sb_ps0_fork= __sb_probe=
  if ((v < 500)); then __sb_old=1; fi
  if ((v >= 503)); then
    __sb_ps0_stay='${__sb_0:$(('$count')):0}${ { __sb_start 1; __sb_on=2; } 2>/dev/null; }'
    __sb_ps0_fork='${__sb_0:$(('$count')):0}$({ __sb_start 1; } 2>/dev/null)${__sb_0:$((__sb_forked=1,0)):0}'
    __sb_ps0=$__sb_ps0_fork
    __sb_nodebug=1 __sb_arm_text='__sb_trap=${ trap -p DEBUG; }; __sb_ready || :'
    # The dot keeps what newlines the entry ends in.
    __sb_history() { __sb_raw=${ HISTTIMEFORMAT='' builtin history 1; builtin printf .; }; __sb_raw=${__sb_raw%$'\n.'}; }
  elif ((v >= 404)); then
    # Armed: DEBUG writes the start. Not armed (somebody else's DEBUG trap, or our
    # prompt hook was thrown out): one fork in PS0 does.
    __sb_ps0='${__sb_0:$(('$count')):0}${__sb_f:+$({ __sb_start 1; } 2>/dev/null)${__sb_0:$((__sb_forked=1,0)):0}}${__sb_0:$((__sb_f=1,0)):0}'
  else
    __sb_epoch=$(($(date +%s) - SECONDS))
    __sb_arm_text+='; __sb_n=$((__sb_n + 1)) __sb_on=1 __sb_t=0'
  fi
  # Nothing in them fires DEBUG: no command, but an expansion, is run outside of the subshell.
  local reset='__sb_on=0,__sb_h=HISTCMD,__sb_f=1'
  if [[ -n $__sb_old ]]; then reset+=',__sb_before=$(__sb_say_number)'; fi
  if [[ -z $__sb_ps0 ]]; then reset+=',__sb_n+=1,__sb_on=1,__sb_t=0'; fi
  __sb_after=$'\n{ __sb_nothing() { :; }; } 2> "/dev/null${__sb_0:$(('$reset$',0)):0}"\n'
  if [[ -n $__sb_ps0 ]]; then PS0=$__sb_ps0${PS0-}; fi
  local attrs=
  if ((v >= 501)) && [[ -v PROMPT_COMMAND ]]; then attrs=${PROMPT_COMMAND@a}; fi
  if ((v >= 501)) && [[ $attrs != *[xr]* ]]; then
    # PROMPT_COMMAND=… of the user's replaces element 0 only. Short: bash-preexec
    # runs a pattern over it whose cost explodes with length (bash 4.4 hung).
    ((${#PROMPT_COMMAND[@]} > 0)) || PROMPT_COMMAND=('')
    # Neither `set -x` nor a full disk speaks. A line a command, as bash prints
    # it, and lines of their own when the array is joined: by that bash-preexec
    # knows what is of the prompt.
    __sb_element=$'\n{\n__sb_prompt'
    if [[ -n $__sb_nodebug ]]; then __sb_element+=$'\n__sb_trap=${ trap -p DEBUG; }\n__sb_ready'
    elif [[ -n $__sb_tmp ]]; then __sb_element+=$'\ntrap -p DEBUG >| "$__sb_tmp.t"\n__sb_arm'
    else __sb_element+=$'\n__sb_trap=$(trap -p DEBUG)\n__sb_arm'; fi
    __sb_element+=$'\n} 2> /dev/null\n'
    __sb_forking=$'\n( __sb_prompt ) 2> /dev/null'
    # DEBUG may be somebody else's by the first prompt, for whom a command of ours
    # would be the first that was typed. So it is looked up in a subshell, unless
    # nobody else is at the prompt, and by nothing that fires it: ours gets its place, the last.
    __sb_forking+=$__sb_after
    __sb_probe=$'\n{ __sb_nothing() { :; }; } 2> "/dev/null${__sb_0:$((__sb_h=HISTCMD,0)):0}" <<< "${PROMPT_COMMAND[9999]:=${__sb_alone[${#PROMPT_COMMAND[@]}${PROMPT_COMMAND[0]:+ }]:-$([[ -z $(trap -p DEBUG) ]] && builtin printf %s "$__sb_element" || builtin printf %s "$__sb_forking")}}"\n'
    declare -gA __sb_alone=([2]=$__sb_element)
    PROMPT_COMMAND+=("$__sb_probe")
  else
    # In a child shell that inherits the exported string it does nothing.
    __sb_p='{ __sb_prompt "$?" "${PIPESTATUS[@]}"; } 2>/dev/null'
    __sb_a="{ $__sb_arm_text; } 2>/dev/null"
    # The groups keep `set -x` from showing them; lines of their own, as above.
    __sb_first=$'{\neval "${__sb_p-}"\n} 2>/dev/null'
    __sb_final=$'\n{\neval "${__sb_a-}"\n} 2>/dev/null'
    __sb_forking='( eval "${__sb_p-}" ) 2>/dev/null'
    PROMPT_COMMAND=$__sb_first${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}$__sb_final 2>/dev/null
  fi
  local stat ticks
  IFS= builtin read -r stat </proc/$$/stat; stat=${stat##*) }
  set -- $stat; ticks=${20-}
  # It needs no process where there is a place in memory.
  local mask=
  if [[ -n $__sb_tmp ]] && builtin umask >|"$__sb_tmp"; then builtin read -r mask <"$__sb_tmp"; fi
  [[ -n $mask ]] || mask=$(builtin umask)
  # How many recorded shells it stands in, `DEPTH PID`: `exec bash` is no deeper.
  case ${SESSION_BUDDY_DEPTH-} in
    *[!0-9\ ]* | ?????????????* | '') SESSION_BUDDY_DEPTH="0 $$" ;;
    *" $$") ;;
    *) SESSION_BUDDY_DEPTH="$((10#${SESSION_BUDDY_DEPTH%% *} + 1)) $$" ;;
  esac
  export SESSION_BUDDY_DEPTH
  umask 077
  __sb_now
  __sb_header="h	1	bash	$BASH_VERSION	$$	$PPID	$ticks	$__sb_now	${SESSION_BUDDY_DEPTH% *}	."$'\n'
  builtin printf %s "$__sb_header" >>"$__sb_file"
  if [[ -n $__sb_tmp ]]; then : >|"$__sb_tmp" || __sb_tmp=; fi
  umask "$mask"
} 2>/dev/null
__sb_install
if [[ -n $__sb_alias ]]; then shopt -s expand_aliases; fi
unset -f __sb_install; unset __sb_alias
