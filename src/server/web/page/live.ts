/** Hears from the server that something was stored, over one stream that stays open. */
import { effect, signal } from "@preact/signals";
import { access, signOut } from "./access.ts";

/** The newest event's number; it changes when something was stored. */
export const news = signal(0);
export const connected = signal(false);
/** The moment, once a second, for what has no end yet. */
export const clock = signal(Date.now());

const AGAIN_MS = 2_000;

setInterval(() => {
  if (!document.hidden) clock.value = Date.now();
}, 1_000);

/** Listens for as long as there is a token. */
export function listen(): void {
  effect(() => {
    const token = access.value?.token;
    if (token === undefined) return;
    const gone = new AbortController();
    void follow(token, gone.signal);
    return () => gone.abort();
  });
}

async function follow(token: string, gone: AbortSignal): Promise<void> {
  while (!gone.aborted) {
    try {
      await readStream(token, gone);
    } catch {
      // The server is away: the next try tells whether it is back.
    }
    connected.value = false;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function readStream(token: string, gone: AbortSignal): Promise<void> {
  const response = await fetch("/web/live", {
    headers: { authorization: `Bearer ${token}` },
    signal: gone,
  });
  // One that began anew may serve no page, until somebody asks for it.
  if (response.status === 401 || response.status === 404)
    return signOut("this page's time is over, or the server began anew");
  if (!response.ok || !response.body) return;
  connected.value = true;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    for (const line of lines)
      if (line.startsWith("data: "))
        news.value = (JSON.parse(line.slice(6)) as { seq: number }).seq;
  }
}
