/**
 * The header of DuckDB's write-ahead log. Beside a file of storage version v1.4.0 or
 * later it has the identifier of the file and its number of checkpoints then; beside
 * an older file it has neither.
 */
import { beginningOf } from "../database-files.ts";

/** A header begins so, whatever its version. */
export const HEADER_KIND = Buffer.from("640062", "hex");
const BEGIN = Buffer.from("640062650002", "hex");
const END = Buffer.from("ffff", "hex");
const ID_FIELD = Buffer.from("660010", "hex");
const ITERATION_FIELD = Buffer.from("6700", "hex");

/** Offsets in the database's file. */
const FILE = {
  magic: 8,
  version: 12,
  id: 124,
  /** Of the two headers that checkpoints write by turns. */
  iterations: [4_096 + 8, 8_192 + 8],
  bytes: 8_192 + 16,
};
const ID_BYTES = 16;
/** The first storage version whose logs name their file. */
const NAMING_VERSION = 67n;
/** Bytes in which a damaged header may differ. */
const NEAR_BYTES = 2;

export interface LogHeader {
  /** The identifier of its file; null in one that names none. */
  id: Buffer | null;
  /** Of the header itself. */
  bytes: number;
}

interface FileIdentity {
  id: Buffer;
  iteration: bigint;
}

/** @returns null for a log that does not begin with a whole header of ours */
export function headerOf(log: Buffer): LogHeader | null {
  const has = (what: Buffer, at: number) =>
    log.subarray(at, at + what.length).equals(what);
  if (!has(BEGIN, 0)) return null;
  let at = BEGIN.length;
  if (has(END, at)) return { id: null, bytes: at + END.length };
  if (!has(ID_FIELD, at)) return null;
  at += ID_FIELD.length;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; at < log.length && shift < 70n; shift += 7n) {
      const byte = log[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  const id: number[] = [];
  for (let n = 0; n < ID_BYTES; n++) id.push(Number(number() ?? 256n));
  if (id.some((byte) => byte > 255) || !has(ITERATION_FIELD, at)) return null;
  at += ITERATION_FIELD.length;
  if (number() === null || !has(END, at)) return null;
  return { id: Buffer.from(id), bytes: at + END.length };
}

/**
 * What names a database's file.
 * @returns "nameless" for an older one, null for what is no database
 */
export function identityIn(path: string): FileIdentity | "nameless" | null {
  const head = beginningOf(path, FILE.bytes);
  if (head.toString("latin1", FILE.magic, FILE.version) !== "DUCK") return null;
  if (head.readBigUInt64LE(FILE.version) < NAMING_VERSION) return "nameless";
  const [one, two] = FILE.iterations.map((at) => head.readBigUInt64LE(at));
  return {
    id: head.subarray(FILE.id, FILE.id + ID_BYTES),
    iteration: one! > two! ? one! : two!,
  };
}

/** The header of a log that is begun beside a database's file now. */
export function headerFor(path: string): Buffer {
  const file = identityIn(path);
  if (!file || file === "nameless") return Buffer.concat([BEGIN, END]);
  return Buffer.concat([
    BEGIN,
    ID_FIELD,
    ...Array.from(file.id, (byte) => varint(BigInt(byte))),
    ITERATION_FIELD,
    varint(file.iteration),
    END,
  ]);
}

/**
 * Whether a log begins with a header that names its file, but for one or two
 * damaged bytes. Not in the count of checkpoints: another may be an older log's.
 */
export function isNear(log: Buffer, header: Buffer): boolean {
  const count = header.lastIndexOf(ITERATION_FIELD);
  if (count === -1) return false;
  const isSame = (byte: number, i: number) => log[i] === byte;
  if (!header.subarray(count).every((byte, i) => isSame(byte, count + i)))
    return false;
  const same = header.filter(isSame).length;
  return same < header.length && same >= header.length - NEAR_BYTES;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(value)]);
}
