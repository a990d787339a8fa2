/*
 * A wall clock that is wrong, preloaded into one program: CLOCK_SHIFT_MS from
 * the start, and CLOCK_JUMP_MS more once CLOCK_JUMP_AFTER_MS have gone by. The
 * monotonic clock, and the times that the kernel gives to files, stay right.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long setting(const char *name) {
  const char *text = getenv(name);
  return text ? atoll(text) : 0;
}

static long long monotonic_ms(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static long long shift_ms(void) {
  static long long began, shift, jump, after;
  if (!began) {
    shift = setting("CLOCK_SHIFT_MS");
    jump = setting("CLOCK_JUMP_MS");
    after = setting("CLOCK_JUMP_AFTER_MS");
    began = monotonic_ms();
  }
  return shift + (jump && monotonic_ms() - began >= after ? jump : 0);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  int result = syscall(SYS_clock_gettime, clock, out);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    long long ms = out->tv_sec * 1000LL + out->tv_nsec / 1000000 + shift_ms();
    long rest = out->tv_nsec % 1000000;
    out->tv_sec = ms / 1000;
    out->tv_nsec = ms % 1000 * 1000000 + rest;
  }
  return result;
}

int gettimeofday(struct timeval *out, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
