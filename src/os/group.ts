/**
 * Tells whether a folder that its group can write is its owner's alone: the group
 * has the owner's name and no other member. Hosts that give one to each user
 * (Debian, Fedora) set umask 002.
 */
import { CString, type Pointer, read } from "bun:ffi";
import { tryReadText } from "./file.ts";
import type { FileStat } from "./stat.ts";
import { cLibrary, libc } from "./libc.ts";

const SYMBOLS = {
  getgrgid: { args: ["u32"], returns: "ptr" },
  getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
} as const;

/** Of struct group. */
const NAME_OFFSET = 0;
const MEMBERS_OFFSET = 24;

/** Of an access list as the kernel keeps it: tag, rights, id; after a header. */
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const USER = 0x02;
const GROUP_OF_FILE = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const WRITES = 2;

/**
 * Of a folder or a file whose mode lets its group write: whether that is nobody
 * beside its owner, by its access list and its group.
 */
export function groupIsOwner(
  path: string,
  { uid, gid }: Pick<FileStat, "uid" | "gid">,
): boolean {
  // Without FFI nobody can tell.
  if (!libc) return false;
  const list = accessList(path, "access");
  if (list === null) return isPrivateGroup(uid, gid);
  const mask = list.find(({ tag }) => tag === MASK)?.rights ?? 7;
  const writers = list.filter(({ rights }) => rights & mask & WRITES);
  return writers.every(({ tag, id }) => {
    if (tag === USER) return id === uid || id === 0;
    if (tag === GROUP) return isPrivateGroup(uid, id);
    return tag !== GROUP_OF_FILE || isPrivateGroup(uid, gid);
  });
}

/** Whether a group is the owner's own, with nobody else in it. */
function isPrivateGroup(uid: number, gid: number): boolean {
  const users = linesOf("/etc/passwd");
  const owner =
    users.find((user) => user[2] === String(uid))?.[0] ??
    libc!.passwd(uid)?.username;
  const group = groupOf(gid);
  if (owner === undefined || group?.name !== owner) return false;
  const others = group.members.filter((name) => name !== owner);
  const sharers = users.filter(
    (user) => user[3] === String(gid) && user[2] !== String(uid),
  );
  return others.length === 0 && sharers.length === 0;
}

interface Entry {
  tag: number;
  rights: number;
  id: number;
}

/** What a file's access list has beside the mode; null: it has none. */
function accessList(path: string, which: "access" | "default"): Entry[] | null {
  const bytes = Buffer.from(`${path}\0system.posix_acl_${which}\0`);
  const name = bytes.subarray(Buffer.byteLength(path) + 1);
  const value = Buffer.alloc(64 * 1024);
  const length = Number(calls().getxattr(bytes, name, value, value.length));
  if (length <= 0) return null;
  const entries: Entry[] = [];
  for (let at = HEADER_BYTES; at < length; at += ENTRY_BYTES)
    entries.push({
      tag: value.readUInt16LE(at),
      rights: value.readUInt16LE(at + 2),
      id: value.readUInt32LE(at + 4),
    });
  return entries;
}

/** Whether a folder hands an access list down to what is made in it. */
export const handsDownAccess = (path: string): boolean =>
  libc !== null && accessList(path, "default") !== null;

let opened: ReturnType<typeof cLibrary<typeof SYMBOLS>>;

function calls() {
  opened ??= cLibrary(SYMBOLS);
  if (opened) return opened;
  throw new Error("the C library cannot be asked about groups");
}

function groupOf(gid: number): { name: string; members: string[] } | null {
  const lines = linesOf("/etc/group").filter((line) => line[2] === String(gid));
  if (lines[0])
    return {
      name: lines[0][0]!,
      members: lines
        .flatMap((line) => line[3]?.split(",") ?? [])
        .filter(Boolean),
    };
  // From wherever else the host keeps groups (LDAP, SSSD).
  const entry = calls().getgrgid(gid) as Pointer | null;
  if (!entry) return null;
  const members: string[] = [];
  const list = pointerAt(entry, MEMBERS_OFFSET)!;
  for (let at = 0; pointerAt(list, at) !== null; at += 8)
    members.push(textAt(list, at));
  return { name: textAt(entry, NAME_OFFSET), members };
}

const textAt = (base: Pointer, offset: number) =>
  new CString(pointerAt(base, offset)!).toString();

const pointerAt = (base: Pointer, offset: number) =>
  (Number(read.ptr(base, offset)) || null) as Pointer | null;

const linesOf = (path: string) =>
  (tryReadText(path) ?? "").split("\n").map((line) => line.split(":"));
