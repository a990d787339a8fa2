/** One chart, by uPlot, with its figures as a table for whoever wants to read them. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type Colors, colorsOf } from "./draw.ts";
import { Table } from "./parts.tsx";

export interface Series {
  name: string;
  color: keyof Colors;
  /** A value for each label; null where there is none. */
  values: readonly (number | null)[];
}

interface Given {
  title: string;
  labels: readonly string[];
  series: readonly Series[];
  /** What the labels are. */
  first: string;
  kind: "bars" | "lines";
  /** How a value is written. */
  format?: (value: number) => string;
}

const HEIGHT = 220;
/** Of axes of durations, in seconds: 1, 5, 15, 30 s, and so on for minutes and hours. */
const INCREMENTS = [
  ...[1, 60].flatMap((unit) => [1, 5, 15, 30].map((n) => n * unit)),
  ...[1, 2, 6, 12, 24, 48, 120, 240, 480, 1_200].map((n) => n * 3_600),
];
/** Of axes of counts. */
const WHOLE = Array.from({ length: 9 }, (_, n) => 10 ** n).flatMap((n) => [
  ...[n, 2 * n, 5 * n],
]);
/** `30m 00s` is `30m` on an axis. */
const short = (text: string) =>
  text.replace(/^0\.0s$/, "0").replace(/(?<=[mhd]) 00[smh]$/, "");
const plain = (value: number) => value.toLocaleString("en");

export function Chart(given: Given) {
  const { title, labels, series, first, format = plain } = given;
  const box = useRef<HTMLDivElement>(null);
  const key = JSON.stringify([labels, series]);
  useEffect(() => {
    const element = box.current!;
    let plot = made(element, given);
    const sizes = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    sizes.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const again = () => {
      plot.destroy();
      plot = made(element, given);
    };
    dark.addEventListener("change", again);
    return () => {
      dark.removeEventListener("change", again);
      sizes.disconnect();
      plot.destroy();
    };
  }, [key]);
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <div class="chart" ref={box} aria-hidden="true" />
      <details>
        <summary>Figures</summary>
        <Table
          caption={`${title}: figures`}
          head={[first, ...series.map(({ name }) => name)]}
          rows={labels.map((label, n) => ({
            key: label,
            cells: [
              label,
              ...series.map(({ values }) => {
                const value = values[n] ?? null;
                return value === null ? "" : format(value);
              }),
            ],
          }))}
        />
      </details>
    </section>
  );
}

function made(element: HTMLElement, given: Given): uPlot {
  const { labels, series, kind, format = plain } = given;
  const colors = colorsOf(element);
  const drawn = kind === "bars" ? stacked(series) : series;
  const axis = {
    stroke: colors.soft,
    grid: { stroke: colors.rule, width: 1 },
    ticks: { stroke: colors.rule, width: 1 },
    font: "12px system-ui, sans-serif",
  };
  const options: uPlot.Options = {
    ...{ width: element.clientWidth, height: HEIGHT },
    scales: {
      x: {
        time: false,
        range: () => [-0.6, Math.max(labels.length, 1) - 0.4],
      },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] },
    },
    cursor: { y: false, points: { show: false }, drag: { setScale: false } },
    axes: [
      {
        ...axis,
        space: 80,
        grid: { show: false },
        splits: () => splitsOf(labels, element.clientWidth),
        values: (_, splits) => splits.map((n) => labels[n] ?? ""),
      },
      {
        ...{ ...axis, size: 76 },
        values: (_, splits) => splits.map((n) => short(format(n))),
        incrs: format === plain ? WHOLE : INCREMENTS,
      },
    ],
    series: [
      { label: "At", value: (_, n: number | null) => labels[n ?? -1] ?? "" },
      ...drawn.map(({ name, color }, at) => ({
        label: name,
        stroke: colors[color],
        width: 2,
        ...(kind === "bars" && {
          fill: colors[color],
          width: 0,
          paths: uPlot.paths.bars!({ size: [0.7, 40] }),
        }),
        points: { show: kind === "lines" && labels.length < 40 },
        value: (_: uPlot, __: number, ___: number, n: number | null) => {
          const value = n === null ? null : drawnOf(series, drawn, at, n);
          return value === null ? "" : format(value);
        },
      })),
    ],
  };
  const data = [labels.map((_, n) => n), ...drawn.map(({ values }) => values)];
  return new uPlot(options, data as uPlot.AlignedData, element);
}

/** What is told of a piece of a stack is its own height. */
const drawnOf = (
  series: readonly Series[],
  drawn: readonly Series[],
  at: number,
  n: number,
): number | null =>
  series.find(({ name }) => name === drawn[at]!.name)?.values[n] ?? null;

/** The highest first, so that each stands before those that it hides the foot of. */
function stacked(series: readonly Series[]): Series[] {
  const sums: number[] = [];
  return series
    .map((each) => ({
      ...each,
      values: each.values.map(
        (value, n) => (sums[n] = (sums[n] ?? 0) + (value ?? 0)),
      ),
    }))
    .reverse();
}

function splitsOf(labels: readonly string[], width: number): number[] {
  const count = labels.length;
  const widest = Math.max(...labels.map((label) => label.length), 1);
  const most = Math.max(2, Math.floor((width - 76) / (widest * 7 + 10)));
  const step = Math.max(1, Math.ceil(count / most));
  return Array.from({ length: Math.ceil(count / step) }, (_, n) => n * step);
}
