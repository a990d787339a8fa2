/** What sessions and commands come to; part of the suite in store.ts. */
import { describe, expect, test } from "bun:test";
import {
  type FigureRow,
  METRICS,
  METRIC_NAMES,
  type Metric,
  type Question,
  offsetsOf,
} from "../../src/model/analytics.ts";
import { type Zone, isoTime, wallOf } from "../../src/model/clock.ts";
import type { Command } from "../../src/model/command.ts";
import type { Event } from "../../src/model/event.ts";
import type { Session } from "../../src/model/session.ts";
import type { SessionStore } from "../../src/model/store.ts";
import { at, command, end, recovered, start } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { id, listed } from "./expected.ts";

const DAY = 86_400;
/** Clocks leap on the 8th of February, at 03:00 UTC. */
const LEAP = Date.parse("2026-02-08T03:00:00Z");
const zone: Zone = (at) => (at < LEAP ? 345 : 405);
const AFTER = "2026-02-05T00:00:00.000Z";
const BEFORE = "2026-02-12T00:00:00.000Z";

const question = (metric: Metric, more: Partial<Question> = {}): Question => ({
  ...{ metric, period: "day", limit: 100 },
  sessions: { after: AFTER, before: BEFORE },
  offsets: offsetsOf(zone, Date.parse(AFTER), Date.parse(BEFORE)),
  ...more,
});

export function analyses(store: () => SessionStore): void {
  const ask = (metric: Metric, more: Partial<Question> = {}) =>
    store().analytics(question(metric, more));

  describe("analytics", () => {
    test("of nothing are rows of nothing, and none", async () => {
      for (const metric of METRIC_NAMES) {
        const rows = await ask(metric);
        const names = METRICS[metric].map(({ name }) => name);
        for (const row of rows) expect(Object.keys(row)).toEqual([...names]);
        const periods = { sessions: 8, duration: 8, unique_users: 8 };
        expect([metric, rows.length]).toEqual([
          metric,
          metric === "peak_hours"
            ? 24
            : (periods[metric as keyof typeof periods] ?? 0),
        ]);
      }
    });

    test("count by local days, weeks, months and hours, where clocks leap too", async () => {
      const begun = ["2026-02-07T18:14:59Z", "2026-02-07T18:15:00Z"];
      const later = ["2026-02-08T17:14:59Z", "2026-02-08T17:15:00Z"];
      await store().append(
        [...begun, ...later].map((time, n) =>
          start({ session_id: id(n), timestamp: isoTime(Date.parse(time)) }),
        ),
      );
      const counted = async (period: Question["period"]) =>
        (await ask("sessions", { period }))
          .filter((row) => row["sessions"] !== 0)
          .map((row) => [row["period"], row["sessions"]]);
      expect(await counted("day")).toEqual([
        ...[
          ["2026-02-07", 1],
          ["2026-02-08", 2],
          ["2026-02-09", 1],
        ],
      ]);
      expect(await counted("week")).toEqual([
        ...[
          ["2026-02-02", 3],
          ["2026-02-09", 1],
        ],
      ]);
      expect(await counted("month")).toEqual([["2026-02", 4]]);
      expect(await counted("hour")).toEqual([
        ...[
          ["2026-02-07T23:00", 1],
          ["2026-02-08T00:00", 1],
        ],
        ...[
          ["2026-02-08T23:00", 1],
          ["2026-02-09T00:00", 1],
        ],
      ]);
    });

    test("pair commands of who does not tell when a shell began with the next end", async () => {
      const of = { pid: 7, seq: 1 };
      const ended = (exit_code: number) => ({
        ...{ ...of, event_type: "command_end", exit_code },
      });
      await store().append([
        start(),
        command(1, { ...of, text: "a" }),
        command(2, ended(1)),
        command(3, { ...of, text: "b" }),
        command(4, { ...of, text: "c" }),
        command(9, ended(3)),
        command(10, { text: "d" }),
        command(10.5, { event_type: "command_end", exit_code: 4 }),
      ]);
      const failing = await ask("failing");
      expect(failing.map(({ text, exit_code }) => [text, exit_code])).toEqual([
        ...[
          ["a", 1],
          ["c", 3],
          ["d", 4],
        ],
      ]);
      expect(
        (await ask("slowest")).map(({ text, duration_seconds }) => [
          ...[text, duration_seconds],
        ]),
      ).toEqual([
        ...[
          ["c", 5],
          ["a", 1],
          ["d", 0.5],
        ],
      ]);
    });

    test("name the program of a command", async () => {
      const programs: [text: string, program: string | null][] = [
        ["ls -l", "ls"],
        ["  /usr/bin/git push", "git"],
        ["sudo -n -u root systemctl restart x", "systemctl"],
        ["FOO=1 BAR='2' make all", "make"],
        ["env A=b time ./run.sh;true", "run.sh"],
        ["ls;pwd", "ls"],
        ["ключ x", "ключ"],
        ["(cd x)", null],
        ["", null],
      ];
      await store().append([
        start(),
        ...programs.map(([text], n) =>
          command(n, { pid: 7, seq: n, shell_started_us: 1, text }),
        ),
      ]);
      const rows = await ask("commands");
      const wanted = Map.groupBy(
        programs.flatMap(([, program]) => program ?? []),
        (program) => program,
      );
      expect(new Map(rows.map((row) => [row["program"], row["runs"]]))).toEqual(
        new Map([...wanted].map(([name, all]) => [name, all.length])),
      );
    });

    test("are what a plain count over everything is", async () => {
      const random = Random.seeded("analytics");
      const events = lives(random);
      await store().append(random.shuffled(events));
      const filters = [
        {},
        { component_name: "zsh" },
        { username: "ann", session_type: "admin_shell" },
        { component_name: "none" },
      ];
      for (const filter of filters) {
        const all = await listed(store(), filter);
        const sessions = all.filter(
          ({ start_time }) => start_time >= AFTER && start_time < BEFORE,
        );
        const ids = new Set(all.map(({ session_id }) => session_id));
        const commands = (await Array.fromAsync(store().commands({}))).filter(
          ({ session_id, start_time }) =>
            ids.has(session_id) && start_time >= AFTER && start_time < BEFORE,
        );
        const asked = { sessions: { ...filter, after: AFTER, before: BEFORE } };
        for (const [metric, wanted] of counts(sessions, commands, all)) {
          // Periods without a session have rows too.
          const rows = (await ask(metric, asked)).filter(
            (row) => row["sessions"] !== 0,
          );
          const names = Object.keys(wanted[0] ?? {});
          const seen = rows.map((row) => pick(row, names));
          expect([filter, metric, seen]).toEqual([...[filter, metric, wanted]]);
        }
      }
    });
  });
}

