# session-buddy: the --rcfile of a plain interactive bash; the user's own files first.
# While __sb_rc is set, their line for nested shells does nothing: the hook comes last.
for __sb_rc in /etc/bash.bashrc /etc/bash/bashrc ~/.bashrc; do [ -r "$__sb_rc" ] && . "$__sb_rc"; done
unset __sb_rc
. "$SESSION_BUDDY_HOOKS/hook.bash"
