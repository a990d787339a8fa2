/**
 * Alerts over a real database and a real webhook: which events and conditions raise
 * one, whom it is told to and how often, and what a restart or a failure changes.
 */
import { createHmac } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { AlertBook } from "../../src/alerts/book.ts";
import { waitAfter } from "../../src/alerts/deliveries.ts";
import type { Scope } from "../../src/alerts/scope.ts";
import type { Event } from "../../src/model/event.ts";
import { AlertHost, Receiver } from "../support/alerts.ts";
import {
  ID,
  T0,
  at,
  command,
  end,
  processOf,
  recovered,
  start,
} from "../support/events.ts";
import { type Kind, STORES } from "../support/stores.ts";
import { processState, until } from "../support/wait.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 32 characters that stand nowhere. */
const KEY = "k".repeat(40);

const [duckdb, postgres] = STORES as [Kind, Kind?];

describe.each([duckdb, ...(postgres ? [postgres] : [])])(
  "with $kind",
  (kind) => {
    // Where it counts when events came, which a database tells by a clock that no test
    // turns; or where alerts and events stand apart.
    const inFiles = test.skipIf(kind !== duckdb);

    /** What of some events is told. */
    async function raised(
      rule: string,
      events: readonly Event[],
    ): Promise<string[]> {
      await using host = await AlertHost.start(kind, `rules: {r: ${rule}}`);
      await host.store.append(events);
      await host.looked();
      return await host.texts();
    }

    const ANY_START = "rules: {any: {when: session_start}}";
    const IT = "bash of les@host (1a2b3c4d)";

    describe("what raises an alert, and what does not", () => {
      const life = [
        start(),
        command(1, { text: "sudo rm -rf /srv" }),
        end(2, { exit_code: 3 }),
      ];
      for (const [rule, ...texts] of [
        ["{when: session_start}", `${IT} began`],
        [
          "{when: session_start, user: les, host: 'h*t', component: [zsh, bash]}",
          `${IT} began`,
        ],
        ["{when: session_start, user: '!les'}"],
        ["{when: session_start, user: le}"],
        ["{when: session_start, type: channel}"],
        ["{when: session_end}", `${IT} ended: exit 3`],
        ["{when: session_end, exit: failed}", `${IT} ended: exit 3`],
        ["{when: session_end, exit: 3}", `${IT} ended: exit 3`],
        ["{when: session_end, exit: [0, 4]}"],
        ["{when: command, matches: 'RM -rf'}", `${IT} ran: sudo rm -rf /srv`],
        ["{when: command, matches: 'sudo*srv'}", `${IT} ran: sudo rm -rf /srv`],
        ["{when: command, matches: ['srv*sudo', 'reboot']}"],
        ["{when: command, matches: ['*', '!sudo']}"],
        ["{when: command, matches: 'rm', user: root}"],
        ["{when: command, matches: rm, exit: failed}"],
        ["{when: session_lost}"],
        // T0 is a Friday, 12:34 UTC.
        ["{when: outside_hours, hours: 08:00-18:00, zone: UTC}"],
        [
          "{when: outside_hours, hours: 08:00-12:34, zone: UTC}",
          `${IT} began outside of the hours`,
        ],
        [
          "{when: outside_hours, hours: 08:00-13:00, zone: Europe/Vienna}",
          `${IT} began outside of the hours`,
        ],
        ["{when: outside_hours, hours: 20:00-13:00, days: thu, zone: UTC}"],
        [
          "{when: outside_hours, hours: 20:00-13:00, days: fri, zone: UTC}",
          `${IT} began outside of the hours`,
        ],
        ["{when: outside_hours, days: mon-fri, zone: UTC}"],
        [
          "{when: outside_hours, days: [sat, sun], zone: UTC}",
          `${IT} began outside of the hours`,
        ],
      ] as [string, ...string[]][])
        test(rule, async () => expect(await raised(rule, life)).toEqual(texts));

      test("an end by a signal has failed, a lost session has not ended", async () => {
        const failed = "{when: session_end, exit: failed}";
        const killed = end(2, { exit_code: null, signal: "SIGKILL" });
        expect(await raised(failed, [start(), killed])).toEqual([
          `${IT} ended: SIGKILL`,
        ]);
        const lost = [start(), recovered(2)];
        expect(await raised(failed, lost)).toEqual([]);
        expect(await raised("{when: session_lost}", lost)).toEqual([
          `${IT} is lost: nobody saw its end`,
        ]);
      });

      test("a command that ends with a status, by what it was", async () => {
        const shell = { pid: 7, shell_started_us: 5 };
        const ended = (seconds: number, seq: number, exit_code: number) =>
          ({
            ...{ ...command(seconds, shell), seq, exit_code },
            event_type: "command_end",
          }) as Event;
        const began = (seconds: number, seq: number, text: string | null) =>
          command(seconds, { ...shell, seq, text });
        const before = [
          start(),
          began(1, 1, "make deploy"),
          began(1, 9, "make"),
        ];
        const after = [
          ...[ended(2, 1, 2), began(3, 2, "make deploy"), ended(4, 2, 0)],
          ...[began(5, 3, "grep x"), ended(6, 3, 1), began(7, 4, null)],
          ended(8, 4, 3),
        ];
        const rule = (of: string) => `rules: {r: {when: command, ${of}}}`;
        for (const [of, ...texts] of [
          ["matches: deploy, exit: failed", `${IT} had exit 2 of: make deploy`],
          ["matches: deploy, exit: 0", `${IT} had exit 0 of: make deploy`],
          ["exit: 3", `${IT} had exit 3 of: a command whose text is not kept`],
          [
            "matches: '!grep', exit: [1, 2]",
            `${IT} had exit 2 of: make deploy`,
          ],
          ["exit: failed, user: root"],
        ] as [string, ...string[]][]) {
          await using host = await AlertHost.start(kind, rule(of));
          await host.store.append(before);
          await host.looked();
          // What began before this server is known, too.
          await host.restart(rule(of));
          await host.store.append(after);
          await host.looked();
          expect([of, await host.texts()]).toEqual([of, texts]);
        }
      });

      test("what came before the rules, or happened too long ago, is history", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {r: {when: session_end}}",
        );
        await host.store.append([start(), end(1)]);
        await host.looked();
        expect(await host.texts()).toHaveLength(1);
        host.now = T0 + DAY_MS + 2_000;
        const other = "bash-20260206-123456-00000001";
        await host.store.append([
          start({ session_id: other }),
          end(1, { session_id: other }),
        ]);
        await host.looked();
        expect(await host.texts()).toHaveLength(1);
      });

      test("recorded text acts on no terminal, and is bounded", async () => {
        const text = `x\x1b]0;owned\x07\u202e ${"y".repeat(60_000)}`;
        const [said] = await raised("{when: command, matches: x}", [
          start(),
          command(1, { text }),
        ]);
        expect(said).toStartWith(`${IT} ran: x\\x1b]0;owned\\x07\\u202e yyy`);
        expect(said!.length).toBeLessThan(400);
      });
    });

    inFiles(
      "what waited long before it was delivered is told of once a session",
      async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {late: {when: undelivered, than: 1h}}",
        );
        const from = { via: "tcp", reporter: "token:ops" } as never;
        await host.store.append([start()], from);
        await host.looked();
        expect(await host.texts()).toEqual([]);
        host.now = T0 + 2 * HOUR_MS;
        await host.store.append([command(5), end(6)], from);
        await host.looked();
        expect(await host.texts()).toEqual([
          expect.stringContaining("what happened waited 1h59m to be delivered"),
        ]);
      },
    );

    describe("how things stand", () => {
      test("a session that takes longer is told of once, and over when it has ended", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {long: {when: session_longer, than: 8h, user: les}}",
        );
        const other = "bash-20260206-123456-00000001";
        const root = { username: "root", home: "/root" };
        await host.store.append([
          start(),
          start({ session_id: other, user: root }),
        ]);
        await host.looked();
        expect(await host.texts()).toEqual([]);
        host.now = T0 + 8 * HOUR_MS + 60_000;
        await host.looked();
        await host.looked();
        expect(await host.texts()).toEqual([`${IT} has taken 8h01m so far`]);
        expect((await host.kept())[0]!.resolved).toBeNull();
        await host.store.append([end(8 * 3_600 + 90)]);
        host.now += 61_000;
        await host.looked();
        expect(await host.kept()).toHaveLength(1);
        expect((await host.kept())[0]!.resolved).not.toBeNull();
      });

      test("a degraded server, once it has lasted, and again when it comes again", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {ill: {when: server_degraded, than: 1m}}",
        );
        host.checks = { database: "ok", disk: "failed", queue: "failed" };
        await host.looked();
        expect(await host.texts()).toEqual([]);
        host.now += 70_000;
        await host.looked();
        expect(await host.texts()).toEqual([
          "the server is degraded: disk, queue",
        ]);
        host.checks = { database: "ok" };
        host.now += 20_000;
        await host.looked();
        expect((await host.kept())[0]!.resolved).not.toBeNull();
        host.checks = { database: "failed" };
        for (let looks = 0; looks < 2; looks++) {
          host.now += 70_000;
          await host.looked();
        }
        expect(await host.texts()).toHaveLength(2);
      });

      inFiles("spool, delivery and size, each past its bound", async () => {
        await using host = await AlertHost.start(
          kind,
          `rules:
  files: {when: spool_backlog, files: 1}
  stuck: {when: undelivered, than: 5m}
  size: {when: database_size, bytes: 1KiB}
  big: {when: database_size, bytes: 1TiB}
  grows: {when: database_growth, bytes: 300KiB, within: 1h}`,
        );
        await host.looked();
        expect((await host.kept()).map(({ rule }) => rule)).toEqual(["size"]);
        const [machine] = new Bun.Glob("*/").scanSync({
          cwd: join(host.data, "spool"),
          onlyFiles: false,
        });
        for (const hex of ["00000001", "00000002"])
          writeFileSync(
            join(
              host.data,
              "spool",
              machine!,
              `bash-20260206-123456-${hex}.ndjson`,
            ),
            "{}",
          );
        host.undrained_ms = 400_000;
        const pid = 4_000_000;
        const many = Array.from({ length: 5_000 }, (_, i) =>
          command(1, { text: crypto.randomUUID().repeat(9), pid, seq: i }),
        );
        await host.store.append([start(), ...many]);
        await host.store.idle();
        host.now += 10 * 60_000;
        await host.looked();
        const told = Object.fromEntries(
          (await host.kept()).map(({ rule, text }) => [rule, text]),
        );
        expect(Object.keys(told).sort()).toEqual([
          "files",
          "grows",
          "size",
          "stuck",
        ]);
        expect(told["files"]).toBe("2 files (4 B) wait in the spool");
        expect(told["stuck"]).toBe("the spool has not been drained for 6m40s");
        expect(told["grows"]).toMatch(
          /^the database has grown by \S+ MiB in 10m00s, to /,
        );
      });

      test("a host of which nothing comes any more, until something does", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {silent: {when: host_silent, than: 1h, host: [ops-*, '!ops-9']}}",
        );
        const alive = "bash-20260206-123456-00000009";
        const on = (hostname: string, n: number, seconds: number) => {
          const at = { session_id: `bash-20260206-123456-0000000${n}` };
          return [
            start({ ...at, hostname }),
            command(seconds, at),
            end(seconds + 1, at),
          ];
        };
        await host.store.append([
          ...on("ops-1", 1, 1),
          ...on("ops-2", 2, 1_800),
          ...on("ops-9", 3, 1),
          ...on("web", 4, 1),
          // It lives on, and stores nothing.
          start({ session_id: alive, hostname: "ops-3" }),
        ]);
        await host.looked();
        expect(await host.texts()).toEqual([]);
        host.now = T0 + HOUR_MS + 120_000;
        await host.store.seen(new Map([[alive, at(3_600)]]));
        await host.looked();
        expect(await host.texts()).toEqual([
          "nothing has come from host ops-1 for 1h01m",
        ]);
        await host.store.append(on("ops-1", 5, 3_700));
        host.now += 20 * 60_000;
        await host.looked();
        expect((await host.kept())[0]!.resolved).not.toBeNull();
        expect(await host.kept()).toHaveLength(1);
      });

      test("a login without a session on its terminal", async () => {
        const folder = join("/tmp", `sb-utmp-${crypto.randomUUID()}`);
        mkdirSync(folder);
        const file = join(folder, "utmp");
        const [first, second] = [
          record(process.pid, "pts/70", "les", T0),
          record(process.pid, "pts/71", "ann", T0),
        ];
        writeFileSync(
          file,
          Buffer.concat([
            first,
            second,
            record(4_194_300, "pts/72", "gone", T0),
          ]),
        );
        await using host = await AlertHost.start(
          kind,
          `rules: {login: {when: login_without_session, than: 1m, file: ${file}}}`,
        );
        const hostname = readFileSync(
          "/proc/sys/kernel/hostname",
          "utf8",
        ).trim();
        await host.store.append([start({ hostname, tty: "/dev/pts/71" })]);
        await host.looked();
        expect(await host.texts()).toEqual([]);
        host.now = T0 + 70_000;
        await host.looked();
        expect(await host.texts()).toEqual([
          "les is logged in on pts/70 from 10.0.0.7 without a recorded session",
        ]);
        writeFileSync(file, second);
        host.now += 20_000;
        await host.looked();
        expect((await host.kept())[0]!.resolved).not.toBeNull();
        expect(await host.kept()).toHaveLength(1);
      });
    });

    test("several servers look at their own hosts each, and one at what they share", async () => {
      const rules = `rules:
  late: {when: undelivered, than: 5m}
  ill: {when: server_degraded}
  size: {when: database_size, bytes: 1}
  any: {when: session_start}`;
      const raisedIn = async (scope: Scope) => {
        await using host = await AlertHost.start(kind, rules, scope);
        host.checks = { disk: "failed" };
        host.undrained_ms = 400_000;
        await host.store.append([start()]);
        await host.store.idle();
        await host.looked();
        return (await host.kept()).map(({ rule, text }) => `${rule}: ${text}`);
      };
      const here = hostname();
      expect((await raisedIn("host")).sort()).toEqual([
        `ill: ${here}: the server is degraded: disk`,
        `late: ${here}: the spool has not been drained for 6m40s`,
      ]);
      const shared = await raisedIn("database");
      expect(shared.map((text) => text.split(":", 1)[0]!).sort()).toEqual([
        // By the clock of a database the event is late, which is about what they share.
        ...["any", ...(kind === duckdb ? [] : ["late"]), "size"],
      ]);
      expect(shared.join()).not.toMatch(/the spool has not|the server is/);
    });

    describe("a webhook", () => {
      const config = (receiver: Receiver, more = "") => `channels:
  ops: {webhook: '${receiver.url}', timeout: 5m, retry: 1s${more}}
rules:
  any: {when: session_start, tell: [ops, log], at_most: 1000}`;
      const starts = (from: number, count: number) =>
        Array.from({ length: count }, (_, i) => {
          const hex = (from + i).toString(16).padStart(8, "0");
          return start({ session_id: `bash-20260206-123456-${hex}` });
        });

      test("that is down gets each alert once it is back, also over a restart", async () => {
        using receiver = new Receiver();
        await receiver.down();
        await using host = await AlertHost.start(kind, config(receiver));
        await host.store.append(starts(0, 5));
        await host.until("an attempt", async () =>
          (await host.kept()).some(({ told }) => told["ops"]!.error !== null),
        );
        expect((await host.kept())[0]!.told["ops"]).toMatchObject({
          state: "pending",
          error: expect.stringContaining("cannot be reached"),
        });
        await host.restart(config(receiver));
        await host.store.append(starts(5, 5));
        await host.looked();
        expect(await host.kept()).toHaveLength(10);
        receiver.up();
        // It is ill before it is well.
        let ill = 3;
        receiver.answer = () =>
          new Response(null, { status: ill-- > 0 ? 503 : 204 });
        await host.until("all to be told", () => {
          host.now += 1_000;
          return receiver.taken.length >= 10;
        });
        const ids = receiver.taken.map(({ id }) => id);
        expect(new Set(ids).size).toBe(10);
        expect(ids).toEqual((await host.kept()).map(({ id }) => id));
        expect(receiver.taken.map(({ alert }) => alert.id)).toEqual(ids);
        await host.until("it to be kept", async () =>
          (await host.kept()).every(
            ({ told }) => told["ops"]!.state === "told",
          ),
        );
        expect(receiver.told.length).toBeGreaterThan(10);
      });

      test("is asked less and less often, and given up in the end", async () => {
        using receiver = new Receiver();
        receiver.answer = () => new Response("no", { status: 500 });
        await using host = await AlertHost.start(
          kind,
          config(receiver, ", retry_for: 5m"),
        );
        await host.store.append(starts(0, 1));
        await host.until("it to be given up", async () => {
          host.now += 1_000;
          return (await host.kept())[0]?.told["ops"]!.state === "given_up";
        });
        expect((await host.kept())[0]!.told["ops"]!.error).toContain(
          "status 500",
        );
        expect(receiver.told.length).toBeGreaterThan(2);
        expect(host.alerts.counts()).toMatchObject({ given_up: 1, waiting: 0 });
        const waits = Array.from({ length: 9 }, (_, n) => waitAfter(n, 1_000));
        expect(waits.map((ms) => ms / 1_000)).toEqual([
          1, 2, 4, 8, 16, 32, 60, 60, 60,
        ]);
        expect(waitAfter(2_000, 1_000)).toBe(60_000);
        expect([waitAfter(0, HOUR_MS), waitAfter(9, HOUR_MS)]).toEqual([
          HOUR_MS,
          HOUR_MS,
        ]);
      });

      test("that refuses one alert gets the others", async () => {
        using receiver = new Receiver();
        receiver.answer = ({ alert }) =>
          new Response(null, {
            status: alert.session!.session_id.endsWith("0") ? 400 : 200,
          });
        await using host = await AlertHost.start(kind, config(receiver));
        await host.store.append(starts(0, 3));
        await host.until("the others", () => {
          host.now += 1_000;
          return receiver.taken.length === 2;
        });
        receiver.answer = () => new Response();
        await host.until("it, too", () => {
          host.now += 1_000;
          return receiver.taken.length === 3;
        });
      });

      test("is not followed elsewhere, and its URL stands nowhere else", async () => {
        using other = new Receiver();
        using receiver = new Receiver();
        receiver.answer = () => Response.redirect(other.url, 307);
        await using host = await AlertHost.start(kind, config(receiver));
        await host.store.append(starts(0, 1));
        await host.until(
          "an attempt",
          async () => (await host.kept())[0]?.told["ops"]!.error,
        );
        expect((await host.kept())[0]!.told["ops"]!.error).toContain(
          "leads elsewhere (status 307)",
        );
        expect(other.told).toEqual([]);
        expect(JSON.stringify(await host.kept())).not.toContain(
          "not-to-be-shown",
        );
        const log = readFileSync(join(host.home, "logs/server.log"), "utf8");
        expect(log).toContain("alert_not_told");
        expect(log).not.toContain("not-to-be-shown");
      });

      test("can tell by the signature that it is from us, and from when", async () => {
        using receiver = new Receiver();
        await using host = await AlertHost.start(
          kind,
          "rules: {r: {when: session_start}}",
        );
        const file = join(host.home, "key");
        writeFileSync(file, `${KEY}\n`, { mode: 0o600 });
        await host.restart(config(receiver, `, key_file: ${file}`));
        await host.store.append(starts(0, 1));
        await host.until("it", () => receiver.taken.length === 1);
        const { headers, body, id } = receiver.taken[0]!;
        const seconds = headers.get("webhook-timestamp")!;
        expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(
          600,
        );
        const signed = createHmac("sha256", KEY)
          .update(`${id}.${seconds}.${body}`)
          .digest("base64");
        expect(headers.get("webhook-signature")).toBe(`v1,${signed}`);
        expect(headers.get("content-type")).toBe("application/json");
        expect(body).not.toContain(KEY);
      });

      test("without a key that can be read is not told unsigned", async () => {
        using receiver = new Receiver();
        const file = "/nonexistent/key";
        await using host = await AlertHost.start(
          kind,
          config(receiver, `, key_file: ${file}`),
        );
        await host.store.append(starts(0, 1));
        await host.until(
          "an attempt",
          async () => (await host.kept())[0]?.told["ops"]!.error,
        );
        expect((await host.kept())[0]!.told["ops"]!.error).toContain(
          `key_file '${file}'`,
        );
        expect(receiver.told).toEqual([]);
      });
    });

    test("a storm tells as much as the rule may, and then what it left out", async () => {
      using receiver = new Receiver();
      await using host = await AlertHost.start(
        kind,
        `channels: {ops: {webhook: '${receiver.url}', timeout: 5m}}
rules: {storm: {when: command, matches: boom, tell: ops, at_most: 20, per: 1h}}`,
      );
      const storm = Array.from({ length: 10_000 }, (_, seq) =>
        command(seq / 1_000, { text: `boom ${seq}`, pid: 7, seq }),
      );
      await host.store.append([start(), ...storm]);
      const looked = async () => {
        await host.looked();
        return host.alerts.counts().left_out === 9_980;
      };
      await until("the end of them", looked, 300_000);
      await host.until("what it may tell", () => receiver.taken.length >= 20);
      expect(receiver.taken).toHaveLength(20);
      expect(await host.kept()).toHaveLength(20);
      const last = receiver.taken.at(-1)!.alert;
      expect(last.text).toEndWith(
        `; until ${at(10 + 3_600)} further ones are counted alone`,
      );
      // Over a restart, too.
      await host.restart(`channels: {ops: {webhook: '${receiver.url}', timeout: 5m}}
rules: {storm: {when: command, matches: boom, tell: ops, at_most: 20, per: 1h}}`);
      await host.store.append([
        command(11, { text: "boom", pid: 7, seq: 10_000 }),
      ]);
      await host.looked();
      expect(receiver.told).toHaveLength(20);
      host.now += HOUR_MS;
      await host.until("what was left out", () => receiver.taken.length === 21);
      const { text, details, ...about } = receiver.taken[20]!.alert;
      expect(about.kind).toBe("left_out");
      expect(text).toBe(
        `9981 more were left out between ${at(0.02)} and ${at(11)}, for the rule tells at most 20 in 1h00m: les@host: 9981`,
      );
      expect(details).toEqual({
        count: 9_981,
        first: at(0.02),
        last: at(11),
        about: { "les@host": 9_981 },
      });
    });

    describe("what hangs holds nobody up", () => {
      test("a webhook that does not answer, and a command that does not end", async () => {
        using receiver = new Receiver();
        using well = new Receiver();
        const asked = Promise.withResolvers<void>();
        const never = Promise.withResolvers<Response>();
        receiver.answer = () => {
          asked.resolve();
          return never.promise;
        };
        await using host = await AlertHost.start(
          kind,
          "rules: {r: {when: session_start}}",
        );
        const marker = join(host.home, "pid");
        const hang = `echo $$ > ${marker}; sleep 1000 & wait`;
        await host.restart(`channels:
  hangs: {webhook: '${receiver.url}', timeout: 5m}
  stuck: {command: [/bin/sh, -c, '${hang}'], timeout: 5m}
  well: {webhook: '${well.url}', timeout: 5m}
rules: {any: {when: session_start, tell: [hangs, stuck, well]}}`);
        await host.store.append([start()]);
        await host.looked();
        host.alerts.tick();
        await asked.promise;
        const pid = await until("the command", () => {
          try {
            // Made before it is written.
            return Number(readFileSync(marker, "utf8")) || null;
          } catch {
            return null;
          }
        });
        await host.until("who is well", () => well.taken.length === 1);
        // While both hang, events are stored and further alerts are told.
        const other = "bash-20260206-123456-00000001";
        await host.store.append([start({ session_id: other })]);
        await host.until("who is well, again", () => well.taken.length === 2);
        expect((await host.store.get(other))!.session_id).toBe(other);
        expect(processState(pid)).not.toBeNull();
        expect(receiver.told).toHaveLength(1);
        // And the end of the server does not wait for them.
        await host.alerts.close();
        await until("its end", () => processState(pid) === null);
        never.resolve(new Response());
      });

      test("a command that takes too long is killed with what it has started, and run again", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {r: {when: session_start}}",
        );
        const marker = join(host.home, "pids");
        const go = join(host.home, "go");
        const script = `cat > ${host.home}/told; sleep 1000 & echo $! >> ${marker}; [ -e ${go} ] || wait; kill $!; echo done >&2`;
        const config = (
          timeout: string,
        ) => `channels: {stuck: {command: [/bin/sh, -c, '${script}'], timeout: ${timeout}}}
rules: {any: {when: session_start, tell: stuck}}`;
        await host.restart(config("3s"));
        await host.store.append([start()]);
        const told = async () => (await host.kept())[0]?.told["stuck"];
        // On a slow machine it may be killed before it has started anything.
        await host.until("its being killed", async () => {
          host.now += 1_000;
          const error = (await told())?.error;
          const killed = error?.includes("did not end within 3 s");
          return (
            killed && existsSync(marker) && readFileSync(marker).length > 0
          );
        });
        writeFileSync(go, "");
        // This time it has all the time that it needs.
        await host.restart(config("5m"));
        await host.until("its end", async () => {
          host.now += 1_000;
          return (await told())?.state === "told";
        });
        expect((await told())!.attempts).toBeGreaterThanOrEqual(2);
        expect((await told())!.error).toBeNull();
        const [first] = readFileSync(marker, "utf8").split("\n").map(Number);
        await until(
          "the end of what it has started",
          () => processState(first!) === null,
        );
        const given = readFileSync(join(host.home, "told"), "utf8");
        expect(JSON.parse(given)).toMatchObject({
          rule: "any",
          session: { session_id: ID },
        });
      });

      test("a rule that fails keeps neither others nor their deliveries", async () => {
        await using host = await AlertHost.start(
          kind,
          `rules:
  broken: {when: login_without_session, file: /proc/self/mem}
  any: {when: session_start}`,
        );
        await host.store.append([start()]);
        await host.looked();
        expect(await host.texts()).toEqual([`${IT} began`]);
        const log = readFileSync(join(host.home, "logs/server.log"), "utf8");
        expect(log).toContain('"event":"alerts_failed","of":"broken"');
      });
    });

    describe("what a restart, a kill or a damaged file changes", () => {
      const ANY = ANY_START;
      const other = "bash-20260206-123456-00000001";
      const known = () => new Set<string>();

      test("events that no rule looks at do not hide the next one", async () => {
        await using host = await AlertHost.start(kind, ANY);
        await host.store.append([start(), processOf(1), processOf(2)]);
        await host.looked();
        await host.restart(ANY);
        // It comes before the first look.
        await host.store.append([start({ session_id: other })]);
        await host.looked();
        expect(await host.texts()).toHaveLength(2);
      });

      inFiles("in another database it begins at the end", async () => {
        await using host = await AlertHost.start(kind, ANY);
        await host.store.append([start(), processOf(1)]);
        await host.looked();
        await host.restartIn(kind, ANY);
        await host.looked();
        await host.store.append([start({ session_id: other })]);
        await host.looked();
        expect(
          (await host.kept()).map(({ session }) => session!.session_id),
        ).toEqual([ID, other]);
      });

      test("nothing is told beyond the cap where the count of it is lost", async () => {
        const config = "rules: {any: {when: session_start, at_most: 3}}";
        await using host = await AlertHost.start(kind, config);
        const ids = Array.from(
          { length: 8 },
          (_, i) => `bash-20260206-123456-0000001${i}`,
        );
        await host.store.append(
          ids.slice(0, 4).map((session_id) => start({ session_id })),
        );
        await host.looked();
        await host.restartOn(config, (kept) => kept.remove("state.json"));
        await host.store.append(
          ids.slice(4).map((session_id) => start({ session_id })),
        );
        await host.looked();
        expect(await host.kept()).toHaveLength(3);
      });

      test.each([
        "",
        "null",
        "[]",
        '{"cursor":{"seq":"x"},"windows":{"any":7},"standing":{"any":[1]},"sizes":5}',
      ])("a state of %s", async (state) => {
        await using host = await AlertHost.start(kind, ANY);
        await host.store.append([start()]);
        await host.looked();
        await host.restartOn(ANY, async (kept) => {
          await kept.write("state.json", state);
          await kept.write(`${crypto.randomUUID()}.json`, state);
        });
        await host.store.append([start({ session_id: other })]);
        await host.looked();
        const unread = known();
        const book = new AlertBook(host.documents);
        const kept = await book.read((name) => unread.add(name));
        expect(kept.map(({ text }) => text)).toEqual([
          `${IT} began`,
          "bash of les@host (00000001) began",
        ]);
        expect(unread.size).toBe(1);
      });

      test("an alert of a channel that is no more is given up", async () => {
        using receiver = new Receiver();
        receiver.answer = () => new Response(null, { status: 500 });
        await using host = await AlertHost.start(
          kind,
          `channels: {ops: {webhook: '${receiver.url}'}}
rules: {any: {when: session_start, tell: ops}}`,
        );
        await host.store.append([start()]);
        await host.until(
          "an attempt",
          async () => (await host.kept())[0]?.told["ops"]!.error,
        );
        await host.restart(ANY);
        await host.until(
          "it",
          async () => (await host.kept())[0]!.told["ops"]!.state === "given_up",
        );
      });

      test("a clock that is put back makes nobody wait", async () => {
        using receiver = new Receiver();
        receiver.answer = () => new Response(null, { status: 500 });
        await using host = await AlertHost.start(
          kind,
          `channels: {ops: {webhook: '${receiver.url}', timeout: 5m, retry: 1h}}
rules:
  any: {when: session_start, tell: ops, at_most: 1}
  ill: {when: server_degraded}`,
        );
        await host.store.append([start()]);
        await host.until(
          "an attempt",
          async () => (await host.kept())[0]?.told["ops"]!.error,
        );
        host.now -= 6 * HOUR_MS;
        host.checks = { disk: "failed" };
        receiver.answer = () => new Response();
        await host.until("it", () => receiver.taken.length === 1);
        await host.until(
          "the other",
          async () => (await host.kept()).length === 2,
        );
      });
    });

    test("what was removed from the database is removed from alerts, and from what is told", async () => {
      using receiver = new Receiver();
      receiver.answer = () => new Response(null, { status: 500 });
      await using host = await AlertHost.start(
        kind,
        `channels: {ops: {webhook: '${receiver.url}', timeout: 5m}}
rules:
  any: {when: command, matches: boom, tell: [ops, log]}
  failed: {when: command, exit: failed, tell: ops}`,
      );
      const shell = { pid: 7, seq: 1, shell_started_us: 5 };
      const began = command(1, { ...shell, text: "boom one" });
      const failed = { ...command(2, { ...shell, exit_code: 1 }) };
      const ended = { ...failed, event_type: "command_end" } as Event;
      const other = command(3, { ...shell, seq: 2, text: "boom two" });
      await host.store.append([
        start({ name: "day shift" }),
        began,
        ended,
        other,
      ]);
      await host.looked();
      expect((await host.texts()).join()).toMatch(
        /boom one.*boom one.*boom two/,
      );
      const removed = (of?: string) =>
        ({
          ...{
            ...command(4),
            event_type: "redaction",
            redacted_by: ["user:x"],
          },
          ...(of === undefined ? { up_to: at(9) } : { of }),
        }) as Event;
      await host.store.append([removed(began.event_id)]);
      await host.looked();
      expect(JSON.stringify(await host.kept())).not.toContain("boom one");
      expect((await host.texts())[2]).toBe(`${IT} ran: boom two`);
      await host.store.append([removed()]);
      await host.looked();
      expect(JSON.stringify(await host.kept())).not.toMatch(/boom|day shift/);
      receiver.answer = () => new Response();
      await host.until("them to be told", () => {
        host.now += 1_000;
        return receiver.taken.length === 3;
      });
      expect(receiver.taken.map(({ body }) => body).join()).not.toContain(
        "boom",
      );
      const log = readFileSync(join(host.home, "logs/server.log"), "utf8");
      expect(log).toContain('"event":"alert"');
      expect(log).not.toMatch(/boom|day shift/);
    });

    describe("hostile words", () => {
      test("a host of any name is missed, and only it", async () => {
        await using host = await AlertHost.start(
          kind,
          "rules: {silent: {when: host_silent, than: 1h, at_most: 100}}",
        );
        const names = [
          "__proto__",
          "constructor",
          "",
          "x".repeat(60_000),
          "\x1b[2J\u202eh",
        ];
        await host.store.append(
          names.map((hostname, n) =>
            start({ hostname, session_id: `bash-20260206-123456-0000000${n}` }),
          ),
        );
        await host.store.append(
          names.map((_, n) =>
            end(1, { session_id: `bash-20260206-123456-0000000${n}` }),
          ),
        );
        host.now += 2 * HOUR_MS;
        await host.looked();
        await host.restart(
          "rules: {silent: {when: host_silent, than: 1h, at_most: 100}}",
        );
        host.now += 2 * HOUR_MS;
        await host.looked();
        expect(await host.kept()).toHaveLength(names.length);
        expect((await host.texts()).join("")).not.toMatch(/[\x00-\x1f\u202e]/);
        expect((await host.texts()).every((text) => text.length < 400)).toBe(
          true,
        );
        const kept = await host.documents.read("state.json");
        expect(kept!.length).toBeLessThan(5_000);
      });

      inFiles(
        "a command whose session's start comes after it is told of with its user",
        async () => {
          const rule = "rules: {root: {when: command, matches: x, user: les}}";
          await using host = await AlertHost.start(kind, rule);
          await host.store.append([command(1, { text: "x" })]);
          await host.looked();
          expect(await host.texts()).toEqual([]);
          await host.store.append([start()]);
          await host.looked();
          expect(await host.texts()).toEqual([`${IT} ran: x`]);
          // One whose start never comes holds up the others no longer than that.
          await host.store.append([
            command(2, {
              text: "x",
              session_id: "gone-20260206-123456-00000009",
            }),
          ]);
          await host.store.append([command(3, { text: "x again" })]);
          host.now += 6_000;
          await host.looked();
          expect(await host.texts()).toEqual([
            `${IT} ran: x`,
            `${IT} ran: x again`,
          ]);
        },
      );

      test("a program that others can write to is not run", async () => {
        await using host = await AlertHost.start(kind, ANY_START);
        const program = join(host.home, "page");
        writeFileSync(program, `#!/bin/sh\n: > ${host.home}/ran\n`, {
          mode: 0o755,
        });
        chmodSync(host.home, 0o755);
        chmodSync(program, 0o777);
        await host.restart(`channels: {page: {command: [${program}]}}
rules: {any: {when: session_start, tell: page}}`);
        await host.store.append([start()]);
        await host.until(
          "an attempt",
          async () => (await host.kept())[0]?.told["page"]!.error,
        );
        expect((await host.kept())[0]!.told["page"]!.error).toContain(
          "others can write",
        );
        expect(existsSync(join(host.home, "ran"))).toBe(false);
        chmodSync(program, 0o755);
        await host.until("it", async () => {
          host.now += 1_000;
          return (await host.kept())[0]!.told["page"]!.state === "told";
        });
      });
    });
  },
);

/** As login(1) writes it; see utmp(5). */
function record(pid: number, line: string, user: string, ms: number): Buffer {
  const short = process.arch === "x64";
  const bytes = Buffer.alloc(short ? 384 : 400);
  bytes.writeInt16LE(7, 0);
  bytes.writeInt32LE(pid, 4);
  bytes.write(line, 8);
  bytes.write(user, 44);
  bytes.write("10.0.0.7", 76);
  if (short) bytes.writeInt32LE(ms / 1_000, 340);
  else bytes.writeBigInt64LE(BigInt(ms / 1_000), 344);
  return bytes;
}
