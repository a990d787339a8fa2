/** Reads who is logged in, as login(1), sshd and the like write it: utmp(5). */
import { readFileSync } from "node:fs";
import { errnoOf } from "../model/failure.ts";
import { exists } from "./proc.ts";

export interface Login {
  user: string;
  /** The terminal, without /dev/. */
  line: string;
  /** The host it came from; empty where it is this one. */
  from: string;
  since_ms: number;
}

export const UTMP = "/var/run/utmp";

/** Of ut_type. */
const USER_PROCESS = 7;
/** Where 64-bit programs keep the layout of 32-bit ones, times have 32 bits. */
const SHORT_TIMES = process.arch === "x64";
const RECORD_BYTES = SHORT_TIMES ? 384 : 400;
const TIME_AT = SHORT_TIMES ? 340 : 344;
const MOST_BYTES = 4 * 1024 * 1024;

const decoder = new TextDecoder();

/** The logins whose process is there. None where the system keeps no such file. */
export function readLogins(path: string): Login[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path).subarray(0, MOST_BYTES);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
  const logins: Login[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const text = (from: number, length: number) => {
      const field = bytes.subarray(at + from, at + from + length);
      const end = field.indexOf(0);
      return decoder.decode(end < 0 ? field : field.subarray(0, end));
    };
    if (view.getInt16(0, true) !== USER_PROCESS) continue;
    // What a killed one left behind.
    if (!exists(view.getInt32(4, true))) continue;
    const seconds = SHORT_TIMES
      ? view.getInt32(TIME_AT, true)
      : Number(view.getBigInt64(TIME_AT, true));
    logins.push({
      user: text(44, 32),
      line: text(8, 32),
      from: text(76, 256),
      since_ms: seconds * 1_000,
    });
  }
  return logins;
}
