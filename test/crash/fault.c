/*
 * A disk that fails: runs a program whose calls that change files below one
 * folder fail or fall short, as chance picks them. The kernel hands each such
 * call to us before it is made (seccomp's user notification), so that it makes
 * no difference whether the C library, the runtime or a foreign library makes
 * it, in which thread or in which descendant.
 *
 *   fault SEED AFTER PERMILLE BURST KINDS FOLDER LOG program arguments…
 *
 * KINDS: enospc, eio, efbig (writes, and new files or names), short (a part is
 * written, no error), sync (fsync and fdatasync say EIO), hang (from the moment
 * on that LOG.hang exists, fsync and fdatasync do not come back), kill (the program is
 * killed in the midst of a write, or before another call). The first AFTER calls
 * are let be: a server has begun by then. A fault is followed by up to BURST
 * calls that fail the same way: a disk is not full for one call.
 * Each is a line in LOG. To cut a file never fails: DuckDB ends the process when
 * it does (an exception out of a destructor), which nobody above it can help. The program keeps its pid: the one that judges is a
 * stranger to it, and ends with the last process that it judges.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUDGED(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static struct sock_filter filter[] = {
    LOAD(nr),
    JUDGED(SYS_write),
    JUDGED(SYS_writev),
    JUDGED(SYS_pwrite64),
    JUDGED(SYS_pwritev),
    JUDGED(SYS_fsync),
    JUDGED(SYS_fdatasync),
#ifdef SYS_rename
    JUDGED(SYS_rename),
#endif
    JUDGED(SYS_renameat),
    JUDGED(SYS_renameat2),
#ifdef SYS_open
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 3),
    LOAD(args[1]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 5),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
#endif
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
    LOAD(args[2]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static uint32_t state;
static int after, permille, burst, left, last;
static const char *kinds, *folder;
static FILE *report;
static char hangs_from[4096];

static uint32_t chance(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static int die(const char *what) {
  perror(what);
  exit(125);
}

/* Where a descriptor of a thread leads. */
static int path_of_fd(int tid, int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, fd);
  ssize_t got = readlink(link, path, size - 1);
  path[got > 0 ? got : 0] = 0;
  return got > 0;
}

static int text_of(int tid, uint64_t at, char *path, size_t size) {
  size_t got = 0;
  /* By pages: the next one may not be there. */
  while (got < size - 1) {
    size_t want = 4096 - (at + got) % 4096;
    if (want > size - 1 - got) want = size - 1 - got;
    struct iovec to = {path + got, want}, from = {(void *)(at + got), want};
    if (process_vm_readv(tid, &to, 1, &from, 1, 0) != (ssize_t)want) break;
    if (memchr(path + got, 0, want)) return 1;
    got += want;
  }
  path[0] = 0;
  return 0;
}

enum call { WRITE, SYNC, NAME, OTHER };

static enum call kind_of(const struct seccomp_notif *it, char *path, size_t n) {
  const struct seccomp_data *d = &it->data;
  switch (d->nr) {
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
      return path_of_fd(it->pid, d->args[0], path, n) ? WRITE : OTHER;
    case SYS_fsync:
    case SYS_fdatasync:
      return path_of_fd(it->pid, d->args[0], path, n) ? SYNC : OTHER;
#ifdef SYS_rename
    case SYS_rename:
#endif
#ifdef SYS_open
    case SYS_open:
#endif
#if defined SYS_rename || defined SYS_open
      return text_of(it->pid, d->args[0], path, n) ? NAME : OTHER;
#endif
    default:
      return text_of(it->pid, d->args[1], path, n) ? NAME : OTHER;
  }
}

/* The process of a thread. */
static int process_of(int tid) {
  char name[64], line[256];
  int tgid = tid;
  snprintf(name, sizeof name, "/proc/%d/status", tid);
  FILE *status = fopen(name, "r");
  if (!status) return tid;
  while (fgets(line, sizeof line, status)) sscanf(line, "Tgid: %d", &tgid);
  fclose(status);
  return tgid;
}

/* What the kernel writes before it looks whether the writer was killed. */
enum { PAGE = 4096 };

/* Makes a part of a write in the caller's stead; 0 when that cannot be done. */
static long written_short(const struct seccomp_notif *it, int killed) {
  const struct seccomp_data *d = &it->data;
  static char bytes[1 << 20];
  size_t count = d->args[2];
  if ((d->nr != SYS_write && d->nr != SYS_pwrite64) || count < 2) return 0;
  size_t part = 1 + chance(count - 1 < sizeof bytes ? count - 1 : sizeof bytes);
  if (killed && count > PAGE) part = PAGE;
  int tgid = process_of(it->pid);
  struct iovec to = {bytes, part}, from = {(void *)d->args[1], part};
  if (process_vm_readv(it->pid, &to, 1, &from, 1, 0) != (ssize_t)part) return 0;
  int process = syscall(SYS_pidfd_open, tgid, 0);
  int fd = process < 0 ? -1 : syscall(SYS_pidfd_getfd, process, (int)d->args[0], 0);
  long wrote = fd < 0                   ? 0
               : d->nr == SYS_pwrite64 ? pwrite(fd, bytes, part, d->args[3])
                                       : write(fd, bytes, part);
  if (fd >= 0) close(fd);
  if (process >= 0) close(process);
  return wrote > 0 ? wrote : 0;
}

