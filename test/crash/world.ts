/**
 * The place of one round: a host, its spool and its processes, and who lives there.
 * It may be on a disk of its own, small enough to be filled.
 */
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../src/model/event.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { FileFacts } from "../../src/spool/file-facts.ts";
import { isSpoolFile, spoolName } from "../../src/spool/folder.ts";
import { SUFFIXES } from "../../src/store/database-files.ts";
import { query } from "../support/database.ts";
import type { Random } from "../support/random.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { Books } from "./books.ts";
import {
  type Faults,
  type Injector,
  faultsIn,
  randomFaults,
} from "./inject.ts";
import { Process, type Role } from "./process.ts";
import { SmallDisk } from "../support/small-disk.ts";

/** What goes wrong in a round besides kills. */
export type Trouble = "none" | "calls" | "disk" | "clock";

/** An event as a database has it. */
export interface StoredRow {
  event_id: string;
  session_id: string;
  /** JSON. */
  payload: string;
  /** JSON; null: made by the store itself. */
  provenance: string | null;
}

export class World extends Books {
  readonly sandbox = new Sandbox();
  /** Of the server, when it is another host's. */
  readonly far: Sandbox | null;
  /** Pipes and logs, on a disk that does not fail. */
  readonly side = mkdtempSync(join(tmpdir(), "sb-side-"));
  /** People at terminals of their own. */
  readonly typists = new Set<AsyncDisposable>();
  readonly disk: SmallDisk | null;
  readonly spool: string;
  endpoint: string | null = null;
  /** Faults and wrong clocks come to processes that start now. */
  private troubled = true;
  private readonly faults: Faults;
  private readonly faultLog: string;
  /** Up to where each file was read, by its name. */
  private readonly read = new Map<string, number>();
  private readonly processes = new Set<Process>();

  constructor(
    readonly random: Random,
    private readonly injector: Injector | null,
    readonly trouble: Trouble,
    distant: boolean,
    shared?: Books,
  ) {
    super(shared);
    this.far = distant ? new Sandbox() : null;
    this.disk = trouble === "disk" ? new SmallDisk(this.sandbox.home) : null;
    this.faults = randomFaults(random);
    this.faultLog = join(this.side, "faults");
    writeFileSync(this.faultLog, "");
    if (trouble === "calls") this.tell(`faults ${JSON.stringify(this.faults)}`);
    this.spool = ensureSpool(this.seenFromHere(this.sandbox.data));
  }

  /** A path of the round's processes, as this process reaches it. */
  seenFromHere(path: string): string {
    return `${this.disk?.root ?? ""}${path}`;
  }

  /** Starts one of ours, with its share of the round's trouble. */
  spawn(role: Role, args: string[], far = false): Process {
    const { argv, env, how } = this.prepare(role, args, far);
    const started = new Process(
      role,
      { argv, env, cwd: "/", judged: role !== "wrapper" },
      (what) => this.blame(what),
    );
    this.tell(`${role} ${started.pid}: ${args.join(" ")} ${how.join(", ")}`);
    this.count(role);
    this.processes.add(started);
    return started;
  }

  /** How one of ours is to be started. */
  prepare(
    role: Role,
    args: string[],
    far = false,
  ): { argv: string[]; env: Record<string, string>; how: string[] } {
    const { random, injector } = this;
    const sandbox = far ? (this.far ?? this.sandbox) : this.sandbox;
    const env = { ...sandbox.env };
    const how: string[] = [];
    let argv = [BINARY, ...args];
    const marked = (what: string) => (how.push(what), this.count(what));
    if (this.endpoint && role !== "server")
      env["SESSION_BUDDY_MCP_ENDPOINT"] = this.endpoint;
    if (this.troubled && role !== "server" && random.chance(0.12)) {
      Object.assign(env, NO_JIT);
      marked("without FFI");
    }
    const troubled = this.troubled && injector && random.chance(0.5);
    if (troubled && this.trouble === "calls") {
      const below = join(sandbox.home, ".local");
      argv = [
        ...injector.disk(random, this.faults, below, this.faultLog),
        ...argv,
      ];
      marked("calls that fail");
    }
    if (troubled && this.trouble === "clock") {
      Object.assign(env, injector.clock(random));
      marked("wrong clock");
    }
    if (this.disk) argv = [...this.disk.enter, ...argv];
    return { argv, env, how };
  }

  /** From now on nothing goes wrong by itself any more. */
  calm(): void {
    this.troubled = false;
  }

