/** Tokens that we make and send, and the secret that signs them. */
import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { Failure } from "../../src/model/failure.ts";
import { readSecret } from "../../src/auth/secret.ts";
import {
  checkEndpoint,
  clientToken,
  mintToken,
  ownSubject,
} from "../../src/auth/token.ts";

const SECRET = "correct horse battery staple, 46 bytes in all.";
const OTHER = "another secret that is long enough to be used.";
const folder = mkdtempSync(join(tmpdir(), "sb-secret-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What is said, in full; fails when nothing is. */
function refusal(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).exitStatus).toBe(5);
    return (error as Failure).message;
  }
  throw new Error("it was not refused");
}

test("a token is a JWT like any other", async () => {
  const issued_at = Date.now() - 500;
  const facts = {
    subject: "les@maha",
    ttl_seconds: 60,
    scope: "read",
  } as const;
  const token = await mintToken(SECRET, facts, issued_at);
  const { payload } = await jwtVerify(token, new TextEncoder().encode(SECRET), {
    algorithms: ["HS256"],
  });
  const iat = Math.floor(issued_at / 1000);
  expect(payload).toEqual({
    ...{ iss: "session-buddy", aud: "session-buddy", sub: "les@maha" },
    ...{ iat, exp: iat + 60, scope: "read", jti: payload.jti! },
  });
  expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT" });
  const again = await mintToken(SECRET, facts, issued_at);
  expect(again).not.toBe(token);
});

test("a secret and a subject of any letters sign alike", async () => {
  const secret = "ein Geheimnis mit Umlauten: äöüß, und 日本語";
  const facts = {
    subject: "lés@日本",
    ttl_seconds: 60,
    scope: "write",
  } as const;
  const token = await mintToken(secret, facts, Date.now());
  expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  const key = new TextEncoder().encode(secret);
  const { payload } = await jwtVerify(token, key);
  expect(payload.sub).toBe("lés@日本");
});

const from = (env: Record<string, string>, file: string | null = null) =>
  readSecret(file, env);

test("the secret is ours, else the family's, else the file's", () => {
  const file = join(folder, "secret");
  writeFileSync(file, `${SECRET}\r\n\n`, { mode: 0o600 });
  const both = { SESSION_BUDDY_SECRET: SECRET, BODAI_SHARED_SECRET: OTHER };
  expect(from(both, file)).toBe(SECRET);
  expect(from({ BODAI_SHARED_SECRET: OTHER }, file)).toBe(OTHER);
  expect(from({ SESSION_BUDDY_SECRET: "" }, file)).toBe(SECRET);
  expect(from({})).toBeNull();
  expect(from({ SESSION_BUDDY_SECRET: "" })).toBeNull();
});

test.each([
  ["hunter2", 7],
  ["changeme", 8],
  ["x".repeat(31), 31],
  ["ä".repeat(31), 31],
  ["🔑".repeat(31), 31],
])("the secret %s is too short", (secret, characters) => {
  const sentence = `Secret for 'session-buddy' is too short (${characters} chars). Minimum 32 characters required.`;
  for (const name of ["SESSION_BUDDY_SECRET", "BODAI_SHARED_SECRET"]) {
    const said = refusal(() => from({ [name]: secret }));
    expect(said).toStartWith(`${sentence} (make one, for instance by: openssl`);
    expect(said).not.toContain(secret);
  }
  const file = join(folder, "short");
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  expect(refusal(() => from({}, file))).toStartWith(sentence);
});

test("32 characters are a secret, whatever their bytes", () => {
  for (const letter of ["x", "ä", "🔑"]) {
    const secret = letter.repeat(32);
    expect(from({ SESSION_BUDDY_SECRET: secret })).toBe(secret);
  }
});

test.each([
  ...["changeme", "secret", "test", "test-secret", "change-me"],
  ...["placeholder", "example", "none", "null", "Change-Me", ""],
])("'%s' is a placeholder, blanks around it or not", (word) => {
  const padded = ` ${word} `.padEnd(40, " \t");
  expect(refusal(() => from({ SESSION_BUDDY_SECRET: padded }))).toStartWith(
    "Secret for 'session-buddy' is a placeholder (make one",
  );
});

