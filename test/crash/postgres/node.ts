/**
 * One PostgreSQL server of a round: a copy of a prepared cluster in a folder of its own,
 * on a loopback port, as the user postgres. It can be killed, filled, made to follow
 * another one and promoted; what it said is in its log.
 */
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { freePort } from "../../support/free-port.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { needs } from "../../support/tools.ts";

export const DATABASE = "session_buddy";
/** Whom the servers under test connect as: not a superuser, who has connections kept for him. */
export const OWNER = "buddy";
/** Of the clusters whose disk is to be filled: what they are made of, and room for a round. */
const DISK = "192m";
const START_SECONDS = "60";
/** What its folders are called: then comes the pid of whoever made it. */
const FOLDER = "sb-postgres-";

/**
 * Small, for many are made, and a standby takes no fewer connections than what it was
 * copied from; what is committed is never unsynced by kill -9 of a
 * process, only by a machine that goes down, which no round does.
 */
const CONFIGURATION = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
shared_buffers = 16MB
max_connections = 10
superuser_reserved_connections = 3
max_wal_size = 16MB
min_wal_size = 2MB
hot_standby = on
wal_retrieve_retry_interval = 100ms
wal_receiver_timeout = 2s
wal_sender_timeout = 2s
autovacuum_naptime = 5s
log_min_messages = warning
log_line_prefix = '%m [%p] %a '
`;

const asPostgres =
  process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];

/**
 * Whether PostgreSQL is installed; a test without it returns.
 * @throws Error when it is not, and SESSION_BUDDY_REQUIRE_TOOLS=1
 */
export const needsPostgres = (): boolean =>
  programs() !== null || needs("postgres");

/** Where its programs are; null where it is not installed. */
function programs(): string | null {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return null;
  const newest = readdirSync(root)
    .map(Number)
    .sort((a, b) => b - a)[0];
  return newest ? `${root}/${newest}/bin` : null;
}

/** Runs one of PostgreSQL's programs to its end, and returns what it said. */
async function run(
  enter: readonly string[],
  name: string,
  ...args: string[]
): Promise<{ exitCode: number; said: string }> {
  const child = Bun.spawn(
    [...enter, ...asPostgres, `${programs()}/${name}`, ...args],
    { cwd: "/", stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { exitCode, said: stdout + stderr };
}

async function mustRun(...args: Parameters<typeof run>): Promise<void> {
  const { exitCode, said } = await run(...args);
  if (exitCode !== 0) throw new Error(`${args[1]}: ${exitCode} ${said}`);
}

/** A folder that the user postgres may write to. */
function folderOfPostgres(): string {
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`));
  giveAway(folder);
  return folder;
}

/** What runs that are over have left: the runner calls no handler at its exit. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(FOLDER) && name.slice(FOLDER.length);
    if (!pid || existsSync(`/proc/${parseInt(pid)}`)) continue;
    await using _ = new Node(join(tmpdir(), name), 0, null);
  }
}

function giveAway(path: string): void {
  if (asPostgres.length === 0) return;
  // Whoever owns the programs' data on this machine.
  const { uid, gid } = ownerOfPostgres();
  chownSync(path, uid, gid);
}

function ownerOfPostgres(): { uid: number; gid: number } {
  const line = readFileSync("/etc/passwd", "utf8").match(
    /^postgres:[^:]*:(\d+):(\d+):/m,
  );
  if (!line) throw new Error("there is no user postgres");
  return { uid: Number(line[1]), gid: Number(line[2]) };
}

let template: Promise<string> | null = null;

/** A cluster that is stopped, with an empty database in it; each round copies it. */
export const prepared = (): Promise<string> => (template ??= prepare());

