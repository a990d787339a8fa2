# session-buddy: the $ENV of `bash --posix -l`. In posix mode bash has read no startup
# file but this one: leave the mode, then do what a login bash does.
unset ENV; [ -n "${SESSION_BUDDY_ENV-}" ] && { export ENV="$SESSION_BUDDY_ENV"; unset SESSION_BUDDY_ENV; }
set +o posix
shopt -u inherit_errexit 2>/dev/null
[ "${HISTFILE-}" = "$HOME/.sh_history" ] && HISTFILE=$HOME/.bash_history
# While __sb_rc is set, the user's line for nested shells does nothing: the hook comes last.
__sb_rc=/etc/profile
[ -r /etc/profile ] && . /etc/profile
for __sb_rc in ~/.bash_profile ~/.bash_login ~/.profile; do
  if [ -r "$__sb_rc" ]; then . "$__sb_rc"; break; fi
done
unset __sb_rc
. "$SESSION_BUDDY_HOOKS/hook.bash"
