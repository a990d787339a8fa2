/** Draws lanes on a canvas: what is in view alone, a colour at a time. */
import { type Span, markLabel, marksOf } from "./axis.ts";
import { type Bar, type Lane, LOOKS, type Look, ROW, laneAt } from "./lanes.ts";
import { localTime, visible } from "./words.ts";

/** Of the axis above the lanes. */
export const AXIS = 28;

export interface Scene {
  lanes: readonly Lane[];
  span: Span;
  /** How far the lanes are scrolled, in pixels. */
  top: number;
  width: number;
  height: number;
  /** Of the names at the left. */
  gutter: number;
  /** A moment that is asked about; null for none. */
  at: number | null;
  /** Where the pointer is; null where it is not. */
  pointed: number | null;
  /** What is being brushed. */
  brush: Span | null;
  now: number;
}

export type Colors = Record<
  Look | "card" | "ink" | "soft" | "rule" | "link",
  string
>;

export function colorsOf(element: Element): Colors {
  const style = getComputedStyle(element);
  const names = [...LOOKS, "card", "ink", "soft", "rule", "link"] as const;
  return Object.fromEntries(
    names.map((name) => [name, style.getPropertyValue(`--${name}`)]),
  ) as Colors;
}

export const xOf = ({ span, gutter, width }: Scene, at: number): number =>
  gutter + ((at - span.from) / (span.to - span.from)) * (width - gutter);

export const timeAt = (
  { span, gutter, width }: Pick<Scene, "span" | "gutter" | "width">,
  x: number,
): number =>
  span.from + ((x - gutter) / (width - gutter)) * (span.to - span.from);

const DAY_MS = 86_400_000;
/** The narrowest that can be seen, and pointed at. */
const NARROWEST = 2;

export function draw(
  canvas: CanvasRenderingContext2D,
  scene: Scene,
  colors: Colors,
): void {
  const { width, height, gutter, span, at, brush, lanes, top } = scene;
  canvas.fillStyle = colors.card;
  canvas.fillRect(0, 0, width, height);
  canvas.font = "12px system-ui, sans-serif";
  canvas.textBaseline = "middle";
  grid(canvas, scene, colors);
  const first = Math.max(0, laneAt(lanes, top));
  canvas.save();
  canvas.beginPath();
  canvas.rect(gutter, AXIS, width - gutter, height - AXIS);
  canvas.clip();
  const inView: Record<Look, number[]> = {
    ...{ well: [], active: [], lost: [], failed: [] },
  };
  let last = first;
  for (; last < lanes.length; last++) {
    const lane = lanes[last]!;
    if (lane.top - top + AXIS > height) break;
    place(scene, lane, inView);
  }
  for (const look of LOOKS) {
    canvas.fillStyle = colors[look];
    const boxes = inView[look];
    // Known without its colour, too.
    const [y, height] = look === "failed" ? [-2, ROW] : [0, ROW - 4];
    for (let n = 0; n < boxes.length; n += 3)
      canvas.fillRect(boxes[n]!, boxes[n + 1]! + y, boxes[n + 2]!, height);
  }
  for (const [moment, color] of [
    [scene.now, colors.rule],
    [at, colors.link],
  ] as const)
    if (moment !== null && moment >= span.from && moment <= span.to) {
      canvas.fillStyle = color;
      canvas.fillRect(Math.round(xOf(scene, moment)), AXIS, 2, height);
    }
  canvas.restore();
  names(canvas, scene, colors, first, last);
  canvas.fillStyle = colors.soft;
  canvas.fillText(dayOf(span), 8, AXIS / 2);
  if (scene.pointed !== null && !brush) pointer(canvas, scene, colors);
  if (brush) {
    const [x, to] = [xOf(scene, brush.from), xOf(scene, brush.to)];
    canvas.globalAlpha = 0.2;
    canvas.fillStyle = colors.link;
    canvas.fillRect(Math.min(x, to), 0, Math.abs(to - x), height);
    canvas.globalAlpha = 1;
  }
}

