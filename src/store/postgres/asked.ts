/**
 * What is asked of all that was recorded: commands, searches, statistics and the queries
 * of users. The batches are numbered first, so that what is committed is found.
 */
import type { FigureRow, Question } from "../../model/analytics.ts";
import type { Command, CommandFilter } from "../../model/command.ts";
import { fail, nobodyWaits } from "../../model/failure.ts";
import type { QueryAnswer, QueryRequest } from "../../model/query.ts";
import type { Hit, SearchFilter } from "../../model/search.ts";
import type { Patterns } from "../patterns.ts";
import { PLACES } from "../query-turns.ts";
import { analytics } from "./analytics.ts";
import { listCommands } from "./commands.ts";
import { type Connection, HostsPool, type Pool } from "./connect.ts";
import { Queries } from "./query/run.ts";
import type { Reach } from "./reach.ts";
import { failureOf } from "./retry.ts";
import { search } from "./search.ts";
import type { Tail } from "./tail.ts";

/** Each has its own limit, which is shorter. */
const QUERY_MS = 600_000;

export class Asked {
  private readonly pool: Pool;
  private readonly queries: Queries;
  private readonly connection: Connection;

  constructor(
    { address, reads }: Reach,
    private readonly tail: Tail,
    private readonly patterns: () => Promise<Patterns> = noPatterns,
  ) {
    this.connection = reads;
    // No statement comes a second time: a name would be kept for nothing.
    this.pool = new HostsPool(
      { ...address, pgbouncer: true },
      { size: PLACES, statement_timeout_ms: QUERY_MS },
    );
    this.queries = new Queries(
      this.pool,
      reads,
      () => tail.number(),
      (error) => failureOf(address.name, error),
    );
  }

  async *commands(filter: CommandFilter): AsyncIterable<Command> {
    await this.tail.number();
    yield* listCommands(this.connection, filter);
  }

  async *search(filter: SearchFilter, gone?: AbortSignal): AsyncIterable<Hit> {
    await this.tail.number();
    yield* search(this.connection, filter, this.patterns, gone);
  }

  async analytics(
    question: Question,
    now_ms: number,
    gone?: AbortSignal,
  ): Promise<FigureRow[]> {
    if (gone?.aborted) throw nobodyWaits();
    await this.tail.number();
    return analytics(this.connection, question, now_ms);
  }

  query(request: QueryRequest): Promise<QueryAnswer> {
    return this.queries.run(request);
  }

  endQueries(): Promise<void> {
    return this.queries.end();
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}

const noPatterns = () => {
  throw fail.refused(
    "no regular expressions are known here",
    "search for the text as it stands",
  );
};
