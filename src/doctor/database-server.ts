/** Checks the PostgreSQL server at `store.url`, as far as its role may see it. */
import { inspectDatabase } from "../access/database-address.ts";
import type { Settings } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import type { Check } from "./check.ts";

const OLDEST = 14;
/** Leases and times of receipt are by its clock, those of events by their hosts'. */
const MOST_SKEW_MS = 2_000;

/** None where the database is a file. */
export function databaseServerChecks(settings: Settings): Check[] {
  if (settings.config.store.url === null) return [];
  let asked: ReturnType<typeof inspectDatabase> | null = null;
  type Found = NonNullable<Awaited<ReturnType<typeof inspectDatabase>>>;
  const check = (name: string, look: (found: Found) => string): Check => ({
    name,
    look: async () => look((await (asked ??= inspectDatabase(settings)))!),
  });
  return [
    check("database_server", ({ name, version, version_number, schema }) => {
      if (version_number < OLDEST * 10_000)
        throw fail.unhealthy(
          `${name} is version ${version}`,
          `use PostgreSQL ${OLDEST} or newer`,
        );
      const { has, knows } = schema;
      if (has === null) return `${name}: version ${version}`;
      if (has > knows)
        throw fail.unhealthy(
          `${name} has schema version ${has}, this session-buddy knows ${knows}`,
          "use the newer session-buddy that made it",
        );
      return `${name}: version ${version}, schema ${has} of ${knows}`;
    }),
    check("database_grants", (found) => {
      const { role, missing_grants, may_change_schema, schema } = found;
      if (missing_grants.length > 0)
        throw fail.permission(
          `role '${role}' lacks ${missing_grants.join("; ")}`,
          "grant it what docs/many-hosts.md says, by the owner of the tables",
        );
      const { has, knows } = schema;
      if (has !== null && has < knows && !may_change_schema)
        throw fail.permission(
          `role '${role}' may not bring the tables to version ${knows}`,
          "start a server once as the owner of the tables",
        );
      return `role '${role}' may read and write${may_change_schema ? ", and make tables" : ""}`;
    }),
    check("database_replication", ({ synchronous, standbys }) => {
      if (synchronous)
        return `a commit waits for a standby (${standbys} connected)`;
      if (standbys === 0) return "no standby is connected";
      throw fail.unhealthy(
        `${standbys} standbys follow without being waited for: a failover loses what was stored last`,
        "set synchronous_standby_names, see docs/many-hosts.md",
      );
    }),
    check("database_clock", ({ name, ahead_ms, within_ms }) => {
      const off_ms = Math.max(0, Math.abs(ahead_ms) - within_ms);
      if (off_ms <= MOST_SKEW_MS)
        return `the same as ours, within ${Math.abs(ahead_ms) + within_ms} ms`;
      throw fail.unhealthy(
        `the clock of ${name} is ${off_ms} ms ${ahead_ms > 0 ? "ahead of" : "behind"} ours`,
        "have both set theirs by NTP",
      );
    }),
    check("database_size", ({ bytes, tables }) => {
      const each = tables.map((one) => `${one.name} ${mebibytes(one.bytes)}`);
      return `${mebibytes(bytes)}: ${each.join(", ")}`;
    }),
    check("database_trigrams", ({ has_trigrams, make_trigrams }) =>
      has_trigrams
        ? "commands are found by an index of their text"
        : `without an index of their text, commands are looked through; to have one: ${make_trigrams}`,
    ),
  ];
}

const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
