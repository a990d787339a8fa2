/** Every row of the contract's section on tokens, against real ones. */
import { expect, test } from "bun:test";
import { SignJWT, UnsecuredJWT, generateKeyPair } from "jose";
import { loadSettings } from "../../src/config/load.ts";
import { Failure } from "../../src/model/failure.ts";
import { mintToken } from "../../src/auth/token.ts";
import { Auth, parseBearer } from "../../src/auth/verify.ts";

const SECRET = "correct horse battery staple, 46 bytes in all.";
const NOW = Date.parse("2026-02-06T12:34:56.789Z");
const SECOND = Math.floor(NOW / 1000);

const authWith = (env: Record<string, string>) =>
  Auth.fromSettings(loadSettings({ HOME: "/nowhere" }), env, () => NOW);
const auth = authWith({ SESSION_BUDDY_SECRET: SECRET });

const GOOD = {
  ...{ iss: "mahavishnu", aud: "session-buddy", sub: "les" },
  ...{ iat: SECOND, exp: SECOND + 60 },
};

function sign(
  claims: Record<string, unknown>,
  { alg = "HS256", secret = SECRET } = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg, typ: "JWT" })
    .sign(new TextEncoder().encode(secret));
}

/** Why a token was refused; what everybody is told is the same for all. */
async function reason(token: string): Promise<string> {
  const error = await auth.verify(token).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Failure);
  const { code, message, cause } = error as Failure;
  expect({ code, message }).toEqual({
    code: "unauthorized",
    message: "Authentication failed: invalid or expired token",
  });
  for (const part of token.split(".").filter((p) => p.length > 8))
    expect(Bun.inspect(error)).not.toContain(part);
  return String(cause);
}

test("a good token proves its subject and scope", async () => {
  const verify = async (claims: object) =>
    auth.verify(await sign({ ...GOOD, ...claims }));
  expect(await verify({})).toEqual({
    ...{ subject: "les", scope: "write", ends_ms: GOOD.exp * 1_000 },
  });
  expect(await verify({ scope: "read" })).toMatchObject({ scope: "read" });
  expect(await verify({ scope: "write" })).toMatchObject({ scope: "write" });
  expect(await verify({ scope: "admin", iss: "session-buddy" })).toEqual({
    subject: "les",
    scope: "admin",
    ends_ms: GOOD.exp * 1_000,
  });
  expect(await verify({ host: "web01", user: "les" })).toEqual({
    ...{ subject: "les", scope: "write", host: "web01", user: "les" },
    ends_ms: GOOD.exp * 1_000,
  });
  expect(await verify({ sub: undefined })).toMatchObject({ subject: null });
  expect(await verify({ sub: 7 })).toMatchObject({ subject: null });
  expect(await verify({ aud: ["x", "session-buddy"] })).not.toBeNull();
  expect(await verify({ nbf: SECOND })).not.toBeNull();
  expect(await verify({ exp: SECOND + 1 })).not.toBeNull();
  expect(await verify({ jti: "any", typ: "access" })).not.toBeNull();
  for (const iss of ["session-buddy", "akosha", "dhara", "crackerjack"])
    expect(await verify({ iss })).not.toBeNull();
});

test("the tokens that we make are good ones", async () => {
  const facts = { subject: "les@maha", ttl_seconds: 1, scope: "read" } as const;
  expect(await auth.verify(await mintToken(SECRET, facts, NOW))).toEqual({
    subject: "les@maha",
    scope: "read",
    ends_ms: (SECOND + 1) * 1_000,
  });
});

const BAD: [string, Record<string, unknown>, string][] = [
  ["another audience", { aud: "mahavishnu" }, "aud"],
  ["other audiences", { aud: ["a", "session-buddy2"] }, "aud"],
  ["no audience", { aud: undefined }, "aud"],
  ["an audience that is no text", { aud: { "session-buddy": 1 } }, "aud"],
  ["another issuer", { iss: "evil" }, "iss"],
  ["no issuer", { iss: undefined }, "iss"],
  ["issuers in a list", { iss: ["mahavishnu"] }, "iss"],
  ["no expiry", { exp: undefined }, "exp"],
  ["an expiry that is no number", { exp: String(SECOND + 60) }, "exp"],
  ["an expiry at this second", { exp: SECOND }, "EXPIRED"],
  ["an expiry long ago", { exp: SECOND - 3600 }, "EXPIRED"],
  ["no time of issue", { iat: undefined }, "iat"],
  ["a time of issue that is no number", { iat: "now" }, "i"],
  ["a time of issue in a second", { iat: SECOND + 1 }, "issued in the future"],
  ["a start in a second", { nbf: SECOND + 1 }, "nbf"],
  ["a start that is no number", { nbf: "soon" }, "nbf"],
  ["another scope", { scope: "root" }, "unknown scope"],
  [
    "admin that others minted",
    { scope: "admin", iss: "akosha" },
    "unknown scope",
  ],
  ["a subject that moves a cursor", { sub: "a\x1b[2J" }, "sub is no name"],
  ["a subject of two lines", { sub: "a\nb" }, "sub is no name"],
  ["half a character for a subject", { sub: "a\ud800" }, "sub is no name"],
  ["a very long subject", { sub: "x".repeat(201) }, "sub is no name"],
  ["a host that is no text", { host: 7 }, "host is no name"],
  ["an empty user", { user: "" }, "user is no name"],
  ["two scopes", { scope: "read write" }, "unknown scope"],
  ["no scope at all", { scope: null }, "unknown scope"],
  ["an empty scope", { scope: "" }, "unknown scope"],
];