test("a file that others can touch is no secret", () => {
  const file = join(folder, "file");
  const said = (path = file) => refusal(() => from({}, path));
  writeFileSync(file, SECRET);
  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    chmodSync(file, mode);
    expect(said()).toContain(
      `'${file}' can be read or written by others (try: `,
    );
  }
  chmodSync(file, 0o400);
  expect(from({}, file)).toBe(SECRET);
  const link = join(folder, "link");
  symlinkSync(file, link);
  expect(said(link)).toContain(`'${link}' is a link (name the file itself)`);
  const inside = join(folder, "folder");
  mkdirSync(inside);
  expect(said(inside)).toContain("is not a regular file");
  expect(said(join(folder, "none"))).toContain("cannot be read: ENOENT");
  writeFileSync(join(folder, "bytes"), new Uint8Array(40).fill(0xff), {
    mode: 0o600,
  });
  expect(said(join(folder, "bytes"))).toContain("is no text");
  writeFileSync(join(folder, "big"), "x".repeat(4_097), { mode: 0o600 });
  expect(said(join(folder, "big"))).toContain("is larger than 4096 bytes");
  const pipe = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", "-m", "600", pipe]);
  expect(said(pipe)).toContain("is not a regular file");
});

test.skipIf(process.geteuid!() !== 0)(
  "another user's file is no secret",
  () => {
    const file = join(folder, "theirs");
    writeFileSync(file, SECRET, { mode: 0o600 });
    chownSync(file, 54321, 54321);
    expect(refusal(() => from({}, file))).toContain("belongs to uid 54321");
  },
);

const settings = { config: { auth: { secret_file: null, token_file: null } } };

test("our own clients send the token they have, else a short one", async () => {
  expect(await clientToken(settings, {})).toBeNull();
  const env = { SESSION_BUDDY_SECRET: SECRET };
  const given = await mintToken(
    OTHER,
    { subject: "x", ttl_seconds: 9, scope: "read" },
    Date.now(),
  );
  const sent = { ...env, SESSION_BUDDY_TOKEN: given };
  expect(await clientToken(settings, sent)).toBe(given);
  const unset = { ...env, SESSION_BUDDY_TOKEN: "" };
  const made = await clientToken(settings, unset);
  const key = new TextEncoder().encode(SECRET);
  const { payload } = await jwtVerify(made!, key);
  const now = Date.now() / 1000;
  expect(payload).toMatchObject({ sub: ownSubject(), scope: "write" });
  expect(payload.exp! - now).toBeWithin(295, 301);
  // A server whose clock is behind takes it too.
  expect(now - payload.iat!).toBeWithin(55, 65);
});

test("what is no token is not sent, and not shown", async () => {
  for (const token of ["two words", "a\nb: c", "ünïcode"]) {
    const sent = clientToken(settings, { SESSION_BUDDY_TOKEN: token });
    const failure: unknown = await sent.catch((error: unknown) => error);
    const said = refusal(() => {
      throw failure;
    });
    expect(said).toStartWith("SESSION_BUDDY_TOKEN is not a token (set it to");
    expect(said).not.toContain(token);
  }
});

test("a bearer goes over plain http to loopback alone", () => {
  for (const url of [
    "http://127.0.0.1:8678/mcp",
    "http://127.8.8.8/mcp",
    "http://[::1]:8678/mcp",
    "http://LOCALHOST/mcp",
    "https://sessions.example.org/mcp",
  ])
    checkEndpoint(url, "token");
  for (const host of [
    ...["10.0.0.1:8678", "sessions.example.org", "127.0.0.1.example.org"],
    ...["localhost.example.org", "[::2]:8678", "0.0.0.0:8678"],
  ]) {
    checkEndpoint(`http://${host}/mcp`, null);
    const said = refusal(() => checkEndpoint(`http://${host}/mcp`, "t0ken"));
    expect(said).toStartWith(`the token would go to '${host}' over plain http`);
    expect(said).not.toContain("t0ken");
  }
});
