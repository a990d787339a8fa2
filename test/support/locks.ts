/**
 * A filesystem without locks, as NFS and SMB may be: flock(2) fails, whoever
 * calls it, by the kernel's own filter of system calls.
 */

const SCRIPT = `
import ctypes, os, platform, struct, sys
FLOCK = {"x86_64": 73, "aarch64": 32}[platform.machine()]
ERRNO = int(sys.argv[1])
steps = [
    (0x20, 0, 0, 0),               # the call's number
    (0x15, 0, 1, FLOCK),           # flock?
    (0x06, 0, 0, 0x00050000 | ERRNO),
    (0x06, 0, 0, 0x7FFF0000),      # any other: as ever
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *s) for s in steps))
program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0      # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** What a filesystem without locks answers. */
export const NO_LOCKS = { ENOLCK: 37, ENOSYS: 38, ENOTSUP: 95 } as const;

/** Before a command: it and its descendants find no locks. */
export const withoutLocks = (errno: number): string[] => [
  ...["/usr/bin/python3", "-c", SCRIPT, `${errno}`],
];
