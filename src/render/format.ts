/**
 * Times and durations as people read them.
 */

const two = (n: number) => String(n).padStart(2, "0");

/** `2026-02-06T12:34:56+01:00`, in the local zone. */
export function localTime(iso: string): string {
  const t = new Date(iso);
  const offset = -t.getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}T${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}${zone}`;
}

/** `4ms`, `2.25s`, `42s`, `5m07s`, `2h05m`, `3d04h`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)}ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(2))}s`;
  const s = Math.floor(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400)
    return `${Math.floor(s / 3_600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3_600) % 24)}h`;
}

/** `812 B`, `4.2 kB`, `74.5 MB`, `1.3 GB`. */
export function bytes(n: number): string {
  let unit = 0;
  for (; n >= 1_000 && unit < UNITS.length - 1; unit++) n /= 1_000;
  return `${unit === 0 ? n : n.toFixed(1)} ${UNITS[unit]}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];
