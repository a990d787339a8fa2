/** The columns of `alerts list`. */
import type { KeptAlert, Told } from "../model/alert.ts";
import { localTime } from "./format.ts";
import type { Column } from "./table.ts";

const NEW = "\x1b[1m";

/** `new`, `over` where what it was about holds no more, `acked`. */
const stateOf = ({ acked, resolved }: KeptAlert): string =>
  acked ? "acked" : resolved ? "over" : "new";

/** `log,ops`, and of those who could not be told yet how often that was tried. */
const toldOf = ({ told }: KeptAlert): string =>
  Object.entries(told)
    .map(([channel, of]) => channel + unfinished(of))
    .join(",") || "-";

const unfinished = ({ state, attempts }: Told): string =>
  state === "told"
    ? ""
    : state === "pending"
      ? `:waits(${attempts})`
      : ":given-up";

export const ALERT_COLUMNS: readonly Column<KeptAlert>[] = [
  // alerts ack takes the end of one.
  { header: "ID", value: ({ id }) => id, person: ({ id }) => id.slice(-8) },
  { header: "TIME", value: ({ time }, zone) => localTime(time, zone), drop: 2 },
  { header: "RULE", value: ({ rule }) => rule, shrink: "name" },
  {
    header: "STATE",
    value: stateOf,
    color: (alert) => (stateOf(alert) === "new" ? NEW : ""),
    drop: 3,
  },
  { header: "TOLD", value: toldOf, drop: 1 },
  { header: "WHAT", value: ({ text }) => text, text: true },
];
