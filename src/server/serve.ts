/**
 * Where a server listens: on TCP for MCP clients, and on a socket of its own
 * user's for our commands. Every request goes the same way, from the edge
 * inwards: pressure, Host and Origin, who asks, body, token; then its route.
 */
import { rmSync } from "node:fs";
import type { Server } from "bun";
import type { Settings } from "../config.ts";
import type { Log } from "../log.ts";
import { Failure, errnoOf, reasonOf } from "../model/failure.ts";
import { type Peer, tcpPeer } from "../os/peer.ts";
import { portHolder } from "../os/port.ts";
import { VERSION } from "../version.ts";
import type { Auth } from "./auth.ts";
import type { Caller } from "./caller.ts";
import type { Core } from "./core.ts";
import { Guard } from "./guard.ts";
import { LocalTools } from "./local.ts";
import { McpEndpoint } from "./mcp.ts";
import type { Metrics } from "./metrics.ts";
import { type Route, SAFE_HEADERS, refusal, routeOf } from "./refusal.ts";

export interface Parts {
  settings: Settings;
  core: Core;
  auth: Auth;
  metrics: Metrics;
  log: Log;
  /** Where our own commands find us. */
  socket: string;
  readOnly: boolean;
}

/** Streams may be quiet for long; the runtime's own limit of 10 s would end them. */
const IDLE_SECONDS = 255;
/** Above our own limit of a body: the runtime's refusal would be without words. */
const RUNTIME_BODY_BYTES = 16 * 1024 * 1024;
/** How long calls under way may take once the server is told to stop. */
const GRACE_MS = 5_000;
