/** What a recording is played by: where it is, how fast, and whether waits are skipped. */
import { useEffect } from "preact/hooks";
import { refine } from "./place.ts";
import { IDLE_S, type Playing, SPEEDS } from "./playing.ts";
import { duration, localTime, visible } from "./words.ts";

/** More would be a grey band. */
const MARKS_MAX = 300;

export function Controls({ playing }: { playing: Playing }) {
  const plays = playing.plays.value;
  const at_s = playing.at_s.value;
  const { length_s } = playing;
  const pace = playing.pace.value;
  const end_s = pace.played(length_s);
  const began_ms = playing.head.value!.began_ms;
  const pacing = playing.pacing.value;
  const { markers } = playing;
  const marks = markers.length > MARKS_MAX ? [] : markers;
  useEffect(() => {
    // Where it rests stands in the address.
    if (plays) return;
    playing.written = at_s < 0.05 ? null : at_s.toFixed(1);
    refine({ t: playing.written });
  }, [plays, plays ? null : at_s]);
  return (
    <div class="controls" role="group" aria-label="Playback">
      <span class="seek">
        <input
          type="range"
          aria-label="Where in the recording"
          aria-valuetext={`${duration(at_s)} of ${duration(length_s)}`}
          min={0}
          max={end_s}
          step={0.1}
          value={pace.played(at_s)}
          onInput={({ currentTarget: { valueAsNumber } }) =>
            void playing.seek(pace.recorded(valueAsNumber))
          }
        />
        <span class="marks" aria-hidden="true">
          {marks.map(([at, label], n) => (
            <span
              key={n}
              title={visible(label)}
              style={{ left: `${(pace.played(at) / end_s) * 100}%` }}
            />
          ))}
        </span>
      </span>
      <button
        type="button"
        aria-label={plays ? "Pause" : "Play"}
        class="play"
        onClick={() => playing.toggle()}
      >
        <span aria-hidden="true">{plays ? "❚❚" : "▶"}</span>
      </button>
      <span class="number">
        {localTime(began_ms + at_s * 1_000).slice(11)}{" "}
        <span class="soft">
          {clockOf(at_s)} / {clockOf(length_s)}
        </span>
      </span>
      <label>
        Speed
        <select
          value={pacing.speed}
          onInput={({ currentTarget: { value } }) =>
            void playing.setPacing({ speed: Number(value) })
          }
        >
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {speed}×
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={pacing.idle_s !== null}
          onInput={({ currentTarget: { checked } }) =>
            void playing.setPacing({ idle_s: checked ? IDLE_S : null })
          }
        />
        shorten waits
      </label>
      <FullScreen />
    </div>
  );
}

export const FullScreen = () => (
  <button type="button" class="plain" onClick={toFullScreen}>
    Full screen
  </button>
);

/** The terminal alone, until Escape. */
export function toFullScreen(): void {
  const screen = document.querySelector<HTMLElement>(".screen");
  if (document.fullscreenElement) void document.exitFullscreen();
  // Where the browser has none, nothing happens.
  else
    screen?.requestFullscreen?.().then(
      () => screen.focus(),
      () => {},
    );
}

/** `1:02:03`, `02:03` */
function clockOf(seconds: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const rest = `${two((seconds % 3_600) / 60)}:${two(seconds % 60)}`;
  return seconds < 3_600 ? rest : `${Math.floor(seconds / 3_600)}:${rest}`;
}
