/** A database whose certificate is not the one of its name is not talked to. */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DATABASE,
  Node,
  OWNER,
  needsPostgres,
} from "../crash/postgres/node.ts";
import { expectFailure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

/** An authority, and what it has signed for a name. */
function authority(folder: string, name: string, host: string) {
  const at = (suffix: string) => join(folder, `${name}.${suffix}`);
  const openssl = (...words: string[]) => {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words]);
    if (exitCode !== 0) throw new Error(`openssl: ${stderr}`);
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    ...["req", "-x509", ...ec, "-keyout", at("ca.key"), "-out", at("ca.pem")],
    ...["-days", "2", "-subj", `/CN=${name}`],
  );
  openssl(
    ...["req", "-x509", ...ec, "-keyout", at("key"), "-out", at("pem")],
    ...["-days", "2", "-subj", `/CN=${host}`, "-CA", at("ca.pem")],
    ...["-CAkey", at("ca.key"), "-addext", `subjectAltName=DNS:${host}`],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  );
  return { ca: at("ca.pem"), certificate: at("pem"), key: at("key") };
}

test("verify-full wants the certificate of that name, by that authority", async () => {
  if (!needsPostgres() || !needs("openssl")) return;
  using sandbox = new Sandbox();
  const folder = mkdtempSync(join(tmpdir(), "sb-tls-"));
  chmodSync(folder, 0o755);
  await using node = await Node.copy(false);
  try {
    const far = authority(folder, "far", "db.example.org");
    const near = authority(folder, "near", "localhost");
    // A server reads its key by itself, and it is its own.
    const { uid, gid } = statSync("/var/lib/postgresql");
    for (const { key } of [far, near])
      if (process.getuid!() === 0) chownSync(key, uid, gid);
    const begin = async ({ certificate, key }: typeof far) => {
      if (await node.runs()) await node.stop("fast");
      node.configure(
        `max_connections = 50\nssl = on\nssl_cert_file = '${certificate}'\nssl_key_file = '${key}'`,
      );
      await node.start();
    };
    const asked = (parameters: string) =>
      sandbox.run(["list-sessions"], {
        env: {
          SESSION_BUDDY_STORE_URL: `postgres://${OWNER}@localhost:${node.port}/${DATABASE}?${parameters}`,
        },
      });
    const full = `sslmode=verify-full&sslrootcert=`;

    await node.start();
    expectFailure(
      await asked("sslmode=require"),
      5,
      /speaks no TLS .*ssl = on/,
    );

    await begin(near);
    expect(await asked(full + near.ca)).toMatchObject({ exitCode: 0 });
    expectFailure(
      await asked(full + far.ca),
      5,
      /certificate of .* is not trusted/,
    );
    expectFailure(
      await asked("sslmode=verify-full"),
      5,
      /certificate of .* is not trusted/,
    );

    await begin(far);
    expectFailure(
      await asked(full + far.ca),
      5,
      /certificate of .* is not trusted/,
    );
    for (const lesser of [
      `sslmode=verify-ca&sslrootcert=${far.ca}`,
      "sslmode=require",
    ])
      expect(await asked(lesser)).toMatchObject({ exitCode: 0 });
    expectFailure(
      await asked(`sslmode=verify-ca&sslrootcert=${near.ca}`),
      5,
      /certificate of .* is not trusted/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 400_000);
