/**
 * A user of this host whose login shell is the script of docs/recording.md, and what ssh
 * does for him, without a network: `as-ssh` takes ssh's arguments and runs the
 * command as sshd does, by `$LOGIN_SHELL -c`. The same user with plain bash for
 * his shell shows what was to be expected.
 *
 * All in a mount namespace that ends with its script: /etc and /usr/local/bin
 * are its own.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPrivately } from "./host.ts";
import { block } from "./pages.ts";
import { BINARY, type Finished, type Sandbox } from "./sandbox.ts";

export const RECORDED = "/usr/local/bin/recorded-bash";
export const PLAIN = "/bin/bash";

/** The script that docs/recording.md gives for a login shell. */
export const loginScript = () => block("bash", "#!/bin/sh\n").text;

/** ssh's words: options, the host, then the command; `-s` names a subsystem. */
const AS_SSH = `#!/bin/bash
subsystem=
while :; do
  case $1 in
    -l | -p | -o | -F | -i) shift 2 ;;
    -s) subsystem=1; shift ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
command="$*"
[ -z "$subsystem" ] || command=/usr/lib/openssh/sftp-server
cd "$STRANGER" 2> /dev/null || cd /
[ -z "$IN_FOLDER" ] || { mkdir "$IN_FOLDER" && cd "$IN_FOLDER" && rmdir "$IN_FOLDER"; }
words=("\${LOGIN_SHELL##*/}" "$LOGIN_SHELL" -c "$command")
[ -n "$command" ] || words=("-\${LOGIN_SHELL##*/}" "$LOGIN_SHELL")
exec setpriv --reuid=54321 --regid=54321 --clear-groups env -i \\
  \${STRANGER_HOME-HOME=$STRANGER} USER=stranger LOGNAME=stranger PATH=/usr/local/bin:/usr/bin:/bin \\
  SHELL=$LOGIN_SHELL SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22" \\
  bash -c 'exec -a "$0" "$@"' "\${words[@]}"
`;

/**
 * Runs a script as root where that user is; $STRANGER is his home, the working
 * directory is root's own.
 */
export function besideStranger(
  sandbox: Sandbox,
  script: string,
): Promise<Finished> {
  const { home } = sandbox;
  const at = (name: string) => join(home, name);
  mkdirSync(at("stranger"));
  mkdirSync(at("bin"));
  writeFileSync(at("bin/recorded-bash"), loginScript(), { mode: 0o755 });
  writeFileSync(at("bin/as-ssh"), AS_SSH, { mode: 0o755 });
  const user = (name: string, shell: string) =>
    `${name}:x:54321:54321::${home}/stranger:${shell}`;
  const prelude = `
    chmod 755 ${home} bin; chown 54321:54321 stranger; touch bin/session-buddy
    mount --bind bin /usr/local/bin
    mount --bind ${BINARY} /usr/local/bin/session-buddy
    cp -a /etc etc; mount --bind etc /etc
    printf '%s\\n' ${user("stranger", RECORDED)} ${user("plain", PLAIN)} >> /etc/passwd
    printf '%s:*:19000:0:99999:7:::\\n' stranger plain >> /etc/shadow
    echo stranger:x:54321: >> /etc/group
    export STRANGER=${home}/stranger LOGIN_SHELL=${RECORDED}
  `;
  return runPrivately(sandbox, prelude + script);
}
