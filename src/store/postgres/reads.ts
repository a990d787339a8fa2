/**
 * What is read beyond sessions and events: commands, searches, figures, and the queries
 * of users. Each first gives numbers to the events that have none, for what is read is
 * told by them.
 */
import type { FigureRow, Question } from "../../model/analytics.ts";
import type { Clock } from "../../model/clock.ts";
import type { Command, CommandFilter } from "../../model/command.ts";
import { type Failure, nobodyWaits } from "../../model/failure.ts";
import {
  QUERY_SECONDS,
  type QueryAnswer,
  type QueryRequest,
} from "../../model/query.ts";
import type { Hit, SearchFilter } from "../../model/search.ts";
import type { Patterns } from "../patterns.ts";
import { PLACES } from "../query-turns.ts";
import type { Address } from "./address.ts";
import { analytics } from "./analytics.ts";
import { listCommands } from "./commands.ts";
import { type Connection, HostsPool, type Pool } from "./connect.ts";
import { Queries } from "./query/run.ts";
import { search } from "./search.ts";

export interface ReadsOptions {
  address: Address;
  connection: Connection;
  /** Gives numbers to the events that have none. */
  number: () => Promise<void>;
  now: Clock;
  patterns: () => Promise<Patterns>;
  /** What an error of the database comes to. */
  failure: (error: unknown) => Failure;
}

export class Reads {
  private readonly pool: Pool;
  private readonly queries: Queries;

  constructor(private readonly options: ReadsOptions) {
    const { address, connection, number, failure } = options;
    // Each is a statement of its own: a name for it would never be used again.
    this.pool = new HostsPool(
      { ...address, pgbouncer: true },
      { size: PLACES, statement_timeout_ms: QUERY_SECONDS.max * 1_000 },
    );
    this.queries = new Queries(this.pool, connection, number, failure);
  }

  async *commands(filter: CommandFilter): AsyncGenerator<Command> {
    await this.options.number();
    yield* listCommands(this.options.connection, filter);
  }

  async *search(filter: SearchFilter, gone?: AbortSignal): AsyncGenerator<Hit> {
    const { connection, patterns, number } = this.options;
    await number();
    yield* search(connection, filter, patterns, gone);
  }

  async analytics(
    question: Question,
    gone?: AbortSignal,
  ): Promise<FigureRow[]> {
    if (gone?.aborted) throw nobodyWaits();
    const { connection, now, number } = this.options;
    await number();
    return analytics(connection, question, now());
  }

  query(request: QueryRequest): Promise<QueryAnswer> {
    return this.queries.run(request);
  }

  endQueries(): Promise<void> {
    return this.queries.end();
  }

  async close(): Promise<void> {
    await this.queries.end();
    await this.pool.end();
  }
}
