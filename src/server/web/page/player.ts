/** What plays recordings: a script of its own, which is fetched where one is played. */
import "./letter-width.ts";
import {
  type Options,
  type Player,
  type Source,
  create as createPlayer,
} from "asciinema-player";

export { transcriptOf } from "./transcript-lines.ts";

const LOOK: Options = {
  controls: false,
  fit: "width",
  theme: "session-buddy",
  cursorMode: "steady",
  terminalFontFamily: "var(--mono)",
};

/** A player that looks as the page does, whether it is live or recorded. */
export const create = (
  source: Source,
  element: HTMLElement,
  options: Options,
): Player => createPlayer(source, element, { ...LOOK, ...options });
