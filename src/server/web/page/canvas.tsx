/** The lanes on a canvas: dragged, zoomed and pointed at, by hand or by keys. */
import { useEffect, useRef, useState } from "preact/hooks";
import { LONGEST_MS, SHORTEST_MS, type Span } from "./axis.ts";
import {
  AXIS,
  type Colors,
  type Scene,
  barAt,
  colorsOf,
  draw,
  timeAt,
} from "./draw.ts";
import type { Bar, Lane } from "./lanes.ts";
import { go } from "./place.ts";
import { duration, localTime, visible } from "./words.ts";

interface Given {
  lanes: readonly Lane[];
  span: Span;
  at: number | null;
  /** When it comes to rest. */
  onSpan: (span: Span) => void;
  onPick: (moment: number) => void;
}

/** Farther is a drag. */
const CLICK = 4;
const GUTTER = 210;
const NARROW_GUTTER = 96;
const REST_MS = 200;

export function Canvas(given: Given) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const surface = useRef<Surface | null>(null);
  const [tip, setTip] = useState<{ bar: Bar; x: number; y: number } | null>(
    null,
  );
  useEffect(() => {
    const made = new Surface(box.current!, canvas.current!, setTip);
    surface.current = made;
    return () => made.end();
  }, []);
  useEffect(() => surface.current!.show(given));
  const last = given.lanes.at(-1);
  const height = AXIS + (last ? last.top + last.height : 0) + 12;
  return (
    <div class="lanes" ref={box} style={{ "--content": `${height}px` }}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label="Sessions over time. Left and right move, plus and minus zoom, Enter asks who was in at the middle; the answer is a table below."
      />
      <div style={{ height: `${height}px` }} />
      {tip && (
        <div
          class="tip"
          aria-hidden="true"
          style={{ left: `${tip.x}px`, top: `${tip.y}px` }}
        >
          <strong>{visible(`${tip.bar.username}@${tip.bar.hostname}`)}</strong>{" "}
          {visible(tip.bar.component)}
          <br />
          {localTime(tip.bar.from)}
          {tip.bar.to === null
            ? ", still in"
            : `, ${duration((tip.bar.to - tip.bar.from) / 1_000)}`}
          {tip.bar.failed_commands > 0 &&
            `, ${tip.bar.failed_commands} commands failed`}
        </div>
      )}
    </div>
  );
}

type Tip = (tip: { bar: Bar; x: number; y: number } | null) => void;

/** What is drawn between two answers of the server is no business of the page's tree. */
class Surface {
  private given: Given | null = null;
  private span: Span = { from: 0, to: 1 };
  private brush: Span | null = null;
  private pointed: number | null = null;
  private colors: Colors;
  private frame = 0;
  private rest: Timer | undefined;
  private readonly gone = new AbortController();
  private readonly sizes: ResizeObserver;
  private readonly dark = matchMedia("(prefers-color-scheme: dark)");

  constructor(
    private readonly box: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly tip: Tip,
  ) {
    const { signal } = this.gone;
    this.colors = colorsOf(box);
    this.sizes = new ResizeObserver(() => this.redraw());
    this.sizes.observe(box);
    this.dark.addEventListener(
      "change",
      () => {
        this.colors = colorsOf(box);
        this.redraw();
      },
      { signal },
    );
    box.addEventListener("scroll", () => this.redraw(), { signal });
    canvas.addEventListener("pointerdown", (e) => this.press(e), { signal });
    canvas.addEventListener("pointermove", (e) => this.hover(e), { signal });
    canvas.addEventListener("pointerleave", () => this.leave(), { signal });
    canvas.addEventListener("dblclick", (e) => this.open(e), { signal });
    canvas.addEventListener("wheel", (e) => this.wheel(e), {
      ...{ signal, passive: false },
    });
    canvas.addEventListener("keydown", (e) => this.key(e), { signal });
  }

  show(given: Given): void {
    const before = this.given?.span;
    this.given = given;
    // While it is moved by hand the page's span lags behind.
    if (before?.from !== given.span.from || before.to !== given.span.to)
      if (this.rest === undefined) this.span = given.span;
    this.redraw();
  }

  end(): void {
    this.gone.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
  }

  private get scene(): Scene {
    const { clientWidth: width, clientHeight: height, scrollTop } = this.box;
    return {
      ...{ lanes: this.given?.lanes ?? [], span: this.span, width, height },
      ...{ top: scrollTop, brush: this.brush, at: this.given?.at ?? null },
      gutter: width < 600 ? NARROW_GUTTER : GUTTER,
      pointed: this.pointed,
      now: Date.now(),
    };
  }

