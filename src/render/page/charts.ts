/** Charts in SVG. What they show stands in their titles, and in tables beside. */
import { duration } from "../format.ts";
import { type Html, markup } from "./html.ts";

/** In units of its drawing: as wide as the page, or half. */
interface Size {
  width: number;
  height: number;
}
const FULL: Size = { width: 960, height: 200 };
export const HALF: Size = { width: 520, height: 230 };

const LEFT = 56;
const BOTTOM = 22;
const TOP = 8;

/** What a part of a column is called, and its class in the style. */
export interface Part {
  name: string;
  look: "well" | "failed" | "lost" | "active";
}

export interface Stack {
  label: string;
  /** As many as there are parts. */
  values: readonly number[];
}

/** Columns side by side, each of parts that stand on each other. */
export function columns(
  what: string,
  parts: readonly Part[],
  stacks: readonly Stack[],
  { width, height } = FULL,
): Html {
  const sums = stacks.map(({ values }) => values.reduce((a, b) => a + b, 0));
  const { top, ticks } = scale(Math.max(0, ...sums));
  const floor = height - BOTTOM;
  const y = (value: number) => floor - (value / top) * (floor - TOP);
  const step = (width - LEFT) / Math.max(1, stacks.length);
  const wide = Math.max(0.5, step - Math.min(3, step * 0.25));
  const drawn = stacks.map(({ label, values }, i) => {
    let under = 0;
    const rects = values.flatMap((value, k) => {
      if (value <= 0) return [];
      const [low, high] = [y(under), y((under += value))];
      return [
        markup`<rect
          class="${parts[k]!.look}"
          x="${LEFT + i * step}"
          y="${high}"
          width="${wide}"
          height="${low - high}"
        />`,
      ];
    });
    const told = parts
      .map(({ name }, k) => `${values[k]} ${name}`)
      .filter((_, k) => values[k]! > 0);
    const title = `${label}: ${told.join(", ") || "nothing"}`;
    return markup`<g
      ><title>${title}</title
      ><rect
        x="${LEFT + i * step}"
        y="${TOP}"
        width="${step}"
        height="${floor - TOP}"
        fill="none"
        pointer-events="all"
      />${rects}</g
    >`;
  });
  const rules = ticks.map((tick) => rule(y(tick), String(tick), width));
  const labels = below(
    stacks.map(({ label }) => label),
    (i) => LEFT + i * step + wide / 2,
    { width, height },
  );
  return chart(what, { width, height }, [...rules, ...drawn, ...labels]);
}

/** Of the lines of a chart of durations. */
export interface Line {
  name: string;
  look: "median" | "p95";
  /** Seconds; null where there is none. */
  values: readonly (number | null)[];
}

