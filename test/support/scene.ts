/**
 * A week of some hosts that is made up, and the same each time: sessions, what was typed
 * in them, and the recording of one. The pictures of the pages are taken of it.
 */
import type { Entry } from "../../src/model/recording/format.ts";
import { type Described, day, session } from "./pictures.ts";
import { Random } from "./random.ts";
import { keep, recordingOf, shown } from "./recording.ts";
import type { Sandbox } from "./sandbox.ts";

/** Whose terminal was recorded: it is of the 6th of February, a Friday. */
export const RECORDED = "bash-20260206-133107-5e0a91b7";
const BEGAN = "2026-02-06T13:31:07.000Z";

/** Fills a home that is empty. */
export function scene(sandbox: Sandbox): void {
  const file = recording();
  keep(sandbox, file, RECORDED);
  const last = SCREENS.at(-1)!.at_s;
  day(sandbox, {
    recording: {
      ...{ bytes: file.length, duration_ms: last * 1_000, omitted_bytes: 0 },
      sha256: new Bun.CryptoHasher("sha256").update(file).digest("hex"),
    },
  });
  const random = new Random(1742);
  for (const date of DATES)
    for (const one of dayOf(random, date)) session(sandbox, one);
}

const DATES = ["02", "03", "04", "05", "06"].map((day) => `2026-02-${day}`);
const USERS = ["ana", "jon", "les", "maria", "root"] as const;
const HOSTS = ["db-2", "ops-1", "web-1", "web-2"] as const;
const TYPED = [
  ...["systemctl status nginx", "journalctl -u nginx -n 50", "df -h"],
  ...["kubectl get pods -A", "tail -f /var/log/syslog", "git pull"],
  ...["psql shop -c 'SELECT count(*) FROM orders'", "apt-get upgrade"],
  ...["vim /etc/nginx/sites-enabled/shop.conf", "ss -tlnp", "top"],
];

/** Some sessions of each, in the hours in which people work, and a backup at night. */
function* dayOf(random: Random, date: string): Generator<Described> {
  for (const username of USERS)
    for (let n = random.int(1, 3); n > 0; n--) {
      const from = random.int(7 * 3_600, 16 * 3_600);
      const to = from + random.int(200, 7_000);
      const failed = random.chance(0.2);
      yield {
        ...{ hex: random.hex(8), component: "bash", date, username },
        hostname: random.pick(HOSTS),
        ...{ from: clock(from), to: clock(to), exit_code: failed ? 1 : 0 },
        typed: typedIn(random, from, to),
      };
    }
  for (const hostname of HOSTS)
    yield {
      ...{ hex: random.hex(8), component: "backup", date, hostname },
      ...{ username: "root", from: "02:00:00", exit_code: 0 },
      to: clock(2 * 3_600 + random.int(300, 2_400)),
      typed: [],
    };
}

const clock = (seconds: number): string =>
  [seconds / 3_600, (seconds / 60) % 60, seconds % 60]
    .map((n) => String(Math.floor(n)).padStart(2, "0"))
    .join(":");

function typedIn(random: Random, from: number, to: number): Described["typed"] {
  const typed: Described["typed"][number][] = [];
  for (let at = from + 5; at < to && typed.length < 12;) {
    const took = random.int(0, 40);
    const status = random.chance(0.12) ? 1 : 0;
    typed.push([clock(at), clock(at + took), status, random.pick(TYPED)]);
    at += took + random.int(5, 600);
  }
  return typed;
}

const E = "\x1b[";
const PROMPT = `${E}32mmaria@ops-1${E}m:${E}34m/srv${E}m$ `;
const PID = "Main PID: 812 (nginx)";

