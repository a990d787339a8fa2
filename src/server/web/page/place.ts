/**
 * Which view is shown, and by what filters: all of it stands behind the # of the
 * address, which no server, proxy or log gets to see.
 */
import { signal } from "@preact/signals";

export const VIEWS = {
  now: "Now",
  timeline: "Timeline",
  session: "Session",
  search: "Search",
  charts: "Charts",
  alerts: "Alerts",
} as const;
export type View = keyof typeof VIEWS;

export interface Place {
  view: View;
  query: Readonly<Record<string, string>>;
}

/** `#/search?text=nginx`; what is no view is the first one. */
function placeIn(hash: string): Place {
  const [, name = "", query = ""] = /^#?\/?([^?]*)\??(.*)$/s.exec(hash)!;
  const view = Object.keys(VIEWS).find((each) => each === name) as View;
  return {
    view: view ?? "now",
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export const place = signal<Place>(placeIn(location.hash));

addEventListener("hashchange", () => {
  place.value = placeIn(location.hash);
});

type Query = Record<string, string | number | null | undefined>;

/** The address of a view; what is null or empty is left out. */
export function hrefOf(view: View, query: Query = {}): string {
  const given = Object.entries(query).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  const text = new URLSearchParams(
    given.map(([name, value]) => [name, String(value)]),
  ).toString();
  return `#/${view}${text === "" ? "" : `?${text}`}`;
}

export const go = (view: View, query: Query = {}): void => {
  location.hash = hrefOf(view, query);
};

/** The same view with other filters; the way back does not go through each of them. */
export function refine(query: Query): void {
  const { view, query: old } = place.value;
  history.replaceState(null, "", hrefOf(view, { ...old, ...query }));
  place.value = placeIn(location.hash);
}