/** Lines of durations, which are a matter of their size: a logarithmic scale. */
export function durations(
  what: string,
  labels: readonly string[],
  lines: readonly Line[],
  { width, height } = FULL,
): Html {
  const all = lines.flatMap(({ values }) =>
    values.filter((value) => value !== null),
  );
  const most = Math.max(60, ...all);
  const least = Math.max(0.1, Math.min(most / 10, ...all));
  const floor = height - BOTTOM;
  const high = Math.log(most * 1.1);
  const low = Math.log(least * 0.9);
  const y = (value: number) =>
    floor -
    ((Math.log(Math.max(value, least)) - low) / (high - low)) * (floor - TOP);
  const step = (width - LEFT) / Math.max(1, labels.length);
  const x = (i: number) => LEFT + (i + 0.5) * step;
  const rules = ROUND_SECONDS.filter((s) => s >= least && s <= most).map(
    (tick) => rule(y(tick), shortDuration(tick), width),
  );
  const drawn = lines.map(({ name, look, values }) => {
    let path = "";
    values.forEach((value, i) => {
      if (value === null) return;
      const joined = i > 0 && values[i - 1] !== null;
      path += `${joined ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    const dots = values.flatMap((value, i) =>
      value === null
        ? []
        : [
            markup`<circle
              class="${`dot-${look}`}"
              cx="${x(i)}"
              cy="${y(value)}"
              r="3"
              ><title>
                ${`${labels[i]}: ${name} ${duration(value)}`}
              </title></circle
            >`,
          ],
    );
    return markup`<path class="line ${look}" d="${path}" />${dots}`;
  });
  const marks = below(labels, x, { width, height });
  return chart(what, { width, height }, [...rules, ...drawn, ...marks]);
}

/** A line across a chart, with what it stands for at its left. */
const rule = (y: number, label: string, width: number): Html =>
  markup`<line
      class="rule"
      x1="${LEFT}"
      x2="${width}"
      y1="${y}"
      y2="${y}"
    /><text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${label}</text>`;

/** `1h00m` is `1h`. */
const shortDuration = (seconds: number): string =>
  duration(seconds).replace(/(?<=[a-z])00?[a-z]$/, "");

const ROUND_SECONDS = [
  ...[1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000],
];

/** A session on a timeline. */
export interface Span {
  lane: string;
  from_ms: number;
  until_ms: number;
  look: Part["look"];
  title: string;
}

const { width: WIDTH } = FULL;
const LANE = 22;
const LANE_LEFT = 190;
const MOST_LABEL = 28;

/**
 * A lane each, sessions as bars along time.
 * @param ticks moments, each with its label
 */
export function timeline(
  what: string,
  lanes: readonly string[],
  spans: readonly Span[],
  [from_ms, until_ms]: readonly [number, number],
  ticks: readonly { at_ms: number; label: string }[],
): Html {
  const height = TOP + lanes.length * LANE + BOTTOM;
  const x = (at: number) =>
    LANE_LEFT +
    ((Math.min(Math.max(at, from_ms), until_ms) - from_ms) /
      Math.max(1, until_ms - from_ms)) *
      (WIDTH - LANE_LEFT);
  const rows = lanes.map((lane, i) => {
    const y = TOP + i * LANE;
    const characters = [...lane];
    const label =
      characters.length > MOST_LABEL
        ? `${characters.slice(0, MOST_LABEL - 1).join("")}…`
        : lane;
    return markup`<line
        class="rule"
        x1="0"
        x2="${WIDTH}"
        y1="${y + LANE}"
        y2="${y + LANE}"
      /><text x="0" y="${y + 15}"><title>${lane}</title>${label}</text>`;
  });
  const places = new Map(lanes.map((lane, i) => [lane, i]));
  const bars = spans.map(({ lane, from_ms, until_ms, look, title }) => {
    const y = TOP + places.get(lane)! * LANE + 5;
    const wide = Math.max(2, x(until_ms) - x(from_ms));
    return markup`<rect
      class="${look}"
      x="${x(from_ms)}"
      y="${y}"
      width="${wide}"
      height="${LANE - 10}"
      rx="2"
      fill-opacity="0.85"
      ><title>${title}</title></rect
    >`;
  });
  const marks = ticks.map(
    ({ at_ms, label }) =>
      markup`<line
          class="rule"
          x1="${x(at_ms)}"
          x2="${x(at_ms)}"
          y1="${TOP}"
          y2="${height - BOTTOM}"
        /><text x="${x(at_ms)}" y="${height - 6}" text-anchor="middle"
          >${label}</text
        >`,
  );
  return chart(what, { width: WIDTH, height }, [...marks, ...rows, ...bars]);
}

/** A bar of a table's row: how much of the most it is. */
export const share = (value: number, most: number): Html =>
  markup`<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
    <rect
      class="well"
      width="${most > 0 ? Math.max(0.5, (value / most) * 100) : 0}"
      height="10"
    />
  </svg>`;

/** What the colours mean. */
export const key = (entries: readonly { name: string; look: string }[]): Html =>
  markup`<div class="key">
    ${entries.map(
      ({ name, look }) =>
        markup`<span
          ><svg viewBox="0 0 10 10" aria-hidden="true">
            <rect class="${look}" width="10" height="10" rx="2" /></svg
          >${name}</span
        >`,
    )}
  </div>`;

const chart = (
  what: string,
  { width, height }: Size,
  content: readonly Html[],
): Html =>
  markup`<svg class="chart ${width < FULL.width ? "half" : "full"}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${what}">${content}</svg>`;

/** Of a character, and between two labels. */
const CHARACTER = 6.5;
const APART = 14;

/** Under a chart as many labels as have room. */
function below(
  labels: readonly string[],
  x: (i: number) => number,
  { width, height }: Size,
): Html[] {
  const longest = Math.max(0, ...labels.map((label) => label.length));
  const room = longest * CHARACTER + APART;
  const most = Math.max(1, Math.floor((width - LEFT) / room));
  const each = Math.ceil(labels.length / most);
  const half = room / 2;
  return labels.flatMap((label, i) => {
    if (i % each !== 0) return [];
    const at = Math.min(
      Math.max(x(i), LEFT + half - APART),
      width - half + APART / 2,
    );
    return [
      markup`<text x="${at}" y="${height - 6}" text-anchor="middle">${label}</text>`,
    ];
  });
}

/** A round number over the most, and round ones on the way. */
function scale(most: number): { top: number; ticks: number[] } {
  const raw = Math.max(1, most) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((each) => each * power >= raw)!;
  const tick = Math.max(1, factor * power);
  const count = Math.max(1, Math.ceil(most / tick));
  const ticks = Array.from({ length: count + 1 }, (_, i) => i * tick);
  return { top: count * tick, ticks };
}
