/**
 * What the runtime changes before our first line, as it was when we were
 * executed: a few instructions of our own stand before the runtime's, and keep
 * it. The runtime ignores and catches signals, unblocks one, raises the limit
 * of open files and opens descriptors; src/os/at-exec.ts reads what was before.
 * In a folder that has no path the runtime ends: it starts in `/`, and the folder
 * is held open.
 *
 * They come in a segment of their own, behind all others, whose entry in the
 * program headers was a note's. What they keep goes to a page of zeros that the
 * data segment is lengthened by, in memory alone.
 */

/** Stands before the instructions, with the place of what is kept, then where the runtime begins. */
const MAGIC = "SBatExec";

/**
 * x86-64: for each of 64 signals and descriptors rt_sigaction(2) and fcntl(2);
 * prlimit64(2), rt_sigprocmask(2). SIGPWR gets its default: the runtime, which
 * takes it, would write on stderr that it was ignored; SIGCHLD, too: where we have
 * no C library, the runtime would never hear of the child's end. getcwd(2), and when
 * there is no path, or none from our root: open(2) and fcntl(2), to get one beyond
 * the standard ones, and chdir(2). Then on to the runtime; rdx is kept: it is an
 * argument of what runs next.
 *
 *       push rdx; sub rsp, 168; xor r12d, r12d; xor r13d, r13d; mov ebx, 63
 *   1:  lea edi, [rbx+1]; xor esi, esi; mov rdx, rsp; mov r10d, 8
 *       mov eax, 13; syscall                      # rt_sigaction
 *       test eax, eax; jnz 2f
 *       cmp qword ptr [rsp], 1; jne 2f            # SIG_IGN
 *       bts r12, rbx
 *   2:  mov edi, ebx; mov esi, 1
 *       mov eax, 72; syscall                      # fcntl F_GETFD
 *       test eax, eax; js 3f
 *       bts r13, rbx
 *   3:  dec ebx; jns 1b
 *       xor edi, edi; mov [rsp], rdi; mov esi, 7; xor edx, edx; mov r10, rsp
 *       mov eax, 302; syscall                     # prlimit64 RLIMIT_NOFILE
 *       xor edi, edi; xor esi, esi; lea rdx, [rsp+16]; mov r10d, 8
 *       mov eax, 14; syscall                      # rt_sigprocmask
 *       xor edx, edx; mov [rsp+32], rdx; …; mov [rsp+56], rdx
 *       mov edi, 30; lea rsi, [rsp+32]
 *       mov eax, 13; syscall                      # rt_sigaction SIG_DFL
 *       mov edi, 17; mov eax, 13; syscall
 *       mov rbx, [rip+place]
 *       mov [rbx], r12; mov [rbx+8], r13
 *       mov rcx, [rsp]; mov [rbx+16], rcx; mov rcx, [rsp+16]; mov [rbx+24], rcx
 *       lea rdi, [rbx+64]; mov esi, 4032
 *       mov eax, 79; syscall                      # getcwd
 *       test eax, eax; js 4f
 *       cmp byte ptr [rbx+64], '/'; je 5f
 *   4:  mov dword ptr [rsp], 0x2f002e; mov rdi, rsp; mov esi, 0x280000
 *       mov eax, 2; syscall                       # open "." O_PATH | O_CLOEXEC
 *       test eax, eax; js 5f
 *       mov r12d, eax; mov edi, eax; mov esi, 1030; mov edx, 3
 *       mov eax, 72; syscall                      # fcntl F_DUPFD_CLOEXEC
 *       mov [rbx+32], eax; mov edi, r12d
 *       mov eax, 3; syscall                       # close
 *       cmp dword ptr [rbx+32], 0; jle 5f
 *       lea rdi, [rsp+2]
 *       mov eax, 80; syscall                      # chdir "/"
 *   5:  add rsp, 168; pop rdx; jmp [rip+runtime]
 */
const CODE = Buffer.from(
  "524881eca80000004531e44531edbb3f0000008d7b0131f64889e241ba080000" +
    "00b80d0000000f0585c0750b48833c24017504490fabdc89dfbe01000000b848" +
    "0000000f0585c07804490fabddffcb79c231ff48893c24be0700000031d24989" +
    "e2b82e0100000f0531ff31f6488d54241041ba08000000b80e0000000f0531d2" +
    "4889542420488954242848895424304889542438bf1e000000488d742420b80d" +
    "0000000f05bf11000000b80d0000000f05488b1d38ffffff4c89234c896b0848" +
    "8b0c2448894b10488b4c241048894b18488d7b40bec00f0000b84f0000000f05" +
    "85c07806807b402f744fc704242e002f004889e7be00002800b8020000000f05" +
    "85c078354189c489c7be06040000ba03000000b8480000000f058943204489e7" +
    "b8030000000f05837b20007e0c488d7c2402b8500000000f054881c4a8000000" +
    "5aff25b1feffff",
  "hex",
);
const PAGE = 4096;
const PT_LOAD = 1;
const PT_NOTE = 4;
const READ_EXECUTE = 5;
const READ_WRITE = 6;

/**
 * @param bytes an ELF executable of x86-64
 * @returns the same with the instructions in front
 * @throws Error when it has no note, or no room at the end of its data
 */
export function keepAtExec(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  const headers = Array.from(
    { length: bytes.readUInt16LE(56) },
    (_, n) => number(32) + n * bytes.readUInt16LE(54),
  );
  const note = headers.find((at) => bytes.readUInt32LE(at) === PT_NOTE);
  const last = headers.findLast((at) => bytes.readUInt32LE(at) === PT_LOAD);
  if (note === undefined || last === undefined || note < last)
    throw new Error("the executable has no note behind its segments");
  const address = number(last + 16);
  const [in_file, in_memory] = [number(last + 32), number(last + 40)];
  if (
    bytes.readUInt32LE(last + 4) !== READ_WRITE ||
    in_file !== in_memory ||
    (address + in_memory) % PAGE !== 0
  )
    throw new Error("the executable's data ends otherwise than was studied");

  const head = Buffer.alloc(24);
  head.write(MAGIC, "latin1");
  head.writeBigUInt64LE(BigInt(address + in_memory), 8);
  head.writeBigUInt64LE(BigInt(number(24)), 16);
  const segment = Buffer.concat([head, CODE]);
  const padding = Buffer.alloc(-bytes.length & (PAGE - 1));
  const at = address + in_memory + PAGE;
  const out = Buffer.concat([bytes, padding, segment]);
  out.writeBigUInt64LE(BigInt(in_memory + PAGE), last + 40);
  out.writeUInt32LE(PT_LOAD, note);
  out.writeUInt32LE(READ_EXECUTE, note + 4);
  [out.length - segment.length, at, at, segment.length, segment.length, PAGE]
    .map(BigInt)
    .forEach((value, n) => out.writeBigUInt64LE(value, note + 8 + 8 * n));
  out.writeBigUInt64LE(BigInt(at + head.length), 24);
  return out;
}