/** What stood on the terminal when; times are seconds since it began. */
const SCREENS: readonly { at_s: number; types?: string; shows?: string }[] = [
  { at_s: 0.2, shows: PROMPT },
  { at_s: 11, types: "systemctl status nginx" },
  {
    at_s: 13.2,
    shows: lines(
      `${E}1;32m●${E}m nginx.service - A high performance web server`,
      "     Loaded: loaded (/lib/systemd/system/nginx.service; enabled)",
      `     Active: ${E}1;32mactive (running)${E}m since Mon 2026-02-02 06:12:44 UTC; 4 days ago`,
      `   ${PID}`,
      "      Tasks: 3 (limit: 4644)",
      "     Memory: 12.4M",
      "",
      PROMPT,
    ),
  },
  { at_s: 1_860, types: "vim /etc/nginx/nginx.conf" },
  { at_s: 1_863.4, shows: `${E}?1049h${E}H${E}2J${vim()}` },
  { at_s: 1_905, shows: `${E}?1049l\r${PROMPT}` },
  { at_s: 1_911, types: "nginx -t" },
  {
    at_s: 1_915.3,
    shows: lines(
      `nginx: ${E}31m[emerg]${E}m unknown directive "listn" in /etc/nginx/nginx.conf:41`,
      "nginx: configuration file /etc/nginx/nginx.conf test failed",
      PROMPT,
    ),
  },
  { at_s: 1_951, types: "nginx -t" },
  {
    at_s: 1_953.5,
    shows: lines(
      "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok",
      `nginx: configuration file /etc/nginx/nginx.conf test is ${E}32msuccessful${E}m`,
      PROMPT,
    ),
  },
  { at_s: 1_981, types: "systemctl restart nginx" },
  {
    at_s: 2_031,
    shows: lines(
      `${E}31mJob for nginx.service failed because a timeout was exceeded.${E}m`,
      'See "systemctl status nginx.service" and "journalctl -xeu nginx.service".',
      PROMPT,
    ),
  },
  { at_s: 2_051, types: "journalctl -u nginx -n 50" },
  {
    at_s: 2_053.4,
    shows: lines(
      "Feb 06 14:04:12 ops-1 systemd[1]: Starting nginx.service...",
      "Feb 06 14:04:13 ops-1 nginx[4711]: bind() to 0.0.0.0:443, still in use",
      `Feb 06 14:04:57 ops-1 systemd[1]: ${E}1;31mnginx.service: start operation timed out.${E}m`,
      `Feb 06 14:04:58 ops-1 systemd[1]: ${E}1;33mnginx.service: Failed with result 'timeout'.${E}m`,
      PROMPT,
    ),
  },
  { at_s: 2_055, types: "exit" },
  { at_s: 2_058, shows: "exit\r\n" },
];

function lines(...all: string[]): string {
  return all.join("\r\n");
}

function vim(): string {
  const key = (word: string) => `${E}33m${word}${E}m`;
  return [
    `${key("http")} {`,
    `    ${key("sendfile")} on;`,
    `    ${key("keepalive_timeout")} ${E}35m65${E}m;`,
    `    ${key("server")} {`,
    `        ${key("listen")} ${E}35m443${E}m ssl;`,
    `        ${key("server_name")} shop.example.org;`,
    "    }",
    "}",
    ...Array.from({ length: 14 }, () => `${E}34m~${E}m`),
    `"/etc/nginx/nginx.conf" 83L, 2611B`,
  ].join("\r\n");
}

/** Of a terminal of 84 columns: people type a key after the other. */
function recording(): Uint8Array {
  const entries: Entry[] = [];
  for (const { at_s, types, shows } of SCREENS) {
    if (shows !== undefined) entries.push(shown(at_s, shows));
    for (const [n, key] of [...(types ?? "")].entries())
      entries.push(shown(at_s + n * 0.09, key));
    if (types !== undefined)
      entries.push(shown(at_s + types.length * 0.09, "\r\n"));
  }
  return recordingOf([entries], {
    ...{ session_id: RECORDED, started_at: BEGAN, term: "xterm-256color" },
    ...{ columns: 84, rows: 24 },
  });
}
