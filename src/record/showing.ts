/** What a session records of what its program shows: whether it does, and what that came to. */
import type { Failure } from "../model/failure.ts";
import type { JsonObject } from "../model/event.ts";
import type { Run } from "./outcome.ts";
import { unscreened } from "./refusals.ts";
import type { Screen, Shown, WrapRequest } from "./request.ts";

export class Showing {
  private screen: Screen | null = null;
  /** null: nobody asked for it. */
  shown: Shown | null = null;
  measured: JsonObject = {};
  /** What is missing, in words. */
  trouble: string | null = null;

  constructor(private readonly request: WrapRequest) {}

  /** @returns why nothing may be run: strictly, what is to be recorded is */
  async begin(run: Run, session_id: string): Promise<Failure | null> {
    const { screen, say, strict } = this.request;
    if (!screen) return null;
    const opened = await screen.open(run, session_id);
    if ("end" in opened) {
      this.screen = opened;
      this.shown = { by: screen.by };
      return null;
    }
    const not = "trouble" in opened ? opened.trouble : opened.without;
    this.shown = { not };
    if (strict && "trouble" in opened) return unscreened(not);
    if (!say)
      screen.say?.(`session-buddy: its screen is not recorded: ${not}\n`);
    return null;
  }

  /** Nothing more is shown. */
  end(): void {
    const recording = this.screen?.end();
    if (!recording) return;
    this.measured = { recording };
    const { trouble } = recording;
    if (trouble !== undefined) this.trouble = String(trouble);
  }
}
