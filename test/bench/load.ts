/**
 * Load on a server, from a process of its own: so many clients that each send
 * their next call once the last one is answered.
 *
 *   bun test/bench/load.ts URL CLIENTS EVENTS SECONDS [CALLS]
 *
 * With 0 events a call is a `track_session_start`, else a `track_events` of so
 * many; it ends when the seconds are over and so many calls are made. It prints one line of JSON, a `Load`.
 */
import { quantile } from "./figures.ts";

export interface Load {
  calls: number;
  seconds: number;
  events_per_second: number;
  calls_per_second: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
}

const [url, clients, events, seconds, calls = 0] = process.argv.slice(2) as [
  string,
  ...string[],
];
const perCall = Number(events);
let made = 0;

/** Cheap and new: random once, then counted. */
const random = crypto.randomUUID().slice(14);
function newId(): string {
  const n = (++made).toString(16).padStart(12, "0");
  return `${n.slice(4)}-${n.slice(0, 4)}-${random}`;
}

/** Whole lives of sessions as they come now, an event after the other, as JSON. */
function* lives(): Generator<string> {
  for (;;) {
    const time = new Date().toISOString();
    const event_id = newId();
    const digits = time.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
    const session_id = `mahavishnu-${digits}-${event_id.slice(0, 8)}`;
    const line = (type: string, rest: string, id = newId()) =>
      `{"event_version":"1.0","event_id":"${id}","session_id":"${session_id}","timestamp":"${time}","event_type":"${type}",${rest}}`;
    yield line(
      "session_start",
      `"session_type":"admin_shell","component_name":"mahavishnu","shell_type":"bash","hostname":"ops-1","pid":100,"ppid":99,"start_ticks":1000,"user":{"username":"les","home":"/home/les"},"environment":{"python_version":null,"platform":"Linux","cwd":"/srv"},"metadata":{}`,
      event_id,
    );
    yield line(
      "process",
      `"pid":101,"ppid":100,"start_ticks":1001,"pid_namespace":"pid:[1]","boot_id":"boot"`,
    );
    yield line("command_start", `"command":"git show ${event_id}"`);
    yield line(
      "session_end",
      `"end_source":"observed","exit_code":0,"signal":null,"metadata":{}`,
    );
  }
}

const source = lives();

function argumentsOf(): string {
  const time = new Date().toISOString();
  if (perCall === 0)
    return `{"event_version":"1.0","event_id":"${newId()}","event_type":"session_start","component_name":"mahavishnu","shell_type":"IPythonShell","timestamp":"${time}","pid":4194000,"hostname":"ops-1","user":{"username":"les","home":"/home/les"},"environment":{"python_version":"3.13.1","platform":"Linux-6.1","cwd":"/srv/app"},"metadata":{"version":"0.9.1","adapters":["prefect","agno"]}}`;
  let list = source.next().value as string;
  for (let i = 1; i < perCall; i++) list += `,${source.next().value}`;
  return `{"sent_at":"${time}","events":[${list}]}`;
}

const tool = perCall === 0 ? "track_session_start" : "track_events";

async function call(): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}","arguments":${argumentsOf()}}}`,
  });
  const answer = await response.text();
  const good = /"status":"(?:stored|tracked)"/.test(answer);
  if (!response.ok || !good || /"status":"(?:error|rejected)"/.test(answer))
    throw new Error(`${response.status} ${answer.slice(0, 500)}`);
}

const took: number[] = [];
const begun = performance.now();
const until = begun + Number(seconds) * 1_000;
await Promise.all(
  Array.from({ length: Number(clients) }, async () => {
    while (performance.now() < until || took.length < Number(calls)) {
      const asked = performance.now();
      await call();
      took.push(performance.now() - asked);
    }
  }),
);
const elapsed = (performance.now() - begun) / 1_000;
const load: Load = {
  calls: took.length,
  seconds: elapsed,
  events_per_second: (took.length * Math.max(1, perCall)) / elapsed,
  calls_per_second: took.length / elapsed,
  p50_ms: quantile(took, 0.5),
  p99_ms: quantile(took, 0.99),
  max_ms: quantile(took, 1),
};
console.log(JSON.stringify(load));
