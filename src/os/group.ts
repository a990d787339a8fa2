/**
 * A user's own private group: named as he is, with nobody else in it. Hosts
 * that give one to each user (Debian, Fedora) set umask 002, and so a folder
 * that its group can write is the user's alone there.
 *
 * Asked only about a folder that its group can write.
 */
import { CString, type Pointer, read } from "bun:ffi";
import { type FileStat, tryReadText } from "./file.ts";
import { cLibrary, libc } from "./libc.ts";

const SYMBOLS = {
  getgrgid: { args: ["u32"], returns: "ptr" },
  getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
} as const;

/** Of struct group. */
const NAME_OFFSET = 0;
const MEMBERS_OFFSET = 24;

/** Whether the owner's own group, and nobody beside it, is meant by the mode. */
export function isPrivateGroup(
  path: string,
  { uid, gid }: Pick<FileStat, "uid" | "gid">,
): boolean {
  // An access list names others in the same bits; without FFI nobody can tell.
  if (!libc || hasAccessList(path, "access")) return false;
  const users = linesOf("/etc/passwd");
  const owner =
    users.find((user) => user[2] === String(uid))?.[0] ??
    libc.passwd(uid)?.username;
  const group = groupOf(gid);
  if (owner === undefined || group?.name !== owner) return false;
  const others = group.members.filter((name) => name !== owner);
  const sharers = users.filter(
    (user) => user[3] === String(gid) && user[2] !== String(uid),
  );
  return others.length === 0 && sharers.length === 0;
}

/**
 * Whether a file has an access list beside its mode; of a folder `default`: one
 * that what is made in it inherits.
 */
export function hasAccessList(
  path: string,
  which: "access" | "default",
): boolean {
  if (!libc) return false;
  const bytes = Buffer.from(`${path}\0system.posix_acl_${which}\0`);
  const name = bytes.subarray(Buffer.byteLength(path) + 1);
  return calls().getxattr(bytes, name, null, 0) > 0;
}

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
