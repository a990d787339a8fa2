/** Every row of the contract on who may what: who, by what way, with what token. */
import { expect, test } from "bun:test";
import {
  type Access,
  type TokenIdentity,
  authorizer,
  tokenInvalid,
} from "../../src/auth/authorize.ts";
import { accessOf } from "../../src/server/mcp/json-rpc.ts";
import type { ServedStore } from "../../src/model/store.ts";
import { TOOLS } from "../../src/server/tools/catalog.ts";
import { Tools } from "../../src/server/tools/tools.ts";

const OWNER = 1000;
const ACCESS: Access[] = ["open", "protocol", "read", "record"];

const UIDS = { owner: OWNER, root: 0, other: 1001, unknown: null };
const TOKENS: Record<string, TokenIdentity | null> = {
  none: null,
  read: { subject: "s", scope: "read" },
  review: { subject: "s", scope: "review" },
  write: { subject: "s", scope: "write" },
  admin: { subject: null, scope: "admin" },
  bound: { subject: "s", scope: "write", host: "h", user: "u" },
};

/** The answers to open, protocol, read and record. */
type Answers = readonly [string, string, string, string];
const YES: Answers = ["yes", "yes", "yes", "yes"];
const STRANGER: Answers = ["yes", "another", "another", "another"];
const UNKNOWN: Answers = ["yes", "unknown", "unknown", "unknown"];
const NO_TOKEN: Answers = ["yes", "yes", "required", "required"];
const READER: Answers = ["yes", "yes", "yes", "scope"];

const SENTENCES: Record<string, readonly [code: string, sentence: string]> = {
  another: [
    "permission",
    "this server belongs to another user (uid 1000, you are 1001), and has no secret to ask for",
  ],
  unknown: [
    "permission",
    "this server cannot tell whose program you are, and has no secret to ask for",
  ],
  required: [
    "unauthorized",
    "Authentication failed: Token required (SESSION_BUDDY_SECRET is set)",
  ],
  invalid: ["unauthorized", "Authentication failed: invalid or expired token"],
  scope: [
    "unauthorized",
    "Authentication failed: the token may only read (its scope must be write)",
  ],
};

/** via, secret, who, token: a word, or * for all. */
const ROWS: readonly [string, boolean | "*", string, string, Answers][] = [
  ["socket", "*", "*", "*", YES],
  ["stdio", "*", "*", "*", YES],
  ["tcp", false, "owner", "*", YES],
  ["tcp", false, "root", "*", YES],
  ["tcp", false, "other", "*", STRANGER],
  ["tcp", false, "unknown", "*", UNKNOWN],
  ["tcp", true, "*", "none", NO_TOKEN],
  ["tcp", true, "*", "read", READER],
  ["tcp", true, "*", "review", READER],
  ["tcp", true, "*", "write", YES],
  ["tcp", true, "*", "admin", YES],
  ["tcp", true, "*", "bound", YES],
];

const all = <T extends string>(word: string, names: readonly T[]): T[] =>
  names.filter((name) => word === "*" || word === name);
const WHO = Object.keys(UIDS) as (keyof typeof UIDS)[];

let covered = 0;
for (const [via, secrets, whos, tokens, answers] of ROWS)
  for (const secret of secrets === "*" ? [false, true] : [secrets])
    for (const who of all(whos, WHO))
      for (const token of all(tokens, Object.keys(TOKENS))) {
        covered++;
        test(`over ${via}, ${secret ? "with" : "without"} a secret, ${who} with token ${token}`, () => {
          const authorize = authorizer({ uid: OWNER, secret });
          const peer = { via: via as "tcp", uid: UIDS[who] };
          const said = ACCESS.map((access) => {
            const refused = authorize(peer, TOKENS[token]!, access);
            return refused && [refused.code, refused.sentence];
          });
          const expected: unknown[] = answers.map(
            (word) => SENTENCES[word] ?? null,
          );
          expect<unknown[]>(said).toEqual(expected);
        });
      }

test("the table has every way, secret, peer and token once", () => {
  expect(covered).toBe(3 * 2 * WHO.length * Object.keys(TOKENS).length);
});

/** What a tool that records says, by the tokens of header and argument. */
const ARGUMENTS: Record<string, Record<string, string>> = {
  none: { none: "required", bad: "invalid", read: "scope", write: "yes" },
  read: { none: "scope", bad: "invalid", read: "scope", write: "yes" },
  write: { none: "yes", bad: "yes", read: "yes", write: "yes" },
};

for (const [header, answers] of Object.entries(ARGUMENTS))
  for (const [argument, answer] of Object.entries(answers))
    test(`a tool that records, header ${header}, argument ${argument}`, async () => {
      const tools = new Tools({} as ServedStore, {
        auth: {
          authorize: authorizer({ uid: OWNER, secret: true }),
          verify: async (token) => {
            if (token === "bad") throw tokenInvalid("it is bad");
            return TOKENS[token]!;
          },
        },
        ...{ spool: "/nowhere", lease_seconds: 1 },
        health: () => ({ healthy: true, checks: {} }),
        alerts: async () => [],
      });
      const caller = {
        ...({ via: "tcp", uid: 1001, address: null, loopback: true } as const),
        ...{ token: TOKENS[header]!, request_id: "r" },
      };
      // Of no id the store is never asked.
      const args = { session_id: "nobody", timestamp: "2026-02-06T13:00:00Z" };
      const said = await tools.call(
        "track_session_end",
        { ...args, token: argument === "none" ? null : argument },
        caller,
      );
      const [, sentence] = SENTENCES[answer] ?? [];
      expect(said).toEqual(
        sentence === undefined
          ? { session_id: "nobody", status: "not_found", error: null }
          : { session_id: "nobody", status: "error", error: `❌ ${sentence}` },
      );
    });

test("root's own server is root's alone", () => {
  const authorize = authorizer({ uid: 0, secret: false });
  const by = (uid: number) =>
    authorize({ via: "tcp", uid }, null, "protocol")?.code ?? "yes";
  expect([by(0), by(OWNER)]).toEqual(["yes", "permission"]);
});

test("each message asks for one of these", () => {
  const call = (name: unknown) =>
    accessOf({ method: "tools/call", params: { name } });
  for (const method of [
    ...["initialize", "notifications/initialized", "notifications/cancelled"],
    ...["ping", "server/discover", "tools/list", "resources/list"],
    ...["resources/templates/list", "prompts/list"],
  ])
    expect([method, accessOf({ method })]).toEqual([method, "protocol"]);
  for (const method of [
    ...["resources/read", "completion/complete", "prompts/get", "tools/call"],
    ...["tools/none", "", "Initialize", "constructor"],
  ])
    expect([method, accessOf({ method })]).toEqual([method, "read"]);
  for (const name of ["none", "constructor", "__proto__", 7, null, ["ping"]])
    expect(call(name)).toBe("read");
  // Of the last no text can be made.
  for (const method of [undefined, null, 7, ["ping"], { toString: null }])
    expect(accessOf({ method })).toBe("read");
  expect(
    Object.fromEntries(TOOLS.map(({ name }) => [name, call(name)])),
  ).toEqual({
    health_check: "open",
    track_session_start: "record",
    track_session_end: "record",
    track_events: "record",
    track_channel_session: "record",
    list_sessions: "read",
    get_session: "read",
    list_commands: "read",
    who_at: "read",
    list_events: "read",
    search: "read",
    session_stats: "read",
    analytics: "read",
    query_sessions: "read",
    list_alerts: "read",
    annotate_session: "record",
    get_channel_sessions: "read",
  });
});
