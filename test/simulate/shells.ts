/**
 * The shells of a simulation and the hosts they run on, in a process of its own. A host
 * keeps what its shells record until a server has acknowledged it, and sends it with
 * the signs of life of all its shells at each heartbeat and whenever a shell begins or
 * ends, as the drain of a real host does.
 *
 *   bun test/simulate/shells.ts PLAN
 *
 * PLAN is a `Plan` as JSON. It prints one line of JSON a second, a `Heard`; a line on
 * stdin ends it: what is left is delivered, and its last line has `done`.
 */
import { sessionIdOf } from "../../src/model/id.ts";
import { Random } from "../support/random.ts";

export interface Plan {
  urls: string[];
  hosts: number;
  shells: number;
  heartbeat_ms: number;
  /** Means: of a shell's life, and from one command of it to the next. */
  life_ms: number;
  command_ms: number;
  /** Within this all the shells begin. */
  ramp_ms: number;
  /** How long a host whose call failed waits at most. */
  longest_pause_ms: number;
  seed: number;
}

/** Since the line before, but for what stands. */
export interface Heard {
  /** How long that was: whoever reads may be late. */
  seconds: number;
  calls: number;
  /** Acknowledged for the first time. */
  events: number;
  heartbeats: number;
  starts: number;
  ends: number;
  /** Answered with a refusal: 503 and others. */
  refused: number;
  /** Not answered at all. */
  unanswered: number;
  /** Sent again after one of these. */
  again: number;
  /** Of each call, milliseconds. */
  took_ms: number[];
  /** Events and hosts that wait now. */
  waiting_events: number;
  waiting_hosts: number;
  /** What a server said last that was no answer; it goes on. */
  said: string | null;
  /** Shells that live now. */
  alive: number;
  /** Everything is delivered: of the whole run. */
  done?: { sessions: number; events: number };
}

const TICK_MS = 100;
const MOST_EVENTS = 1_000;
const FIRST_PAUSE_MS = 500;
const ANSWER_MS = 60_000;

const plan = JSON.parse(process.argv[2]!) as Plan;
const random = new Random(plan.seed);
const after = (mean_ms: number) => -Math.log(1 - random.next()) * mean_ms;

let heard = nothing();
let total = { sessions: 0, events: 0 };
let ending = false;

function nothing(): Heard {
  return {
    ...{ seconds: 0, calls: 0, events: 0, heartbeats: 0, starts: 0, ends: 0 },
    ...{ refused: 0, unanswered: 0, again: 0, took_ms: [], said: null },
    ...{ waiting_events: 0, waiting_hosts: 0, alive: 0 },
  };
}

let made = 0;
const tail = crypto.randomUUID().slice(14);
/** Cheap: random once, then counted; what ids of sessions are made of differs first. */
function newId(): string {
  const n = (++made).toString(16).padStart(12, "0");
  return `${n.slice(4)}-${n.slice(0, 4)}-${tail}`;
}

class Shell {
  session_id = "";
  private pid = 0;
  private commands = 0;
  private began_us = 0;
  ends_ms = 0;

  constructor(readonly host: Host) {}

  private line(kind: string, time: string, own: string, id = newId()): void {
    this.host.waiting.push(
      `{"event_version":"1.0","event_id":"${id}","session_id":"${this.session_id}","timestamp":"${time}","event_type":"${kind}",${own}}`,
    );
  }

  begin(now: number): void {
    const time = new Date(now);
    const event_id = newId();
    this.session_id = sessionIdOf("bash", time, event_id);
    this.pid = 1_000 + (made % 60_000);
    this.commands = 0;
    this.began_us = now * 1_000;
    this.ends_ms = now + after(plan.life_ms);
    const { name } = this.host;
    this.line(
      "session_start",
      time.toISOString(),
      `"session_type":"admin_shell","component_name":"bash","shell_type":"bash","hostname":"${name}","pid":${this.pid},"ppid":1,"start_ticks":1,"user":{"username":"user${made % 40}","home":"/root"},"environment":{"python_version":null,"platform":"Linux","cwd":"/srv"},"metadata":{}`,
      event_id,
    );
    this.line(
      "process",
      time.toISOString(),
      `"pid":${this.pid + 1},"ppid":${this.pid},"start_ticks":2,"pid_namespace":"pid:[1]","boot_id":"${name}"`,
    );
    this.host.shells.add(this);
    heard.starts++;
    total.sessions++;
  }

  command(now: number): void {
    const time = new Date(now).toISOString();
    const of = `"seq":${++this.commands},"pid":${this.pid + 1},"shell_started_us":${this.began_us},"cwd":"/srv"`;
    const text = `kubectl get pods -n team-${made % 500} --context ${this.host.name}`;
    this.line("command_start", time, `${of},"text":"${text}","mark":null`);
    this.line(
      "command_end",
      time,
      `${of},"exit_code":${made % 9 === 0 ? 1 : 0},"pipe_status":null,"duration_ms":${made % 900}`,
    );
  }

  end(now: number): void {
    this.line(
      "session_end",
      new Date(now).toISOString(),
      `"end_source":"observed","exit_code":0,"signal":null,"metadata":{}`,
    );
    this.host.shells.delete(this);
    heard.ends++;
  }
}

class Host {
  readonly shells = new Set<Shell>();
  /** Events that no server has acknowledged, as JSON; those that were sent last are first. */
  waiting: string[] = [];
  private sending = false;
  private wanted = false;
  private failures = 0;
  private resting_until = 0;
  private server: number;

