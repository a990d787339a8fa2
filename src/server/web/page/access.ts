/**
 * The page's token: the code of the address is traded for it once. It is kept for
 * this tab alone, and never in a cookie, which other services of the host would get.
 */
import { signal } from "@preact/signals";

const KEY = "session-buddy";

interface Access {
  token: string;
  /** null of one that was typed in. */
  subject: string | null;
}

export const access = signal<Access | null>(stored());
/** Why somebody has to sign in; null before anything was tried. */
export const refusal = signal<string | null>(null);

function stored(): Access | null {
  const text = sessionStorage.getItem(KEY);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Access;
  } catch {
    return null;
  }
}

/** Whether the next token of another tab is taken. */
let asks = false;

export function signIn(given: Access): void {
  asks = false;
  sessionStorage.setItem(KEY, JSON.stringify(given));
  refusal.value = null;
  access.value = given;
}

export function signOut(why: string | null): void {
  asks = false;
  sessionStorage.removeItem(KEY);
  refusal.value = why;
  access.value = null;
}

/** Tabs of one browser hand each other the token; pages of other origins hear nothing of it. */
const tabs = new BroadcastChannel(KEY);
/** For the answer of another tab. */
const TABS_MS = 200;
const heard = Promise.withResolvers<void>();

tabs.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
  if (data === "who?" && access.value) tabs.postMessage(access.value);
  if (data === "leave") signOut(null);
  // Late, too: the other tab may have been busy.
  if (asks && typeof data === "object" && data !== null) {
    signIn(data as Access);
    heard.resolve();
  }
});

/** Ends it here and in the other tabs. */
export function leave(): void {
  tabs.postMessage("leave");
  signOut(null);
}

async function askTabs(): Promise<void> {
  asks = true;
  tabs.postMessage("who?");
  setTimeout(heard.resolve, TABS_MS);
  await heard.promise;
}

/** Trades the code that stands in the address, which is cleared at once. */
export async function enter(): Promise<void> {
  const { k, to } = Object.fromEntries(
    new URLSearchParams(location.hash.slice(1)),
  );
  if (k === undefined) return access.value ? undefined : askTabs();
  history.replaceState(null, "", `/#${to ?? "/now"}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
  try {
    signIn(await posted<Access>("/web/token", { code: k }));
  } catch (error) {
    if (access.value === null) refusal.value = (error as Error).message;
  }
}

/** @throws Error with the server's sentence */
export async function posted<T>(
  path: string,
  body: object,
  signal?: AbortSignal,
): Promise<T> {
  const response = await request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
  return (await response.json()) as T;
}

/**
 * A stream of the server's.
 * @throws Error with the server's sentence
 */
export const fetched = (path: string, signal: AbortSignal): Promise<Response> =>
  request(path, { signal });

async function request(path: string, init: RequestInit): Promise<Response> {
  const token = access.value?.token;
  const headers = {
    ...(init.headers as Record<string, string>),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const response = await fetch(path, { ...init, headers }).catch(away);
  if (response.ok) return response;
  const message = await sentenceOf(response);
  if (response.status === 401 && token !== undefined) signOut(message);
  throw new Error(message);
}

/** What browsers say of it differs, and helps nobody. */
export function away(error: unknown): never {
  if (!(error instanceof TypeError)) throw error;
  throw new Error("the server is not reached: it may be stopped, or away");
}

async function sentenceOf(response: Response): Promise<string> {
  const said = `the server said ${response.status}`;
  try {
    const { error } = (await response.json()) as {
      error?: { message: string } | null;
    };
    return error?.message ?? said;
  } catch {
    return said;
  }
}