/** Which moment a click would ask for. */
function pointer(
  canvas: CanvasRenderingContext2D,
  scene: Scene,
  colors: Colors,
): void {
  const { width, height, gutter, pointed } = scene;
  const x = Math.round(xOf(scene, pointed!));
  canvas.fillStyle = colors.soft;
  canvas.fillRect(x, AXIS, 1, height);
  const label = markLabel(pointed!);
  const wide = canvas.measureText(label).width + 12;
  const left = Math.min(Math.max(gutter, x - wide / 2), width - wide);
  canvas.fillStyle = colors.ink;
  canvas.fillRect(left, 4, wide, AXIS - 8);
  canvas.fillStyle = colors.card;
  canvas.fillText(label, left + 6, AXIS / 2);
}

/** The day that it begins on, where the axis has hours alone. */
const dayOf = ({ from, to }: Span): string =>
  to - from < 2 * DAY_MS ? localTime(from).slice(0, 10) : "";

/** Where its bars are: x, y and width, three numbers each. */
function place(
  scene: Scene,
  { bars, rows, top }: Lane,
  into: Record<Look, number[]>,
): void {
  const { span, now } = scene;
  for (let n = 0; n < bars.length; n++) {
    const { from, to, look } = bars[n]!;
    const end = to ?? now;
    if (from > span.to) break;
    if (end < span.from) continue;
    const x = Math.max(scene.gutter - NARROWEST, xOf(scene, from));
    const width = Math.max(NARROWEST, xOf(scene, end) - x);
    const y = AXIS + top - scene.top + 4 + rows[n]! * ROW;
    into[look].push(x, y, width);
  }
}

function grid(
  canvas: CanvasRenderingContext2D,
  scene: Scene,
  colors: Colors,
): void {
  const { width, height, gutter, span } = scene;
  const most = Math.max(2, Math.floor((width - gutter) / 75));
  for (const { at, label, strong } of marksOf(span, most)) {
    const x = Math.round(xOf(scene, at));
    canvas.fillStyle = colors.rule;
    canvas.fillRect(x, strong ? 0 : AXIS - 6, 1, height);
    canvas.fillStyle = strong ? colors.ink : colors.soft;
    const end = x + 4 + canvas.measureText(label).width;
    if (end <= width) canvas.fillText(label, x + 4, AXIS / 2);
  }
  canvas.fillStyle = colors.rule;
  canvas.fillRect(0, AXIS - 1, width, 1);
}

function names(
  canvas: CanvasRenderingContext2D,
  { lanes, top, gutter, width }: Scene,
  colors: Colors,
  first: number,
  last: number,
): void {
  canvas.save();
  canvas.beginPath();
  canvas.rect(0, AXIS, gutter - 6, 1e6);
  canvas.clip();
  for (let n = first; n < last; n++) {
    const lane = lanes[n]!;
    const y = AXIS + lane.top - top;
    canvas.fillStyle = colors.ink;
    canvas.fillText(visible(lane.name).slice(0, 80), 8, y + 10);
  }
  canvas.restore();
  canvas.fillStyle = colors.rule;
  for (let n = first; n < last; n++)
    canvas.fillRect(0, AXIS + lanes[n]!.top - top, width, 1);
  const end = lanes[last - 1];
  if (end) canvas.fillRect(0, AXIS + end.top + end.height - top, width, 1);
  canvas.fillRect(gutter - 1, AXIS, 1, 1e6);
}

/** The bar at a place of the canvas; those that are narrow are easier to meet than they are drawn. */
export function barAt(scene: Scene, x: number, y: number): Bar | null {
  const inLanes = y - AXIS + scene.top;
  const lane = scene.lanes[laneAt(scene.lanes, inLanes)];
  if (!lane || y < AXIS || x < scene.gutter) return null;
  const row = Math.floor((inLanes - lane.top - 4) / ROW);
  let nearest: Bar | null = null;
  let distance = 4;
  lane.bars.forEach((bar, n) => {
    if (lane.rows[n] !== row) return;
    const from = xOf(scene, bar.from);
    const to = Math.max(from + NARROWEST, xOf(scene, bar.to ?? scene.now));
    const off = x < from ? from - x : x > to ? x - to : 0;
    if (off < distance) [nearest, distance] = [bar, off];
  });
  return nearest;
}