async function prepare(): Promise<string> {
  await sweep();
  const folder = folderOfPostgres();
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const data = join(folder, "data");
  const options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "-N"];
  await mustRun(
    [],
    "initdb",
    ...[...options, "--locale=C", "--wal-segsize=1", "-D", data],
  );
  writeFileSync(join(data, "postgresql.auto.conf"), CONFIGURATION);
  const node = new Node(folder, await freePort(), null);
  await node.start();
  await using sql = node.connect("postgres");
  await sql.unsafe(`CREATE ROLE ${OWNER} LOGIN`);
  await sql.unsafe(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`);
  await sql.close();
  await node.stop("fast");
  return folder;
}

export class Node implements AsyncDisposable {
  /** @param folder holds the folder `data` of the cluster */
  constructor(
    /** The user postgres may write to it. */
    readonly folder: string,
    readonly port: number,
    readonly disk: SmallDisk | null,
  ) {}

  /**
   * A copy of the prepared cluster, not started.
   * @param small on a disk that can be filled
   */
  static async copy(small: boolean): Promise<Node> {
    const from = join(await prepared(), "data");
    const folder = folderOfPostgres();
    const disk = small ? new SmallDisk(folder, DISK) : null;
    const node = new Node(folder, await freePort(), disk);
    if (disk) giveAway(node.seen(folder));
    // As its owner, who is not us.
    const { exitCode, stderr } = Bun.spawnSync([
      ...[...(disk?.enter ?? []), ...asPostgres],
      ...["cp", "-a", from, node.data],
    ]);
    if (exitCode !== 0) throw new Error(`cp: ${stderr}`);
    return node;
  }

  private get data(): string {
    return join(this.folder, "data");
  }

  /** A path of the server's, as this process reaches it. */
  private seen(path: string): string {
    return `${this.disk?.root ?? ""}${path}`;
  }

  /** Adds lines to its configuration, for its next start. */
  configure(lines: string): void {
    const path = this.seen(join(this.data, "postgresql.auto.conf"));
    writeFileSync(path, `${lines}\n`, { flag: "a" });
  }

  /** At its next start it follows another one. */
  follow(primary: Node): void {
    writeFileSync(this.seen(join(this.data, "standby.signal")), "");
    giveAway(this.seen(join(this.data, "standby.signal")));
    this.configure(
      `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres application_name=standby'
primary_slot_name = 'standby'`,
    );
  }

  private control(...args: string[]) {
    return run(this.disk?.enter ?? [], "pg_ctl", "-D", this.data, ...args);
  }

  async start(): Promise<void> {
    const { exitCode, said } = await this.tryToStart();
    if (exitCode !== 0)
      throw new Error(`PostgreSQL did not start: ${said}${this.log}`);
  }

  /** Its disk may be full. */
  tryToStart() {
    const log = join(this.folder, "log");
    const how = ["-w", "-t", START_SECONDS, "-l", log];
    return this.control(...how, "-o", `-p ${this.port}`, "start");
  }

  /** @returns false when it did not run */
  async stop(mode: "fast" | "immediate"): Promise<boolean> {
    const how = ["-w", "-t", START_SECONDS, "-m", mode];
    return (await this.control(...how, "stop")).exitCode === 0;
  }

  async runs(): Promise<boolean> {
    return (await this.control("status")).exitCode === 0;
  }

  async promote(): Promise<void> {
    const how = ["-w", "-t", START_SECONDS];
    const { exitCode, said } = await this.control(...how, "promote");
    if (exitCode !== 0) throw new Error(`not promoted: ${said}${this.log}`);
  }

  /** Stops it once this process is gone, for the runner calls no handler at its exit. */
  endWithUs(): void {
    const stop = [`${programs()}/pg_ctl`, "-D", this.data, "-m", "immediate"];
    const waits = `trap "" INT TERM HUP; cat; exec "$@"`;
    Bun.spawn(["sh", "-c", waits, "sh", ...asPostgres, ...stop, "stop"], {
      cwd: "/",
      ...{ stdin: "pipe", stdout: "ignore", stderr: "ignore" },
    }).unref();
  }

  /** The pid of its first process, which all the others come from. */
  get postmaster(): number {
    const path = this.seen(join(this.data, "postmaster.pid"));
    return Number(readFileSync(path, "utf8").split("\n", 1)[0]);
  }

  get log(): string {
    const path = this.seen(join(this.folder, "log"));
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Straight to it, past every relay; to be closed. */
  connect(database = DATABASE, role = "postgres"): SQL {
    const url = `postgres://${role}@127.0.0.1:${this.port}/${database}`;
    return new SQL(url, { max: 1, connectionTimeout: 10 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const path = this.seen(join(this.data, "postmaster.pid"));
    if (statSync(path, { throwIfNoEntry: false })) await this.stop("immediate");
    await this.disk?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
