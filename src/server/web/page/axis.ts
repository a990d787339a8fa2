/** Marks of an axis of time, at whole minutes, hours, days or months of local time. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface Span {
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
}

export const SHORTEST_MS = MINUTE;
export const LONGEST_MS = 3 * 366 * DAY;

const STEPS = [
  ...[1, 5, 15, 30].map((n) => n * MINUTE),
  ...[1, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14].map((n) => n * DAY),
];
const TWO = (n: number) => String(n).padStart(2, "0");

export interface Mark {
  at: number;
  label: string;
  /** A day's or a month's begin. */
  strong: boolean;
}

/** @param most how many there may be */
export function marksOf({ from, to }: Span, most: number): Mark[] {
  const step = STEPS.find((each) => (to - from) / each <= most);
  return step === undefined
    ? months(from, to, most)
    : step >= DAY
      ? days(from, to, step / DAY)
      : hours(from, to, step);
}

function hours(from: number, to: number, step: number): Mark[] {
  const marks: Mark[] = [];
  const day = new Date(from);
  day.setHours(0, 0, 0, 0);
  for (; day.getTime() <= to; day.setDate(day.getDate() + 1)) {
    const next = new Date(day);
    next.setDate(next.getDate() + 1);
    for (let at = day.getTime(); at < next.getTime(); at += step) {
      if (at < from || at > to) continue;
      const strong = at === day.getTime();
      const date = new Date(at);
      marks.push({
        ...{ at, strong },
        label: strong
          ? dayLabel(date)
          : `${TWO(date.getHours())}:${TWO(date.getMinutes())}`,
      });
    }
  }
  return marks;
}

function days(from: number, to: number, count: number): Mark[] {
  const marks: Mark[] = [];
  const day = new Date(from);
  day.setHours(0, 0, 0, 0);
  // Counted from a Monday, so that they stay where they are.
  const since = Math.round((day.getTime() - Date.UTC(1970, 0, 5)) / DAY);
  day.setDate(day.getDate() - (((since % count) + count) % count));
  for (; day.getTime() <= to; day.setDate(day.getDate() + count))
    if (day.getTime() >= from)
      marks.push({
        ...{ at: day.getTime(), label: dayLabel(day) },
        strong: count === 1 ? day.getDay() === 1 : false,
      });
  return marks;
}

function months(from: number, to: number, most: number): Mark[] {
  const marks: Mark[] = [];
  const step = Math.ceil((to - from) / (30 * DAY) / most);
  const month = new Date(from);
  month.setHours(0, 0, 0, 0);
  month.setDate(1);
  for (; month.getTime() <= to; month.setMonth(month.getMonth() + step))
    if (month.getTime() >= from)
      marks.push({
        at: month.getTime(),
        label: `${month.getFullYear()}-${TWO(month.getMonth() + 1)}`,
        strong: month.getMonth() === 0,
      });
  return marks;
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/** `Tue 02-03 14:05` */
export function markLabel(at: number): string {
  const date = new Date(at);
  return `${dayLabel(date)} ${TWO(date.getHours())}:${TWO(date.getMinutes())}`;
}

const dayLabel = (date: Date) =>
  `${WEEKDAYS[date.getDay()]} ${TWO(date.getMonth() + 1)}-${TWO(date.getDate())}`;