test.each(BAD)("%s is refused", async (_, claims, why) => {
  expect(await reason(await sign({ ...GOOD, ...claims }))).toContain(why);
});

/** A token of claims as they are written, for JSON can hold what no number is. */
function signText(claims: string): string {
  const part = (text: string) => Buffer.from(text).toString("base64url");
  const signed = `${part('{"alg":"HS256","typ":"JWT"}')}.${part(claims)}`;
  const hmac = new Bun.CryptoHasher("sha256", SECRET).update(signed);
  return `${signed}.${hmac.digest("base64url")}`;
}

test.each(["exp", "iat", "nbf"])(
  "%s is a time, and no other number",
  async (claim) => {
    const written = (value: string) =>
      signText(
        JSON.stringify({ ...GOOD, nbf: SECOND, [claim]: "?" }).replace(
          '"?"',
          value,
        ),
      );
    expect(
      await auth.verify(written(`${claim === "exp" ? SECOND + 60 : SECOND}.0`)),
    ).toMatchObject({ subject: "les" });
    for (const value of [
      ...["1e999", "-1e999", "1e300", "253402300800", "-1", "null", "true"],
      ...['"1e999"', '"Infinity"', '"NaN"', `"${SECOND + 60}"`, "[]", "{}"],
    ])
      expect([value, await reason(written(value))]).toEqual([
        value,
        expect.any(String),
      ]);
    // The last of two counts, and only that.
    const twice = written(`${SECOND},"${claim}":1e999`);
    await reason(twice);
  },
);

test("HS256 by our secret alone is taken", async () => {
  for (const alg of ["HS384", "HS512"]) {
    const secret = SECRET.padEnd(64, "x");
    const long = authWith({ SESSION_BUDDY_SECRET: secret });
    expect(await long.verify(await sign(GOOD, { secret }))).not.toBeNull();
    const other = await sign(GOOD, { alg, secret });
    await expect(long.verify(other)).rejects.toThrow(
      "invalid or expired token",
    );
  }
  const none = new UnsecuredJWT(GOOD).encode();
  expect(await reason(none)).toContain("ERR_J");
  const { privateKey } = await generateKeyPair("RS256");
  const rs256 = await new SignJWT(GOOD)
    .setProtectedHeader({ alg: "RS256" })
    .sign(privateKey);
  expect(await reason(rs256)).toContain("ERR_J");
  const secret = SECRET.toUpperCase();
  const forged = await sign(GOOD, { secret });
  expect(await reason(forged)).toContain("SIGNATURE");
});

test("what was changed or is no token is refused", async () => {
  const token = await sign(GOOD);
  const [head, claims, signature] = token.split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const more = Buffer.from(JSON.stringify({ ...GOOD, sub: "root" }));
  for (const bad of [
    ...["", ".", "..", "a.b.c", "nonsense", "🔑.🔑.🔑", `${head}.${claims}`],
    ...[`${head}.${claims}.`, `${token}.`, ` ${token}`, `${token}x`],
    ...[`${none}.${claims}.${signature}`, `${none}.${claims}.`],
    `${head}.${more.toString("base64url")}.${signature}`,
    `${head}.${claims}.${"A".repeat(9_000)}`,
  ])
    await reason(bad);
});

test("a header is one bearer, or a bad one", () => {
  expect(parseBearer("Bearer a.b.c")).toBe("a.b.c");
  expect(parseBearer("bearer  a.b-_c==")).toBe("a.b-_c==");
  for (const header of [
    ...["", "Bearer", "Bearer ", "a.b.c", "Basic bGVzOng=", "Token a.b.c"],
    ...["Bearer a b", "Bearer a, Bearer b", "Bearer a\nb", "Bearer=a"],
  ])
    expect(() => parseBearer(header)).toThrow(
      "Authentication failed: invalid or expired token",
    );
});

test("a header is asked for once a secret is set", async () => {
  const bearer = `Bearer ${await sign(GOOD)}`;
  expect(auth.required).toBe(true);
  expect(await auth.authenticate(bearer)).toMatchObject({ subject: "les" });
  expect(await auth.authenticate(null)).toBeNull();
  await expect(auth.authenticate("Basic x")).rejects.toThrow(
    "invalid or expired",
  );
  const open = authWith({});
  expect(open.required).toBe(false);
  expect(await open.authenticate("Basic x")).toBeNull();
  expect(await open.verify("a.b.c")).toBeNull();
});

test("a weak secret stops the start", () => {
  expect(() => authWith({ SESSION_BUDDY_SECRET: "changeme" })).toThrow(
    "Secret for 'session-buddy' is too short (8 chars). Minimum 32 characters required.",
  );
});

test("a token outlives nothing: its time is looked at with each call", async () => {
  let now = NOW;
  const settings = loadSettings({ HOME: "/nowhere" });
  const env = { SESSION_BUDDY_SECRET: SECRET };
  const clocked = Auth.fromSettings(settings, env, () => now);
  const token = await sign(GOOD);
  expect(await clocked.verify(token)).not.toBeNull();
  now += 60_000;
  await expect(clocked.verify(token)).rejects.toThrow(
    "invalid or expired token",
  );
});
