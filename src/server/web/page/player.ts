/** What plays recordings: a script of its own, which is fetched where one is played. */
import "./letter-width.ts";
export { create } from "asciinema-player";
export { transcriptOf } from "./transcript-lines.ts";
