/** What the player is given of a terminal that is watched as it goes on. */
import type { Source } from "asciinema-player";
import type { CastEvent, CastHead } from "./cast.ts";

interface Callbacks {
  dispatch: (name: string, data?: unknown) => void;
}

export interface LiveScreen {
  /** A driver: the player takes functions, which its types do not say. */
  source: Source;
  show(events: readonly CastEvent[]): void;
  end(): void;
}

export function liveSource({ columns, rows }: CastHead): LiveScreen {
  let dispatch: Callbacks["dispatch"] | null = null;
  let at_s = 0;
  const waiting: CastEvent[] = [];
  const draw = (events: readonly CastEvent[]) => {
    for (const [at, code, data] of events) {
      at_s = at;
      if (code === "o") dispatch!("output", data);
      else if (code === "r") {
        const [cols, rows] = data.split("x").map(Number);
        dispatch!("resize", { cols, rows });
      }
    }
  };
  const driver = (callbacks: Callbacks) => ({
    init: () => callbacks.dispatch("metadata", { hasAudio: false }),
    play: () => {
      dispatch = callbacks.dispatch;
      const size = { cols: columns, rows };
      dispatch("play");
      dispatch("reset", { size, theme: null });
      dispatch("playing");
      draw(waiting.splice(0));
      return true;
    },
    getTiming: () => ({ time: at_s, rate: 0, sampledAt: performance.now() }),
  });
  return {
    source: driver as unknown as Source,
    show: (events) => {
      if (dispatch === null) waiting.push(...events);
      else draw(events);
    },
    end: () => dispatch?.("ended"),
  };
}