const pick = (row: FigureRow, names: readonly string[]): FigureRow =>
  Object.fromEntries(names.map((name) => [name, row[name]!]));

function lives(random: Random): Event[] {
  return Array.from({ length: 40 }, (_, n): Event[] => {
    const session_id = id(n, random.pick(["bash", "zsh"]));
    const begun = random.int(-2 * DAY, 6 * DAY);
    const of = { session_id, pid: 7, shell_started_us: n + 1 };
    const commands = Array.from({ length: random.int(0, 9) }, (_, seq) => {
      const text = random.pick(["make all", "sudo ls", "x=1 git log", "true"]);
      const moment = begun + seq * 10;
      const ended = {
        ...{ event_type: "command_end", exit_code: random.pick([0, 0, 1, 2]) },
        duration_ms: n * 100 + seq,
      };
      const both = [
        command(moment, { ...of, seq, text }),
        command(moment + 1, { ...of, seq, ...ended }),
      ];
      return random.chance(0.8) ? both : both.slice(0, 1);
    }).flat();
    return [
      start({
        ...{ session_id, timestamp: at(begun) },
        component_name: session_id.split("-")[0]!,
        session_type: random.pick(["admin_shell", "other"]),
        hostname: random.pick(["web1", "web2"]),
        user: { username: random.pick(["les", "ann"]), home: "" },
      }),
      ...commands,
      ...random.pick([
        [],
        [end(begun + 100, { session_id, exit_code: random.pick([0, 1, 2]) })],
        [end(begun + 200, { session_id, exit_code: null, signal: "SIGHUP" })],
        [recovered(begun + 300, { session_id })],
      ]),
    ];
  }).flat();
}

/**
 * The figures that can be told without a doubt, of each metric.
 * @param all whenever they began
 */
