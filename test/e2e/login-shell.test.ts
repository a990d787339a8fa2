/**
 * A stranger's view: session-buddy is in his login shell, and he need not know.
 * What ssh runs for him works byte for byte, and he gets his shell whatever has
 * become of session-buddy.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { needsRoot } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { PLAIN, RECORDED, besideStranger } from "../support/stranger.ts";

/** What a probe left of each shell: both streams and the exit status. */
function outcomes(sandbox: Sandbox, name: string) {
  const of = (shell: string) =>
    ["out", "err", "status"].map((what) =>
      readFileSync(join(sandbox.home, `${name}.${shell}.${what}`)).toString(
        "latin1",
      ),
    );
  return { recorded: of("recorded"), plain: of("plain") };
}

/** Has both shells run a command, with bytes on its stdin. */
const PROBE = `
  head -c 300000 /dev/urandom > bytes
  probe() { # name, command…
    for shell in recorded plain; do
      case $shell in recorded) LOGIN_SHELL=${RECORDED} ;; plain) LOGIN_SHELL=${PLAIN} ;; esac
      status=0
      # bash says itself that a program was killed
      { as-ssh host "\${@:2}" < \${INPUT-bytes} > $1.$shell.out 2> $1.$shell.err; } 2> /dev/null || status=$?
      echo $status > $1.$shell.status
    done
  }
`;

const COMMANDS: [string, string][] = [
  ["bytes", "cat"],
  ["status", "cat > /dev/null; exit 42"],
  ["largest", "exit 255"],
  ["streams", "echo out; echo err >&2; exit 3"],
  ["quotes", String.raw`printf '%s|' "a  b" 'c"d' $'e\n' \$HOME *`],
  ["odd-bytes", String.raw`printf '\377\376\0x'`],
  ["killed", "echo out; kill -9 $$"],
  ["missing", "exec /no/such/program"],
  ["early", "head -c 10"],
  ["options", "echo $- $#; shopt login_shell"],
  [
    "environment",
    "env | grep -v -e SESSION_BUDDY -e ^_= -e ^SHELL= | sort; ulimit -n; trap",
  ],
];

/** One word of a shell's. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

test("commands over ssh have the same streams and status as with plain bash", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const probes = COMMANDS.map(
    ([name, command]) => `probe ${name} ${quoted(command)}`,
  );
  // Without a command: a script on stdin, read by a login shell.
  const script = `printf 'echo hi; cat\\nand\\nthis' > script; INPUT=script probe script`;
  const done = await besideStranger(
    sandbox,
    PROBE + [...probes, script].join("\n"),
  );
  expect(done).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  for (const [name] of [...COMMANDS, ["script"]]) {
    const { recorded, plain } = outcomes(sandbox, name!);
    expect([name, ...recorded]).toEqual([name!, ...plain]);
  }
  const bytes = readFileSync(join(sandbox.home, "bytes")).toString("latin1");
  expect(outcomes(sandbox, "bytes").recorded).toEqual([bytes, "", "0\n"]);
  expect(outcomes(sandbox, "script").recorded[0]).toBe("hi\nand\nthis");
});

test("su gives the same, and each login is a session", async () => {
  if (!needsRoot("su", "setpriv")) return;
  using sandbox = new Sandbox();
  const done = await besideStranger(
    sandbox,
    `head -c 300000 /dev/urandom > bytes
    for user in stranger plain; do
      su - $user -c 'cat; echo err >&2; exit 7' < bytes > $user.out 2> $user.err || echo $? > $user.status
      echo 'echo $0 here; exit 5' | su - $user > $user.script || echo $? >> $user.status
    done
    cmp stranger.out bytes
    for what in out err status; do cmp stranger.$what plain.$what; done
    cat stranger.script
    LOGIN_SHELL=${PLAIN} as-ssh host 'session-buddy list-sessions' | cut -f 2,3,7,8`,
  );
  expect(done).toMatchObject({
    exitCode: 0,
    stdout:
      "bash here\n" + "bash\tstranger\tended\t5\nbash\tstranger\tended\t7\n",
    stderr: "",
  });
});

describe("over the login shell files go both ways with", () => {
  /** A tree of odd names and bytes, and what brings it there and back. */
  const TREE = `
    mkdir -p "tree/a b/ü"; head -c 2000000 /dev/urandom > "tree/a b/bytes"
    printf '\\377\\0\\n' > "tree/a b/ü/odd"; : > tree/empty; ln -s empty tree/link
    cp -a tree $STRANGER/tree; chown -R 54321:54321 $STRANGER/tree
  `;
  const WAYS: [string, string[], string][] = [
    [
      "scp, by its old protocol",
      ["scp"],
      `rm tree/link $STRANGER/tree/link
      scp -O -q -r -S /usr/local/bin/as-ssh tree host:there
      scp -O -q -r -S /usr/local/bin/as-ssh host:there back`,
    ],
    [
      "scp, by sftp",
      ["scp", "/usr/lib/openssh/sftp-server"],
      `rm tree/link $STRANGER/tree/link
      scp -s -q -r -S /usr/local/bin/as-ssh tree host:there
      scp -s -q -r -S /usr/local/bin/as-ssh host:there back`,
    ],
    [
      "rsync",
      ["rsync"],
      `rsync -a --no-o --no-g -e as-ssh tree/ host:there/
      rsync -a --no-o --no-g -e as-ssh host:there/ back/`,
    ],
    [
      "tar over a pipe",
      ["tar"],
      `tar -C tree -cf - . | as-ssh host 'mkdir there && tar -C there -xf -'
      mkdir back; as-ssh host 'tar -C there -cf - .' | tar --no-same-owner -C back -xf -`,
    ],
    [
      "git",
      ["git"],
      `export GIT_SSH=/usr/local/bin/as-ssh GIT_SSH_VARIANT=simple GIT_CONFIG_GLOBAL=/dev/null
      as-ssh host 'git init -q --bare there.git'
      git init -q -b main tree; git -C tree add -A
      git -C tree -c user.name=les -c user.email=les@example.org commit -q -m all
      git -C tree push -q ssh://host$STRANGER/there.git main
      git clone -q -b main ssh://host$STRANGER/there.git back
      rm -rf tree/.git back/.git; cp -a back $STRANGER/there`,
    ],
  ];
  test.each(WAYS)("%s", async (_, programs, script) => {
    if (!needsRoot("setpriv", ...programs)) return;
    using sandbox = new Sandbox();
    const done = await besideStranger(
      sandbox,
      `${TREE}\n${script}
      diff -r --no-dereference tree back; diff -r --no-dereference tree $STRANGER/there
      LOGIN_SHELL=${PLAIN} as-ssh host 'session-buddy list-sessions' | cut -f 7,8 | sort -u`,
    );
    expect(done).toMatchObject({
      exitCode: 0,
      stdout: "ended\t0\n",
      stderr: "",
    });
  });
});

