# session-buddy: records the commands of this fish (>= 3.2), in the lines that
# hook.bash describes. It starts no process for an ordinary command, and takes few
# substitutions: each costs as much as ten other builtins.
status is-interactive; and set -q SESSION_BUDDY_SPOOL SESSION_BUDDY_SESSION_ID; and test "$__sb_pid" != $fish_pid; or exit 0
set -g __sb_pid $fish_pid
set -g __sb_n 0
# The numbers to come, up to the next ten.
set -g __sb_tens 0
set -g __sb_numbers 1 2 3 4 5 6 7 8 9
set -g __sb_on 0
set -g __sb_torn ''
set -g __sb_file $SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.$fish_pid.commands
set -g __sb_pause $SESSION_BUDDY_SPOOL/$SESSION_BUDDY_SESSION_ID.paused
source $SESSION_BUDDY_HOOKS/prefilter.fish # __sb_gate, __sb_re
# Older ones have no such function.
set -g __sb_asks (string match -rq '^[0-3]\.' -- $FISH_VERSION; and echo 0; or echo 1)
# No clock builtin: the start of the machine in hundredths of a second, once; /proc/uptime from then on.
if command -q date
    set -l now (command date +%s.%N | string replace -r '(\d+)\.(\d\d).*' '$1$2')
    # Afterwards: a process takes longer to start than to end.
    read -l up _rest </proc/uptime
    set -g __sb_boot (math $now - (string replace . '' $up))
else # to the second
    read -lz kernel </proc/stat
    set -g __sb_boot (string replace -rf '^btime (\d+)$' '${1}00' -- (string split \n -- $kernel))
end
function __sb_now
    set -l IFS '. '
    read -l seconds hundredths rest </proc/uptime
    math "($__sb_boot + $seconds$hundredths) x 10000" | read -g __sb_now
end
function __sb_number
    set -g __sb_n $__sb_numbers[1]
    set -e __sb_numbers[1]
    if not set -q __sb_numbers[1]
        set -g __sb_tens (math $__sb_tens + 1)
        set -g __sb_numbers $__sb_tens{0,1,2,3,4,5,6,7,8,9}
    end
end
function __sb_escape
    # A list of its lines, joined again.
    set -g __sb_e (string replace -a \\ \\\\ -- $argv[1] | string replace -a \t '\\t' | string join '\\n')
end
# As hook.bash has it.
function __sb_begin
    test -d (string replace -r '[^/]+$' '' -- $__sb_file); or return
    set -l u (umask)
    umask 077
    printf '%s\n' $__sb_header >>$__sb_file
    umask $u
end
function __sb_append
    test -e $__sb_file; or __sb_begin
    if printf '%s%s\n' "$__sb_torn" $argv[1] >>$__sb_file
        set -g __sb_torn ''
    else
        set -g __sb_torn \n
    end
end
function __sb_preexec --on-event fish_preexec
    test -e $__sb_pause; and return
    set -l text $argv[1]
    # As when it was typed ahead.
    if string match -q \*\n -- $text
        set text (string trim -rc \n -- $text | string collect)
    end
    set -l mark ''
    __sb_number
    set -g __sb_on 1
    __sb_now
    set -l t $__sb_now
    if string match -q ' *' -- $text; or set -q fish_private_mode
        set text ''; set mark private
    else if test $__sb_asks = 1; and functions -q fish_should_add_to_history; and not fish_should_add_to_history $text
        set text ''; set mark private
    else if begin
            # 1 is no match; what cannot be judged is none either.
            string match -irq -- $__sb_gate $text 2>/dev/null; or test $status -ne 1
        end; and begin
            string match -irq -- $__sb_re $text 2>/dev/null; or test $status -ne 1
        end
        set -l out (printf %s $text | command $SESSION_BUDDY_BIN redact-text 1 2>/dev/null | string collect -N)
        if string match -q \*\n. -- $out
            set -l lines (string split \n -- $out)
            set mark $lines[1]
            # A text ends in no newline; where none is left it is one empty word.
            set text (string join \n -- $lines[2..-2] | string collect)
            set text "$text"
        else
            set text ''; set mark withheld
        end
    end
    set -l cwd $PWD
    if string match -rq '[\\\\\n\t]' -- $text$cwd
        __sb_escape $cwd; set cwd $__sb_e
        __sb_escape $text; set text $__sb_e
    end
    __sb_append s\t$__sb_n\t$t\t"$cwd"\t$mark\t"$text"\t. 2>/dev/null
end
function __sb_postexec --on-event fish_postexec
    set -l s $status $pipestatus
    test $__sb_on = 1; or return
    set -g __sb_on 0
    # The duration is exact; the clock has hundredths.
    math $__sb_now + $CMD_DURATION x 1000 | read -l t
    set -l cwd $PWD
    if string match -rq '[\\\\\n\t]' -- $cwd
        __sb_escape $cwd; set cwd $__sb_e
    end
    set -l p ''
    set -q s[3]; and set p "$s[2..]"
    __sb_append e\t$__sb_n\t$t\t$s[1]\t$p\t"$cwd"\t$CMD_DURATION\t. 2>/dev/null
end
set -l u (umask)
umask 077
read -lz stat </proc/$fish_pid/stat
set -l f (string split ' ' -- (string replace -r '^.*\) ' '' -- (string trim -- $stat)))
# As hook.bash has it.
set -l d (string match -r '^(\d{1,6}) (\d+)$' -- "$SESSION_BUDDY_DEPTH"; or echo 0\n-1\n$fish_pid)
test $d[3] = $fish_pid; or set d[2] (math $d[2] + 1)
test $d[2] -ge 0; or set d[2] 0
set -gx SESSION_BUDDY_DEPTH "$d[2] $fish_pid"
__sb_now
set -g __sb_header h\t1\tfish\t$FISH_VERSION\t$fish_pid\t$f[2]\t$f[20]\t$__sb_now\t$d[2]\t.
printf '%s\n' $__sb_header >>$__sb_file
umask $u