function counts(
  sessions: readonly Session[],
  commands: readonly Command[],
  all: readonly Session[],
): [Metric, FigureRow[]][] {
  const failed = (of: readonly Session[]) =>
    of.filter(({ exit_code, signal }) => (exit_code ?? 0) !== 0 || signal)
      .length;
  const users = (of: readonly Session[]) =>
    new Set(of.map(({ username }) => username)).size;
  const status = (of: readonly Session[], wanted: string) =>
    of.filter(({ status }) => status === wanted).length;
  const ran = (of: readonly Session[]) =>
    of.reduce((sum, { command_count }) => sum + (command_count ?? 0), 0);
  const wall = ({ start_time }: Session) =>
    isoTime(wallOf(Date.parse(start_time), zone));
  const by = <T>(
    all: readonly T[],
    key: (one: T) => string,
    row: (key: string, of: T[]) => FigureRow,
  ) =>
    [...Map.groupBy(all, key)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, of]) => row(key, of));
  const most = (rows: FigureRow[], name: string) =>
    rows.toSorted((a, b) => Number(b[name]) - Number(a[name]));
  const bad = commands.filter(({ exit_code }) => exit_code);
  const program = ({ text }: Command) =>
    /(make|ls|git|true)/.exec(text ?? "")![1]!;
  const took = (of: readonly Command[]) =>
    of.flatMap(({ exit_code, duration_seconds }) =>
      exit_code === null ? [] : [duration_seconds!],
    );
  return [
    [
      "sessions",
      by(
        sessions,
        (one) => wall(one).slice(0, 10),
        (period, of) => ({
          ...{ period, sessions: of.length, active: status(of, "active") },
          ...{ ended: status(of, "ended"), lost: status(of, "lost") },
          ...{ failed: failed(of), commands: ran(of) },
        }),
      ),
    ],
    [
      "duration",
      by(
        sessions.filter(({ end_time }) => end_time !== null),
        (one) => wall(one).slice(0, 10),
        (period, of) => ({
          ...{ period, sessions: of.length },
          max_seconds: Math.max(...of.map((one) => one.duration_seconds)),
          total_seconds: of.reduce((sum, one) => sum + one.duration_seconds, 0),
        }),
      ),
    ],
    [
      "unique_users",
      by(
        sessions,
        (one) => wall(one).slice(0, 10),
        (period, of) => ({ period, users: users(of), sessions: of.length }),
      ),
    ],
    [
      "peak_hours",
      by(
        sessions,
        (one) => wall(one).slice(11, 13),
        (hour, of) => ({
          ...{ hour, sessions: of.length, failed: failed(of) },
          ...{ users: users(of), commands: ran(of) },
        }),
      ),
    ],
    [
      "components",
      most(
        by(
          sessions,
          (one) => one.component_name,
          (component_name, of) => ({
            ...{ component_name, sessions: of.length, failed: failed(of) },
            ...{ users: users(of), commands: ran(of) },
          }),
        ),
        "sessions",
      ),
    ],
    [
      "hosts",
      most(
        by(
          sessions,
          (one) => one.hostname,
          (hostname, of) => ({
            ...{ hostname, sessions: of.length, failed: failed(of) },
            last_start: of
              .map((one) => one.start_time)
              .sort()
              .at(-1)!,
          }),
        ),
        "sessions",
      ),
    ],
    [
      "errors",
      most(
        by(
          sessions.filter(
            ({ exit_code, signal, status }) =>
              exit_code || signal || status === "lost",
          ),
          ({ component_name, signal, status, exit_code }) =>
            `${component_name} ${signal ?? (status === "lost" ? "lost" : exit_code)}`,
          (key, of) => ({
            component_name: key.slice(0, key.indexOf(" ")),
            outcome: key.slice(key.indexOf(" ") + 1),
            sessions: of.length,
          }),
        ),
        "sessions",
      ),
    ],
    [
      "active",
      most(
        by(
          all.filter(({ status }) => status === "active"),
          (one) => `${one.component_name} ${one.username} ${one.hostname}`,
          (key, of) => ({
            component_name: key.split(" ")[0]!,
            username: key.split(" ")[1]!,
            hostname: key.split(" ")[2]!,
            sessions: of.length,
          }),
        ),
        "sessions",
      ),
    ],
    [
      "commands",
      most(
        by(commands, program, (program, of) => ({
          ...{ program, runs: of.length },
          failed: of.filter(({ exit_code }) => exit_code).length,
          max_seconds: took(of).length ? Math.max(...took(of)) : null,
        })),
        "runs",
      ),
    ],
    [
      "slowest",
      commands
        .filter(({ exit_code }) => exit_code !== null)
        .toSorted((a, b) => b.duration_seconds! - a.duration_seconds!)
        .slice(0, 100)
        .map(({ session_id, start_time, duration_seconds, text }) => ({
          ...{ start_time, session_id, duration_seconds, text },
        })),
    ],
    [
      "failing",
      most(
        by(
          bad,
          ({ text }) => text!,
          (text, of) => ({ failed: of.length, text }),
        ),
        "failed",
      ),
    ],
  ];
}
