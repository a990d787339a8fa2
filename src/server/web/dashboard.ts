/**
 * Answers the dashboard's page: its files to whoever may ask at all, the rest to who
 * has a token. What it shows it gets from the tools that MCP clients call, too.
 */
import type { PageAccess } from "../../auth/page.ts";
import type { TokenIdentity } from "../../auth/authorize.ts";
import { fail } from "../../model/failure.ts";
import { toolNamed } from "../tools/catalog.ts";
import type { Caller } from "../tools/tool.ts";
import type { ToolBackend } from "../tools/tools.ts";
import { type PageFile, PAGE_FILES, pageFile } from "./files.ts";
import { Live } from "./live.ts";

/** What the page posts to, and its stream. */
export type PageCall = "/web/token" | "/web/call" | "/web/review" | "/web/live";
export type PageRoute = PageFile | PageCall;

type Message = Readonly<Record<string, unknown>>;

export interface DashboardParts {
  access: PageAccess;
  tools: ToolBackend;
  readOnly: boolean;
  /** Of the newest event that is stored. */
  seq: () => number;
}

/** The tag of a session that somebody has looked through. */
const REVIEWED = "reviewed";

export class Dashboard {
  readonly access: PageAccess;
  private readonly live: Live;

  /** @param on whether there is a page: `server.dashboard`, or once somebody asked for it */
  constructor(
    private readonly parts: DashboardParts,
    public on: boolean,
  ) {
    this.access = parts.access;
    this.live = new Live(parts.seq);
  }

  close(): void {
    this.live.close();
  }

  /** Makes a code for the page, and serves it from now on. */
  invite(): { code: string } {
    this.on = true;
    return { code: this.access.code() };
  }

  /** What needs no body. */
  get(route: PageRoute, { gone }: Caller): Response | null {
    if (route === "/web/live") return this.live.open(gone);
    const file = PAGE_FILES.find((path) => path === route);
    return file ? pageFile(file) : null;
  }

  /** @throws Failure */
  async post(
    route: PageRoute,
    message: Message,
    caller: Caller,
  ): Promise<Response> {
    if (route === "/web/token")
      return Response.json(await this.access.trade(message["code"]));
    const result =
      route === "/web/review"
        ? await this.review(message, caller)
        : await this.call(message, caller);
    return Response.json(result);
  }

  private call(message: Message, caller: Caller): Promise<object> {
    const { tool: name, arguments: given = {} } = message;
    const tool = toolNamed(typeof name === "string" ? name : null);
    if (tool?.access !== "read")
      throw fail.refused(
        "the page may call the tools that read, and no others",
        "see tools/list of /mcp",
      );
    const read = tool.parse(given);
    if ("problem" in read) throw fail.refused(read.problem);
    const { args } = read as { args: Record<string, unknown> };
    return this.parts.tools.call(tool.name, args, caller);
  }

  /** Marks a session as reviewed, or not, in the name of the token's subject. */
  private review(message: Message, caller: Caller): Promise<object> {
    const { session_id, reviewed, note } = message;
    if (this.parts.readOnly)
      throw fail.permission("the server was started with --read-only");
    if (!caller.token || caller.token.scope === "read")
      throw fail.permission(
        "this token may only read",
        "get one by: session-buddy token --scope review",
      );
    if (typeof session_id !== "string" || typeof reviewed !== "boolean")
      throw fail.refused("session_id and reviewed are needed");
    if (note !== undefined && typeof note !== "string")
      throw fail.refused("note is no text");
    const tags = [REVIEWED];
    const said = note?.trim() || (reviewed ? REVIEWED : "not reviewed yet");
    const args = {
      ...{ session_id, note: said },
      ...(reviewed ? { add_tags: tags } : { remove_tags: tags }),
    };
    // For this alone: what the page may say is made here.
    const token: TokenIdentity = { ...caller.token, scope: "write" };
    return this.parts.tools.call("annotate_session", args, {
      ...{ ...caller, token },
    });
  }
}
