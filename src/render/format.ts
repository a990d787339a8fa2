/** Formats times, durations and sizes for people. */
import { type Zone, wallOf } from "../model/clock.ts";

const two = (n: number) => String(n).padStart(2, "0");

/** `2026-02-06T12:34:56+01:00`, in a zone. */
export function localTime(iso: string, zone: Zone): string {
  const at = Date.parse(iso);
  const offset = zone(at);
  const wall = new Date(wallOf(at, zone)).toISOString();
  const [hours, minutes] = [Math.abs(offset) / 60, Math.abs(offset) % 60];
  const sign = offset < 0 ? "-" : "+";
  return `${wall.slice(0, -5)}${sign}${two(Math.floor(hours))}:${two(minutes)}`;
}

/** The same for a person, who knows the zone: `2026-02-06 13:34:56`. */
export const localSecond = (iso: string, zone: Zone): string =>
  localTime(iso, zone).replace(/T(\S{8}).*$/, " $1");

/** `13:34:56`. */
export const localClock = (iso: string, zone: Zone): string =>
  localTime(iso, zone).slice(11, 19);

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

/** `3.568 s`, `5m07s`, `2h05m07s`, `3d04h05m07s`. */
export function exactDuration(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(3))} s`;
  const s = Math.floor(seconds);
  const parts = [
    [Math.floor(s / 86_400), "d"],
    [Math.floor(s / 3_600) % 24, "h"],
    [Math.floor(s / 60) % 60, "m"],
    [s % 60, "s"],
  ] as const;
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first)
    .map(([n, unit], i) => (i === 0 ? n : two(n)) + unit)
    .join("");
}

/** `812 B`, `4.2 KiB`, `74.5 MiB`, `1.3 GiB`. */
export function bytes(n: number): string {
  let unit = 0;
  for (; n >= 1_024 && unit < UNITS.length - 1; unit++) n /= 1_024;
  return `${unit === 0 ? n : n.toFixed(1)} ${UNITS[unit]}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
