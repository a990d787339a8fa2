/**
 * The pictures of the front page: what the executable shows of a day that is made
 * up, at a terminal of 80 columns. Their commands are those of the page.
 */
import type { JsonObject } from "../../src/model/event.ts";
import { Pty } from "./pty.ts";
import { BINARY, Sandbox } from "./sandbox.ts";
import { hook, leave, lines } from "./spool.ts";

/** `$ session-buddy …` in the fences of this language is a command, the rest is made. */
export const PICTURE = /(^```console\n\$ session-buddy (.+)\n)([^]*?)(^```$)/gm;

const HOST = "ops-1";
const DAY = "2026-02-06";

/** The page with the pictures as they are. */
export async function withPictures(page: string): Promise<string> {
  using sandbox = new Sandbox();
  sandbox.env["TZ"] = "UTC";
  day(sandbox);
  await sandbox.list();
  const shown: string[] = [];
  for (const [, , command] of page.matchAll(PICTURE))
    shown.push(await atTerminal(sandbox, command!));
  return page.replace(
    PICTURE,
    (_, begin, _command, _old, end) => `${begin}${shown.shift()}${end}`,
  );
}

async function atTerminal(sandbox: Sandbox, command: string): Promise<string> {
  const script = `exec ${BINARY} ${command}`;
  await using pty = new Pty(sandbox, ["sh", "-c", script], { columns: 80 });
  const { code } = await pty.ended();
  if (code !== 0) throw new Error(`${command}: ${code}\n${pty.text()}`);
  return pty.text().replaceAll("\r", "").replace(/ +$/gm, "");
}

const STARTED = {
  ...{ tab_completion_enabled: true, cli_preprocessing_enabled: true },
  recorder_version: "0.1.0",
};
const ENDED = {
  ...{ version: "5.2.15(1)-release", command_tree_size: 1_480 },
  ...{ exit_reason: "exited", max_rss_bytes: 48_234_496 },
  ...{ cpu_user_seconds: 1.84, cpu_system_seconds: 0.41 },
};

/**
 * Who was in on that day, and what was typed.
 * @param measured more of what maria's session has measured
 */
export function day(sandbox: Sandbox, measured: JsonObject = {}): void {
  session(sandbox, {
    ...{ hex: "5e0a91b7", component: "bash", username: "maria" },
    ...{ from: "13:31:07", to: "14:26:41", exit_code: 0, measured },
    reason: "nginx upgrade, OPS-1742",
    typed: [
      ["13:31:20", "13:31:21", 0, "systemctl status nginx"],
      ["14:02:10", "14:02:52", 0, "vim /etc/nginx/nginx.conf"],
      ["14:03:02", "14:03:03", 1, "nginx -t"],
      ["14:03:40", "14:03:41", 0, "nginx -t"],
      ["14:04:12", "14:04:58", 1, "systemctl restart nginx"],
      ["14:05:20", "14:05:21", 0, "journalctl -u nginx -n 50"],
    ],
  });
  session(sandbox, {
    ...{ hex: "7c41e0d2", component: "mahavishnu", username: "les" },
    ...{ from: "14:00:12", to: "14:41:30", exit_code: 0 },
    typed: [],
  });
  session(sandbox, {
    ...{ hex: "d93b6f10", component: "backup", username: "root" },
    ...{ from: "14:00:00", to: "14:18:09", exit_code: 1 },
    typed: [["14:00:01", "14:18:09", 1, "pg_dump shop"]],
  });
  session(sandbox, {
    ...{ hex: "0b7ad4c8", component: "zsh", username: "maria" },
    ...{ from: "16:20:00", to: "16:21:00", exit_code: 0 },
    typed: [],
  });
}

export interface Described {
  hex: string;
  component: string;
  username: string;
  hostname?: string;
  /** `2026-02-06`, unless it is another. */
  date?: string;
  /** Times of that day, UTC. */
  from: string;
  to: string;
  exit_code: number;
  signal?: string | null;
  reason?: string;
  measured?: JsonObject;
  typed: readonly [from: string, to: string, exit: number, text: string][];
}

export function session(sandbox: Sandbox, described: Described): void {
  const { hex, component, username, from, to, exit_code, typed } = described;
  const { reason = null, signal = null, measured = {} } = described;
  const { date = DAY, hostname = HOST } = described;
  const at = (time: string) => Date.parse(`${date}T${time}Z`);
  const iso = (time: string) => new Date(at(time)).toISOString();
  const stamp = `${date}-${from}`.replace(/-(?=\d\d-)|:/g, "");
  const session_id = `${component}-${stamp}-${hex}`;
  const base = { event_version: "1.0" as const, session_id };
  const event_id = (n: number) => `0190aaaa-0000-7000-8000-${hex}000${n}`;
  leave(
    sandbox,
    `${session_id}.ndjson`,
    lines([
      {
        ...{ ...base, event_id: event_id(1), event_type: "session_start" },
        ...{ timestamp: iso(from), session_type: "admin_shell" },
        ...{ component_name: component, shell_type: component, hostname },
        ...{ pid: 4_194_000, ppid: 4_193_990, tty: "/dev/pts/3" },
        user: { username, home: `/home/${username}` },
        environment: {
          ...{ python_version: null, platform: "Linux", cwd: "/srv" },
        },
        ...{ reason, metadata: {}, measured: STARTED },
      },
      {
        ...{ ...base, event_id: event_id(2), event_type: "session_end" },
        ...{ timestamp: iso(to), end_source: "observed", exit_code },
        ...{ signal, measured: { ...ENDED, ...measured } },
      },
    ] as never),
  );
  if (typed.length === 0) return;
  leave(
    sandbox,
    `${session_id}.4194000.commands`,
    [
      hook.header(4_194_000, at(from)),
      ...typed.map(
        ([begun, done, status, text], n) =>
          hook.start(n + 1, at(begun), text) +
          hook.end(n + 1, at(done), status),
      ),
    ].join(""),
  );
}