  /** The same for as long as something takes. */
  async calmly<T>(work: () => Promise<T>): Promise<T> {
    this.troubled = false;
    try {
      return await work();
    } finally {
      this.troubled = true;
    }
  }

  /** Every file of commands, by another name: who takes it away does not take that. */
  get kept(): string {
    return `${this.seenFromHere(this.sandbox.home)}/kept`;
  }
  private readonly linked = new Set<number>();

  private keep(folder: string): void {
    for (const name of namesIn(folder)) {
      if (!spoolName(name).endsWith(".commands")) continue;
      const from = join(folder, name);
      const ino = statSync(from, { throwIfNoEntry: false })?.ino;
      if (ino === undefined || this.linked.has(ino)) continue;
      try {
        mkdirSync(`${this.kept}/${ino}`, { recursive: true });
        linkSync(from, `${this.kept}/${ino}/${spoolName(name)}`);
        this.linked.add(ino);
      } catch (error) {
        // Gone meanwhile, or the disk is full: the next look may find it.
        this.tell(`not kept: ${error}`);
      }
    }
  }

  /** Reads every whole line that has come to the spool since the last look. */
  look(): void {
    const { spool, kept } = this;
    const folders = [spool, `${spool}/done`, `${spool}.away`];
    for (const folder of [...folders, `${spool}.away/done`]) this.keep(folder);
    for (const ino of this.linked)
      for (const name of spoolFiles(`${kept}/${ino}`))
        this.rememberCommands(`${kept}/${ino}/${name}`, name);
    for (const folder of folders)
      for (const name of spoolFiles(folder)) this.lookInto(folder, name);
  }

  private lookInto(folder: string, name: string): void {
    const path = join(folder, name);
    const from = this.read.get(name) ?? 0;
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= from) return;
    const bytes = contentOf(path).subarray(from);
    if (spoolName(name).endsWith(".commands"))
      this.rememberCommands(path, name);
    // A last line without its newline counts when it is whole.
    else
      for (const line of bytes.toString("utf8").split("\n"))
        this.remember(line);
    this.read.set(name, from + bytes.lastIndexOf(10) + 1);
  }

  /** Read from its beginning each time, by the drain's own rules: a header counts on. */
  private rememberCommands(path: string, name: string): void {
    const { form } = new FileFacts(name);
    let offset = 0;
    for (const line of contentOf(path).toString("latin1").split("\n")) {
      const bytes = Buffer.from(line, "latin1");
      try {
        const event = bytes.length > 0 && form.parse(bytes, offset);
        // Of the same one twice the first counts.
        if (event && !this.seen.has(event.event_id))
          this.seen.set(event.event_id, event);
      } catch {
        // Torn.
      }
      offset += bytes.length + 1;
    }
  }

  private remember(line: string): void {
    try {
      const event = JSON.parse(line) as Event;
      this.seen.set(event.event_id, event);
    } catch {
      // Torn: no head of an event's line is JSON.
    }
  }

  /** All events, in the order of their arrival; nobody else has the database open. */
  stored(): Promise<StoredRow[]> {
    return query<StoredRow>(
      this.database(),
      "SELECT event_id::VARCHAR AS event_id, session_id, payload, provenance FROM events ORDER BY seq",
    );
  }

  /** The database that everything is to be in, closed, as this process can open it. */
  private database(): string {
    const path = (this.far ?? this.sandbox).database;
    if (!this.disk || this.far) return path;
    const copy = join(this.side, "sessions.duckdb");
    for (const suffix of SUFFIXES)
      if (statSync(this.disk.root + path + suffix, { throwIfNoEntry: false }))
        copyFileSync(this.disk.root + path + suffix, copy + suffix);
    return copy;
  }

  /** Ends whatever is left, and counts the faults. */
  async end(): Promise<void> {
    for (const process of this.processes) process.kill();
    for (const typist of this.typists) await typist[Symbol.asyncDispose]();
    await Promise.all(
      [...this.processes].map((process) => process.child.exited),
    );
    for (const [name, n] of Object.entries(faultsIn(this.faultLog)))
      this.count(name, n);
    await this.disk?.[Symbol.asyncDispose]();
  }

  remove(): void {
    this.sandbox[Symbol.dispose]();
    this.far?.[Symbol.dispose]();
    rmSync(this.side, { recursive: true, force: true });
  }
}

export const spoolFiles = (folder: string): string[] =>
  namesIn(folder).filter(isSpoolFile);

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not made yet, or moved away.
    return [];
  }
}

/** Empty when it is not, or no more, there. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