  constructor(
    readonly name: string,
    number: number,
  ) {
    this.server = number % plan.urls.length;
  }

  /** One at a time; who wants another meanwhile gets one after it. */
  async drain(): Promise<void> {
    this.wanted = true;
    if (this.sending || performance.now() < this.resting_until) return;
    this.sending = true;
    try {
      while (this.wanted && performance.now() >= this.resting_until) {
        this.wanted = false;
        await this.send();
      }
    } finally {
      this.sending = false;
    }
  }

  private async send(): Promise<void> {
    const now = new Date().toISOString();
    const signs = [...this.shells].map(
      ({ session_id }) =>
        `{"event_version":"1.0","event_id":"${newId()}","session_id":"${session_id}","timestamp":"${now}","event_type":"heartbeat"}`,
    );
    do {
      const events = this.waiting.slice(0, MOST_EVENTS);
      const room = MOST_EVENTS - events.length;
      const beats = signs.splice(0, room);
      if (!(await this.call([...events, ...beats], now))) return this.rest();
      this.failures = 0;
      this.waiting.splice(0, events.length);
      heard.events += events.length;
      total.events += events.length;
      heard.heartbeats += beats.length;
    } while (this.waiting.length > 0 || signs.length > 0);
  }

  /** @returns false when nothing of it was acknowledged */
  private async call(lines: string[], sent_at: string): Promise<boolean> {
    if (lines.length === 0) return true;
    if (this.failures > 0) heard.again++;
    heard.calls++;
    const asked = performance.now();
    try {
      const response = await fetch(plan.urls[this.server]!, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"track_events","arguments":{"sent_at":"${sent_at}","events":[${lines.join(",")}]}}}`,
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const answer = await response.text();
      heard.took_ms.push(performance.now() - asked);
      const good = response.ok && answer.includes('"results":[');
      if (good && !answer.includes('"status":"rejected"')) return true;
      heard.refused++;
      heard.said = `${response.status} ${answer.slice(0, 300)}`;
    } catch (error) {
      heard.unanswered++;
      heard.said = String(error);
    }
    return false;
  }

  /** Then with another server, as a balancer would have it. */
  private rest(): void {
    this.server = (this.server + 1) % plan.urls.length;
    const pause = Math.min(
      FIRST_PAUSE_MS * 2 ** this.failures++,
      plan.longest_pause_ms,
    );
    const pause_ms = pause * (0.5 + random.next());
    this.resting_until = performance.now() + pause_ms;
    setTimeout(() => void this.drain(), pause_ms + 1);
  }
}

const hosts = Array.from(
  { length: plan.hosts },
  (_, n) => new Host(`host-${n}`, n),
);
/** By tick, what is to be done then. */
const agenda = new Map<number, (() => void)[]>();
const began = performance.now();

function at(ms: number, work: () => void): void {
  const tick = Math.max(current + 1, Math.ceil(ms / TICK_MS));
  const all = agenda.get(tick);
  if (all) all.push(work);
  else agenda.set(tick, [work]);
}

let current = -1;

function live(shell: Shell, ms: number): void {
  shell.begin(Date.now());
  void shell.host.drain();
  const next = (from_ms: number) => {
    const when = from_ms + after(plan.command_ms);
    at(when, () => {
      const now = Date.now();
      if (now < shell.ends_ms) {
        shell.command(now);
        return next(when);
      }
      shell.end(now);
      void shell.host.drain();
      // Another one begins in its place.
      live(new Shell(shell.host), when);
    });
  };
  next(ms);
}

function beat(host: Host, ms: number): void {
  at(ms, () => {
    void host.drain();
    beat(host, ms + plan.heartbeat_ms);
  });
}

for (let n = 0; n < plan.shells; n++) {
  const ms = random.next() * plan.ramp_ms;
  at(ms, () => live(new Shell(hosts[n % hosts.length]!), ms));
}
for (const host of hosts) beat(host, random.next() * plan.heartbeat_ms);

const ticking = setInterval(() => {
  const until = Math.floor((performance.now() - began) / TICK_MS);
  while (current < until) {
    current++;
    const work = agenda.get(current) ?? [];
    agenda.delete(current);
    for (const one of work) one();
  }
}, TICK_MS / 2);

let told_ms = performance.now();

function tell(done?: Heard["done"]): void {
  const now = heard;
  heard = nothing();
  const now_ms = performance.now();
  now.seconds = (now_ms - told_ms) / 1_000;
  told_ms = now_ms;
  for (const host of hosts) {
    now.waiting_events += host.waiting.length;
    now.waiting_hosts += Number(host.waiting.length > 0);
    now.alive += host.shells.size;
  }
  console.log(JSON.stringify({ ...now, ...(done && { done }) }));
}

const telling = setInterval(tell, 1_000);
process.stdin.once("data", () => void finish());

/** Nobody types any more; what is left is delivered. */
async function finish(): Promise<void> {
  if (ending) return;
  ending = true;
  clearInterval(ticking);
  agenda.clear();
  while (hosts.some(({ waiting }) => waiting.length > 0)) {
    for (const host of hosts) if (host.waiting.length > 0) void host.drain();
    await Bun.sleep(TICK_MS);
  }
  clearInterval(telling);
  tell(total);
  process.exit(0);
}
