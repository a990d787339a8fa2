/** health_check: whether the server works. */
import { z } from "zod";
import { VERSION } from "../../version.ts";
import { seconds, text } from "./fields.ts";
import { tool } from "./tool.ts";

/** The state of a part of the server. */
export const check = (ok: boolean): "ok" | "failed" => (ok ? "ok" : "failed");

export const healthCheck = tool({
  name: "health_check",
  title: "Health check",
  description:
    "Whether the session recorder works. Use it first when other calls fail. Example: {}",
  access: "open",
  input: z.strictObject({}),
  output: z.object({
    status: z.enum(["healthy", "degraded"]),
    service: text,
    version: text,
    uptime_seconds: seconds,
    checks: z.record(text, z.enum(["ok", "failed"])),
  }),
  run({ health }) {
    const started = performance.now();
    return () => {
      const { healthy, checks } = health();
      return {
        status: healthy ? "healthy" : "degraded",
        service: "session-buddy",
        version: VERSION,
        uptime_seconds: Math.floor((performance.now() - started) / 1_000),
        checks,
      };
    };
  },
});