  private redraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const { scene, canvas } = this;
      const ratio = devicePixelRatio;
      const [w, h] = [scene.width * ratio, scene.height * ratio];
      if (canvas.width !== Math.round(w) || canvas.height !== Math.round(h)) {
        canvas.width = Math.round(w);
        canvas.height = Math.round(h);
        canvas.style.width = `${scene.width}px`;
        canvas.style.height = `${scene.height}px`;
      }
      const context = canvas.getContext("2d", { alpha: false })!;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw(context, scene, this.colors);
    });
  }

  private move(span: Span): void {
    const length = Math.min(
      Math.max(span.to - span.from, SHORTEST_MS),
      LONGEST_MS,
    );
    const middle = (span.from + span.to) / 2;
    this.span = { from: middle - length / 2, to: middle + length / 2 };
    this.tip(null);
    this.redraw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.rest = undefined;
      this.given!.onSpan(this.span);
    }, REST_MS);
  }

  /** @param center what stays where it is */
  private zoom(factor: number, center: number): void {
    const { from, to } = this.span;
    this.move({
      from: center - (center - from) * factor,
      to: center + (to - center) * factor,
    });
  }

  private press(down: PointerEvent): void {
    if (down.button !== 0) return;
    const { canvas, span } = this;
    const begun = this.scene;
    const top = this.box.scrollTop;
    const isBrush = down.offsetY < AXIS || down.shiftKey;
    const x = down.offsetX;
    const [clientX, clientY] = [down.clientX, down.clientY];
    let dragged = false;
    canvas.setPointerCapture(down.pointerId);
    const over = new AbortController();
    const { signal } = over;
    const moved = (e: PointerEvent) => {
      const [dx, dy] = [e.clientX - clientX, e.clientY - clientY];
      dragged ||= Math.abs(dx) > CLICK || Math.abs(dy) > CLICK;
      if (!dragged) return;
      if (isBrush) {
        this.brush = { from: timeAt(begun, x), to: timeAt(begun, x + dx) };
        return this.redraw();
      }
      const by = timeAt(begun, x) - timeAt(begun, x + dx);
      this.box.scrollTop = top - dy;
      this.move({ from: span.from + by, to: span.to + by });
    };
    const ended = () => {
      over.abort();
      const { brush } = this;
      this.brush = null;
      if (brush)
        this.move({
          from: Math.min(brush.from, brush.to),
          to: Math.max(brush.from, brush.to),
        });
      else if (!dragged && x >= begun.gutter)
        this.given!.onPick(timeAt(begun, x));
    };
    canvas.addEventListener("pointermove", moved, { signal });
    canvas.addEventListener("pointerup", ended, { signal });
    canvas.addEventListener(
      "pointercancel",
      () => {
        over.abort();
        this.brush = null;
        this.redraw();
      },
      { signal },
    );
  }

  private leave(): void {
    this.pointed = null;
    this.tip(null);
    this.redraw();
  }

  private hover({ offsetX: x, offsetY: y, buttons }: PointerEvent): void {
    const { scene } = this;
    this.pointed = x >= scene.gutter ? timeAt(scene, x) : null;
    this.redraw();
    const bar = buttons === 0 ? barAt(this.scene, x, y) : null;
    this.canvas.style.cursor = bar
      ? "pointer"
      : y < AXIS
        ? "col-resize"
        : "grab";
    const left = Math.min(x + 12, this.box.clientWidth - 260);
    this.tip(bar && { bar, x: left, y: y + this.box.scrollTop + 16 });
  }

  private open({ offsetX, offsetY }: MouseEvent): void {
    const bar = barAt(this.scene, offsetX, offsetY);
    if (bar) go("session", { id: bar.session_id });
  }

  /** With Ctrl it zooms, sideways it moves; else the lanes scroll. */
  private wheel(e: WheelEvent): void {
    if (e.ctrlKey) {
      e.preventDefault();
      this.zoom(1.002 ** e.deltaY, timeAt(this.scene, e.offsetX));
    } else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      e.preventDefault();
      const { scene } = this;
      const by = timeAt(scene, e.deltaX) - timeAt(scene, 0);
      this.move({ from: this.span.from + by, to: this.span.to + by });
    }
  }

  private key(e: KeyboardEvent): void {
    const { from, to } = this.span;
    const by = (to - from) / 10;
    const middle = (from + to) / 2;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => this.move({ from: from - by, to: to - by }),
      ArrowRight: () => this.move({ from: from + by, to: to + by }),
      "+": () => this.zoom(0.7, middle),
      "=": () => this.zoom(0.7, middle),
      "-": () => this.zoom(1 / 0.7, middle),
      ArrowDown: () => void (this.box.scrollTop += 40),
      ArrowUp: () => void (this.box.scrollTop -= 40),
      Enter: () => this.given!.onPick(middle),
    };
    const act = keys[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  }
}
