/** The terminal of a session as it was recorded, or as it is now. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Controls, FullScreen, toFullScreen } from "./controls.tsx";
import { place, refine } from "./place.ts";
import { Playing } from "./playing.ts";
import { Transcript } from "./transcript.tsx";
import type { WholeSession } from "./types.ts";
import { duration, size } from "./words.ts";

/** What the end of a session says of its recording. */
interface Facts {
  bytes: number;
  duration_ms: number;
  omitted_bytes: number;
}

/** `unknown` of one that has not come to its end, or whose end nobody saw. */
export function recordingOf(of: WholeSession): Facts | "unknown" | "none" {
  const facts = of.metadata["recording"] as Facts | null | undefined;
  if (facts) return facts;
  return of.status === "ended" && of.end_source === "observed"
    ? "none"
    : "unknown";
}

export function Terminal({
  of,
  playing,
}: {
  of: WholeSession;
  playing: Playing;
}) {
  const { query } = place.value;
  const host = useRef<HTMLDivElement>(null);
  const [opened] = useState(() => ({ t: query["t"], live: query["live"] }));
  const facts = recordingOf(of);
  useEffect(() => {
    if (facts === "none") return;
    playing.attach(host.current!);
    const at_s = Number(opened.t);
    if (opened.live === "1" && of.status === "active") void playing.follow();
    else if (opened.t !== undefined && at_s >= 0) void playing.open(at_s);
  }, [playing]);
  useEffect(() => {
    // A link to another second of the same session. What the player itself wrote is no
    // such: it may have gone on since.
    const { t } = query;
    if (t === undefined || t === playing.written) return;
    const at_s = Number(t);
    if (at_s >= 0) void playing.seek(at_s);
  }, [query["t"]]);
  if (facts === "none")
    return <p class="soft">Its terminal was not recorded.</p>;
  const state = playing.state.value;
  const head = playing.head.value;
  const open = state === "ready" || state === "live" || state === "over";
  return (
    <section class="terminal" aria-label="Terminal">
      <div
        class={open ? "screen" : "screen closed"}
        role="group"
        tabIndex={open ? 0 : undefined}
        aria-label={state === "live" ? NOW_LABEL : LABEL}
        onKeyDownCapture={(event) => keys(event, playing)}
        onClick={() => {
          if (state === "ready" && getSelection()?.isCollapsed !== false)
            playing.toggle();
        }}
      >
        <div ref={host} style={head && open ? widest(head) : {}} />
        {!open && <Poster of={of} facts={facts} playing={playing} />}
      </div>
      {playing.trouble.value !== null && (
        <p class="error" role="alert">
          {playing.trouble.value}
        </p>
      )}
      {state === "ready" && playing.note.value !== null && (
        <p class="soft" role="status">
          {playing.note.value}
        </p>
      )}
      {state === "ready" && <Controls playing={playing} />}
      {(state === "live" || state === "over") && (
        <Watched of={of} playing={playing} />
      )}
      {state === "ready" && <Transcript playing={playing} />}
    </section>
  );
}

const LABEL =
  "The terminal as it was. Space plays and pauses, left and right go five seconds, brackets to the command before and after; its text stands below.";
const NOW_LABEL = "The terminal as it is now.";

/** So wide that it is no higher than two thirds of the window; all of it in full screen. */
function widest({ columns, rows }: { columns: number; rows: number }) {
  const vh = (share: number) => (share * columns * 0.6) / (rows * 1.34);
  return {
    "--wide": `min(${columns * 10}px, ${vh(66).toFixed(1)}vh)`,
    "--full": `${vh(98).toFixed(1)}vh`,
  };
}

function Poster({
  of,
  facts,
  playing,
}: {
  of: WholeSession;
  facts: Facts | "unknown" | "none";
  playing: Playing;
}) {
  if (playing.state.value === "loading")
    return (
      <p role="status">
        fetching the recording… {size(playing.loaded_bytes.value)}
      </p>
    );
  const isOn = of.status === "active";
  return (
    <>
      <p>
        {typeof facts === "object"
          ? `Its terminal was recorded: ${duration(facts.duration_ms / 1_000)}, ${size(facts.bytes)}${facts.omitted_bytes > 0 ? `, ${size(facts.omitted_bytes)} left out` : ""}.`
          : isOn
            ? "It goes on. What its terminal shows can be watched where it is recorded on the server's host."
            : "Nobody saw its end: whether it was recorded is to be tried."}
      </p>
      <p class="quiet">That somebody watches it is recorded, too.</p>
      <p class="filters">
        {isOn && (
          <button
            type="button"
            onClick={() => {
              refine({ live: "1", t: null });
              void playing.follow();
            }}
          >
            Watch live
          </button>
        )}
        <button
          type="button"
          onClick={() => {
            const { command } = place.value.query;
            const at = of.commands.find(
              ({ event_seq }) => String(event_seq) === command,
            );
            if (at) void playing.openAt(Date.parse(at.start_time));
            else void playing.open(0, true);
          }}
        >
          {isOn ? "Play from the start" : "Play"}
        </button>
      </p>
    </>
  );
}

/** What is said below one that is watched as it goes on. */
function Watched({ of, playing }: { of: WholeSession; playing: Playing }) {
  const isOver = playing.state.value === "over";
  return (
    <div class="controls">
      <span role="status" class={isOver ? "soft" : "outcome active"}>
        {isOver ? (playing.note.value ?? "It has ended.") : "live"}
      </span>
      <button
        type="button"
        onClick={() => {
          refine({ live: null });
          void playing.open(isOver ? 0 : Infinity, isOver);
        }}
      >
        {isOver || of.status !== "active" ? "Play from the start" : "Stop"}
      </button>
      <FullScreen />
    </div>
  );
}

const STEP_S = 5;
const STRIDE_S = 60;

/** The keys of `session-buddy replay`. */
function keys(event: KeyboardEvent, playing: Playing): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLButtonElement) return;
  // The player has others of its own.
  event.stopPropagation();
  if (event.key === "f") return toFullScreen();
  if (playing.state.value !== "ready") return;
  const acts: Record<string, () => void> = {
    " ": () => playing.toggle(),
    ArrowLeft: () => playing.step(-STEP_S),
    ArrowRight: () => playing.step(STEP_S),
    ArrowDown: () => playing.step(-STRIDE_S),
    ArrowUp: () => playing.step(STRIDE_S),
    "[": () => playing.toMarker(-1),
    "]": () => playing.toMarker(1),
    Home: () => void playing.seek(0),
    End: () => void playing.seek(playing.length_s),
    "+": () => playing.faster(1),
    "-": () => playing.faster(-1),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
