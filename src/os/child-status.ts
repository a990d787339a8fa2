/** What wait4(2) says of a child: its status and its usage, decoded. */

/** What became of a child: stopped, or gone with what it used. */
export type ChildChange =
  | { kind: "stopped"; signal: number }
  | {
      kind: "exited";
      exit_code: number | null;
      signal: number | null;
      usage: Usage;
    };

/** struct rusage, of a child and of the descendants that it waited for. */
export interface Usage {
  cpu_user_seconds: number;
  cpu_system_seconds: number;
  max_rss_bytes: number;
}

/** @param usage struct rusage */
export function decodeStatus(
  status: number,
  usage: BigInt64Array,
): ChildChange {
  if ((status & 0xff) === 0x7f)
    return { kind: "stopped", signal: (status >> 8) & 0xff };
  const signal = status & 0x7f;
  const seconds = (at: number) =>
    Number(usage[at]) + Number(usage[at + 1]) / 1e6;
  return {
    kind: "exited",
    exit_code: signal ? null : (status >> 8) & 0xff,
    signal: signal || null,
    usage: {
      cpu_user_seconds: seconds(0),
      cpu_system_seconds: seconds(2),
      max_rss_bytes: Number(usage[4]) * 1024,
    },
  };
}
