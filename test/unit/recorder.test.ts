/** What is written of a terminal's output when not all of it may be. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { EVERY_RULE } from "../../src/model/redaction/custom.ts";
import { Recorder } from "../../src/record/recorder.ts";
import { played } from "../support/recorded-screen.ts";
import { Sandbox } from "../support/sandbox.ts";

const ID = "bash-20260206-123456-00000001";

test.each([4_095, 65_520, 65_536])(
  "up to its size a recording is the beginning of what was shown, in pieces of %d bytes",
  (piece) => {
    using sandbox = new Sandbox();
    const recorder = new Recorder(
      sandbox.data,
      {
        ...{ session_id: ID, started_at: new Date().toISOString() },
        ...{ columns: 120, rows: 40, term: "xterm" },
      },
      EVERY_RULE,
      { session_bytes: 65_536, max_bytes: 1e9, leave() {} },
      () => {},
    );
    let seed = 7;
    const word = () =>
      (seed = (seed * 48_271) % 2_147_483_647).toString(8).padStart(11, "0");
    const rows = Array.from({ length: 8_000 }, () => `${word()} ${word()}\r\n`);
    // Its last row goes on: it is held until the end.
    const output = Buffer.from(`first\r\n${rows.join("")}the rest`);
    for (let at = 0; at < output.length; at += piece)
      recorder.shown({ at_us: at, bytes: output.subarray(at, at + piece) });
    const facts = recorder.close(output.length);
    const path = join(sandbox.data, "recordings", `${ID}.rec`);
    const { file, shown, omitted } = played(path);
    expect(shown.length).toBeGreaterThan(50_000);
    expect(output.subarray(0, shown.length).equals(shown)).toBe(true);
    expect(file.length).toBeLessThanOrEqual(65_536);
    const left_out = output.length - shown.length;
    expect(facts).toMatchObject({ omitted_bytes: left_out });
    expect(omitted.reduce((sum, bytes) => sum + bytes, 0)).toBe(left_out);
  },
);
