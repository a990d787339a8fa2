/** Shells whose terminal is recorded, and what their recordings hold. */
import {
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../src/model/recording/format.ts";
import { BINARY, Sandbox } from "./sandbox.ts";
import { readerOf } from "./recording.ts";

export const RECORD = [BINARY, "shell", "--quiet", "--record", "--"];

export function prepared(): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(
    join(sandbox.home, ".bashrc"),
    "PS1='<\\#>$ '\nunset HISTFILE\n",
  );
  return sandbox;
}

/** Their files, without the folder. */
export const recordings = (data: string): string[] =>
  readdirSync(join(data, "recordings")).filter((name) => name.endsWith(".rec"));

/** A recording: what was shown in it, and its other records. */
export function played(path: string) {
  const file = readFileSync(path);
  const reader = readerOf(file);
  const damage = { torn_bytes: 0, damaged_bytes: 0 };
  const chunks = [...reader.chunks(reader.first, 0, damage)];
  const entries = chunks.flatMap((chunk) => chunk.entries);
  if (damage.damaged_bytes > 0) throw new Error("it is damaged");
  const shown = bytesOf(entries, "o");
  const omitted = entries
    .filter(({ kind }) => kind === "x")
    .map(({ bytes }) => Number(Buffer.from(bytes).toString()));
  const { torn_bytes } = damage;
  const { header } = reader;
  return { file, header, entries, shown, omitted, torn_bytes };
}

export const bytesOf = (entries: readonly Entry[], kind: Entry["kind"]) =>
  Buffer.concat(entries.flatMap((e) => (e.kind === kind ? [e.bytes] : [])));

/** Whether there is one that can be read. */
export function begun({ data }: Sandbox, session_id = ""): boolean {
  const folder = join(data, "recordings");
  if (!existsSync(folder)) return false;
  return recordings(data).some(
    (name) =>
      name.startsWith(session_id) && statSync(join(folder, name)).size > 0,
  );
}

/** The one recording of a sandbox. */
export function recorded(sandbox: Sandbox) {
  const [name] = recordings(sandbox.data);
  return played(join(sandbox.data, "recordings", name!));
}
