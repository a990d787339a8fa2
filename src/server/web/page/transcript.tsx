/** The text of a recording, by the commands that it belongs to. */
import { useState } from "preact/hooks";
import { hrefOf, place } from "./place.ts";
import type { Playing } from "./playing.ts";
import type { TranscriptLine } from "./transcript-lines.ts";
import { localTime, plural, visible } from "./words.ts";

/** Of lines that are shown at once. */
const PAGE = 2_000;

export function Transcript({ playing }: { playing: Playing }) {
  const [lines, setLines] = useState<readonly TranscriptLine[] | null>(null);
  const [most, setMost] = useState(PAGE);
  const began_ms = playing.head.value!.began_ms;
  const parts = lines ? partsOf(lines.slice(0, most), playing.markers) : [];
  return (
    <details
      class="transcript"
      onToggle={({ currentTarget: { open } }) => {
        if (open && lines === null) void playing.transcript().then(setLines);
      }}
    >
      <summary>Transcript</summary>
      {!lines && <p class="soft">reading it…</p>}
      {lines && (
        <p class="soft" role="status">
          {plural(lines.length, "line")} of what was to be seen. A time leads
          there.
        </p>
      )}
      {parts.map(({ at_s, text }, n) => (
        <div key={n}>
          <a
            href={hrefOf("session", {
              ...place.value.query,
              ...{ t: at_s.toFixed(1), command: null },
            })}
            onClick={() => void playing.seek(at_s)}
          >
            <time>{localTime(began_ms + at_s * 1_000).slice(11)}</time>
          </a>
          <pre>{visible(text)}</pre>
        </div>
      ))}
      {lines && lines.length > most && (
        <button type="button" onClick={() => setMost(most + PAGE)}>
          More
        </button>
      )}
    </details>
  );
}

/** From one command to the next. */
function partsOf(
  lines: readonly TranscriptLine[],
  markers: readonly (readonly [at_s: number, label: string])[],
): { at_s: number; text: string }[] {
  const parts: { at_s: number; lines: string[]; until_s: number }[] = [];
  let next = 0;
  for (const { at_s, text } of lines) {
    const last = parts.at(-1);
    if (last && at_s < last.until_s) {
      last.lines.push(text);
      continue;
    }
    while (next < markers.length && markers[next]![0] <= at_s) next++;
    const until_s = markers[next]?.[0] ?? Infinity;
    parts.push({ at_s, lines: [text], until_s });
  }
  return parts.map(({ at_s, lines }) => ({ at_s, text: lines.join("\n") }));
}
