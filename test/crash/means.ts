/** What rounds need of this machine, got ready once. */
import { needsRoot } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";
import { Injector } from "./inject.ts";
import type { Means } from "./round.ts";

export async function ready(): Promise<Means> {
  // The native library is unpacked once, not under fire.
  using first = new Sandbox();
  await first.run(["list-sessions"]);
  return { injector: Injector.build(), root: needsRoot("nsenter") };
}
