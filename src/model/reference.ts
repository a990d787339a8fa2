/** Finds a session by its id, a unique prefix of it, its last 8 hex, or its name. */
import { type Failure, fail } from "./failure.ts";
import { isSessionId } from "./id.ts";
import type { Session } from "./session.ts";
import type { SessionStore } from "./store.ts";

const MAX_CANDIDATES = 10;
const MAX_SAID = 200;

/**
 * @returns null when there is none
 * @throws Failure (ambiguous) with those that it may mean
 */
export async function findSession(
  store: SessionStore,
  reference: string,
): Promise<Session | null> {
  if (reference === "") return null;
  const exact = isSessionId(reference) ? await store.get(reference) : null;
  if (exact) return exact;
  const limit = MAX_CANDIDATES + 1;
  // Names come last: one may look like an id.
  for (const filter of [{ reference }, { name: reference }]) {
    const found = await Array.fromAsync(store.list({ ...filter, limit }));
    if (found.length > 1) throw ambiguous(reference, found);
    if (found[0]) return found[0];
  }
  return null;
}

/** @param found what a reference may mean, more than one */
export function ambiguous(
  reference: string,
  found: readonly { session_id: string }[],
): Failure {
  const many =
    found.length > MAX_CANDIDATES
      ? `more than ${MAX_CANDIDATES}`
      : found.length;
  return fail.ambiguous(
    `'${shortened(reference)}' may mean ${many} sessions`,
    `give more of the id: ${found
      .slice(0, MAX_CANDIDATES)
      .map(({ session_id }) => session_id)
      .join(", ")}`,
  );
}

/** @param hint where to look */
export const noSession = (reference: string, hint: string): Failure =>
  fail.not_found(`no session '${shortened(reference)}'`, hint);

const shortened = (reference: string) => reference.slice(0, MAX_SAID);