describe("the shell comes, and nothing but its own output, when session-buddy", () => {
  const DATA = "$STRANGER/.local/share/session-buddy";
  const owned = (path: string) =>
    `mkdir -p ${path}; chown -R 54321:54321 $STRANGER`;
  const BROKEN: [string, string][] = [
    ["has no cache", "rm -rf $STRANGER/.cache"],
    ["cannot write its cache", "mkdir -m 500 $STRANGER/.cache"],
    ["cannot make its spool", "chown 0:0 $STRANGER; chmod 555 $STRANGER"],
    [
      "has a full disk",
      `${owned(DATA)}; mount -t tmpfs -o size=64k,uid=54321,mode=700 tmpfs ${DATA}
      head -c 1000000 /dev/zero > ${DATA}/full 2> /dev/null || true`,
    ],
    [
      "has a read-only disk",
      `${owned(DATA)}; mount -t tmpfs -o ro,uid=54321,mode=700 tmpfs ${DATA}`,
    ],
    ["finds its data another's", `${owned(DATA)}; chown 0:0 ${DATA}`],
    [
      "finds a file where its data should be",
      `${owned(DATA)}; rmdir ${DATA}; touch ${DATA}`,
    ],
    [
      "has a corrupt database",
      `${owned(DATA)}; chmod 700 ${DATA}; head -c 50000 /dev/urandom > ${DATA}/sessions.duckdb`,
    ],
    [
      "has a broken configuration",
      `${owned("$STRANGER/.config/session-buddy")}
      printf 'session: [\\n\\0' > $STRANGER/.config/session-buddy/config.yaml`,
    ],
    [
      "cannot read its configuration",
      `${owned("$STRANGER/.config/session-buddy")}
      install -m 000 /dev/null $STRANGER/.config/session-buddy/config.yaml`,
    ],
    [
      "has a broken configuration of the host",
      "mkdir /etc/session-buddy; echo '}' > /etc/session-buddy/config.yaml",
    ],
    [
      "is turned off",
      "mkdir /etc/session-buddy; echo 'session: {enabled: false}' > /etc/session-buddy/config.yaml",
    ],
    ["has no HOME", "export STRANGER_HOME="],
    ["has a HOME that is not there", "rm -r $STRANGER"],
    ["has another's HOME", "export STRANGER_HOME=HOME=/root"],
    ["does not know the user", "sed -i /54321/d /etc/passwd"],
    ["does not know the machine", "rm -f /etc/machine-id"],
    ["has no /proc", "mount -t tmpfs tmpfs /proc"],
    ["sees no other's pids", "mount -t proc -o hidepid=2 proc /proc"],
    ["is in a folder that was removed", "export IN_FOLDER=$PWD/removed"],
    ["may not have the memory", "ulimit -v 300000"],
    ["may write nothing", "ulimit -f 0"],
    ["has no descriptors to spare", "ulimit -n 20"],
    ["is gone", "umount /usr/local/bin/session-buddy; rm bin/session-buddy"],
    [
      "is not executable",
      "umount /usr/local/bin/session-buddy; echo > bin/session-buddy",
    ],
    [
      "is cut short",
      `head -c 90000000 /usr/local/bin/session-buddy > cut; chmod 755 cut
      umount /usr/local/bin/session-buddy; mv cut bin/session-buddy`,
    ],
  ];
  test.each(BROKEN)("%s", async (_, script) => {
    if (!needsRoot("setpriv")) return;
    using sandbox = new Sandbox();
    const done = await besideStranger(
      sandbox,
      `${PROBE} mkfifo none; (
        ${script}
        for shell in ${RECORDED} ${PLAIN}; do
          LOGIN_SHELL=$shell as-ssh host 'echo out; cat; echo err >&2; exit 7' < bytes 2>&1 | cat
          echo "status $\{PIPESTATUS[0]}"
        done
      ) | base64 -w 0`,
    );
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    const bytes = readFileSync(join(sandbox.home, "bytes")).toString("latin1");
    const said = Buffer.from(done.stdout, "base64")
      .toString("latin1")
      // Of a folder that is not there every shell complains; bash, as it starts
      // cat, also in the midst of what that writes.
      .replace(/(job-working-directory|shell-init): error .*\n/g, "")
      .replaceAll(bytes, "(all bytes)")
      .replace(/^.*getcwd.*\n/gm, "");
    const once = "out\n(all bytes)err\nstatus 7\n";
    expect(said).toBe(once + once);
  });
});