static int wanted(const char *kind) { return strstr(kinds, kind) != NULL; }

/* The errno that a call gets, 0 for none, -1 for a short write, -2 no return, -3 a kill. */
static int verdict(enum call call) {
  static const struct { const char *name; int error; } errors[] = {
      {"enospc", ENOSPC}, {"eio", EIO}, {"efbig", EFBIG}, {"short", -1}};
  if (call == SYNC && wanted("hang") && access(hangs_from, F_OK) == 0) return -2;
  if (after > 0) {
    after--;
    return 0;
  }
  if (wanted("kill")) return (int)chance(1000) < permille ? -3 : 0;
  if (call == SYNC) return wanted("sync") && (int)chance(1000) < permille ? EIO : 0;
  if (left > 0) {
    left--;
    return last == EFBIG && call == NAME ? 0 : last;
  }
  if ((int)chance(1000) >= permille) return 0;
  int from = chance(4);
  for (int n = 0; n < 4; n++) {
    int i = (from + n) % 4;
    if (!wanted(errors[i].name) || (call == NAME && (i == 2 || i == 3))) continue;
    last = errors[i].error;
    left = last == -1 ? 0 : chance(burst + 1);
    return last;
  }
  return 0;
}

static void judge(int listener) {
  struct seccomp_notif it;
  struct seccomp_notif_resp answer;
  char path[4096];
  for (;;) {
    struct pollfd ready = {listener, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR) return;
    if (ready.revents & (POLLHUP | POLLERR) && !(ready.revents & POLLIN)) return;
    memset(&it, 0, sizeof it);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &it) < 0) continue;
    memset(&answer, 0, sizeof answer);
    answer.id = it.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    enum call call = kind_of(&it, path, sizeof path);
    int ours = call != OTHER && strncmp(path, folder, strlen(folder)) == 0;
    int error = ours ? verdict(call) : 0;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &it.id) < 0) continue;
    if (error == -2) {
      fprintf(report, "hang %lld %s\n", (long long)it.data.nr, path);
      fflush(report);
      continue;
    }
    long wrote = error == -1 || error == -3 ? written_short(&it, error == -3) : 0;
    if (error == -3) {
      fprintf(report, "kill %lld %s\n", (long long)it.data.nr, path);
      fflush(report);
      kill(process_of(it.pid), SIGKILL);
      continue;
    }
    if (error > 0) answer.error = -error;
    if (wrote > 0) answer.val = wrote;
    if (error > 0 || wrote > 0) {
      answer.flags = 0;
      fprintf(report, "%s %lld %s\n", error > 0 ? strerrorname_np(error) : "short",
              (long long)it.data.nr, path);
      fflush(report);
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

/* Passes a descriptor to the judge, or takes it. */
static int hand_over(int socket, int fd) {
  char byte = 0, space[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
                           .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (fd < 0) {
    if (recvmsg(socket, &message, 0) <= 0) return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
  }
  *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1 ? 0 : die("sendmsg");
}

int main(int argc, char **argv) {
  if (argc < 9) return fprintf(stderr, "fault: arguments\n"), 125;
  state = strtoul(argv[1], NULL, 10) | 1;
  after = atoi(argv[2]);
  permille = atoi(argv[3]);
  burst = atoi(argv[4]);
  kinds = argv[5];
  folder = argv[6];
  snprintf(hangs_from, sizeof hangs_from, "%s.hang", argv[7]);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) die("socketpair");
  pid_t between = fork();
  if (between == 0) {
    /* Its parent is init: a program waits for no child that it did not make. */
    if (fork() > 0) _exit(0);
    setsid();
    if (!(report = fopen(argv[7], "a"))) die(argv[7]);
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(nothing, fd);
    for (int fd = 3; fd < 256; fd++)
      if (fd != ends[1] && fd != fileno(report)) close(fd);
    int listener = hand_over(ends[1], -1);
    /* None of a program that was killed before it began. */
    if (listener >= 0) judge(listener);
    _exit(0);
  }
  waitpid(between, NULL, 0);
  close(ends[1]);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                         SECCOMP_FILTER_FLAG_NEW_LISTENER |
                             SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                         &program);
  if (listener < 0) die("seccomp");
  hand_over(ends[0], listener);
  close(listener);
  close(ends[0]);
  execv(argv[8], argv + 8);
  return die(argv[8]);
}
