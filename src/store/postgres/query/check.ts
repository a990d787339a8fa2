/**
 * Decides whether a query may run, by what PostgreSQL has made of it and never by its
 * text: of parts that are known, that read the views and tables of its own WITH clauses
 * alone. Whatever is not known is refused.
 */
import type { Failure } from "../../../model/failure.ts";
import { VIEW_NAMES } from "../../../model/query.ts";
import { queryFailure } from "../../query-failure.ts";
import type { Connection } from "../connect.ts";
import { VIEW_SCHEMA } from "../schema-views.ts";
import { arrayOf } from "../text.ts";
import {
  FUNCTIONS,
  LAST_TIME_WORD,
  NODES,
  RANGES,
  RELATION,
  SUBQUERY_PARAMETER,
  TYPES,
} from "./allowed.ts";
import { type Tree, type TreeNode, isNode, nodesIn } from "./tree.ts";

/** Parts of a query. */
const MAX_PARTS = 20_000;
const BUILT_IN = "pg_catalog";

/** What a query is about, by its numbers in the catalog, each with where it is named. */
interface Named {
  functions: Map<string, TreeNode>;
  operators: Map<string, TreeNode>;
  types: Map<string, TreeNode>;
  relations: Map<string, TreeNode>;
}

/**
 * @param tree of the query alone
 * @param before bytes that stand before the query where it was analysed
 * @throws Failure (usage) naming what it may not have, and where
 */
export async function checkQuery(
  connection: Connection,
  tree: Tree,
  sql: string,
  before: number,
): Promise<void> {
  const refused = (node: TreeNode | null, why: string): Failure => {
    const at = Number(node?.fields.get("location") ?? -1);
    return queryFailure(sql, at < before ? null : at - before, why);
  };
  const named: Named = {
    ...{ functions: new Map(), operators: new Map() },
    ...{ types: new Map(), relations: new Map() },
  };
  let parts = 0;
  for (const node of nodesIn(tree)) {
    if (++parts > MAX_PARTS) throw refused(null, "it has too many parts");
    const why = problemOf(node);
    if (why) throw refused(node, why);
    note(named, node);
  }
  const entries = await known(connection, named);
  const count = Object.values(named).reduce((n, { size }) => n + size, 0);
  if (entries.length !== count)
    throw refused(null, "it names what is not there");
  // A table says more than the types of its columns.
  entries.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  for (const { kind, oid, name, schema, there } of entries) {
    if (there) continue;
    if (kind === "relations")
      throw refused(
        null,
        `there is no table '${name}', but ${VIEW_NAMES.join(", ")}`,
      );
    const full = schema === BUILT_IN ? name : `${schema}.${name}`;
    throw refused(
      named[kind].get(oid)!,
      `the ${kind.slice(0, -1)} '${full}' is not there`,
    );
  }
}

const ORDER: readonly (keyof Named)[] = [
  ...(["relations", "functions", "operators", "types"] as const),
];

/** Why a part may not be there, by itself. */
function problemOf({ name, fields }: TreeNode): string | null {
  const field = (key: string) => fields.get(key);
  if (!NODES.has(name)) return `${name} is not there`;
  switch (name) {
    case "QUERY":
      if (field("commandType") !== "1") return "it is no SELECT";
      return field("rowMarks") === "<>" ? null : "it locks rows";
    case "RTE":
    case "RANGETBLENTRY":
      if (!RANGES.has(String(field("rtekind"))))
        return "a table of that kind is not there";
      return (field("tablesample") ?? "<>") === "<>"
        ? null
        : "TABLESAMPLE is not there";
    case "PARAM":
      return field("paramkind") === SUBQUERY_PARAMETER
        ? null
        : "it may have no parameters";
    case "SQLVALUEFUNCTION":
      return Number(field("op")) <= LAST_TIME_WORD
        ? null
        : "who asks, and where, is not there";
    default:
      return null;
  }
}

/** Fields that name a function, an operator or a type. */
const FUNCTION_FIELDS = ["funcid", "aggfnoid", "winfnoid"];
const OPERATOR_FIELDS = ["opno", "opnos"];

function note(named: Named, node: TreeNode): void {
  for (const [key, value] of node.fields) {
    const into = FUNCTION_FIELDS.includes(key)
      ? named.functions
      : OPERATOR_FIELDS.includes(key)
        ? named.operators
        : /type(id|s)?$/.test(key) && !NO_TYPES.has(key)
          ? named.types
          : null;
    if (into) for (const oid of numbersIn(value)) into.set(oid, node);
  }
  if (node.fields.get("rtekind") === RELATION)
    named.relations.set(String(node.fields.get("relid")), node);
}

/** They are numbers of another kind. */
const NO_TYPES: ReadonlySet<string> = new Set([
  ...["jointype", "nulltesttype", "booltesttype", "rctype"],
]);

/** Of one, or of a list of them, which says first of what it is. */
function numbersIn(value: Tree): string[] {
  const all = typeof value === "string" ? [value] : isNode(value) ? [] : value;
  return all.filter(
    (each): each is string =>
      typeof each === "string" && /^[1-9]\d*$/.test(each),
  );
}

interface Entry {
  kind: keyof Named;
  oid: string;
  name: string;
  schema: string;
  there: boolean;
}

/** What the catalog says of it, and whether that is there. */
async function known(connection: Connection, named: Named): Promise<Entry[]> {
  const list = (kind: keyof Named) => arrayOf([...named[kind].keys()]);
  return connection.ask<Entry>(KNOWN, [
    ...[list("functions"), list("operators"), list("types")],
    ...[list("relations"), arrayOf([...FUNCTIONS]), arrayOf([...TYPES])],
    ...[arrayOf(VIEW_NAMES), VIEW_SCHEMA],
  ]);
}

const IS_BUILT_IN = `n.nspname = '${BUILT_IN}'`;

const KNOWN = `
  SELECT 'functions' AS kind, x.oid::text, p.proname::text AS name,
    n.nspname::text AS schema,
    ${IS_BUILT_IN} AND p.proname::text = ANY($5::text[]) AS there
  FROM unnest($1::oid[]) AS x(oid) JOIN pg_proc AS p ON p.oid = x.oid
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  UNION ALL
  SELECT 'operators', x.oid::text, o.oprname::text, n.nspname::text, ${IS_BUILT_IN}
  FROM unnest($2::oid[]) AS x(oid) JOIN pg_operator AS o ON o.oid = x.oid
  JOIN pg_namespace AS n ON n.oid = o.oprnamespace
  UNION ALL
  SELECT 'types', x.oid::text, t.typname::text, n.nspname::text,
    ${IS_BUILT_IN} AND ltrim(t.typname::text, '_') = ANY($6::text[])
      OR n.nspname = $8::text AND t.typtype IN ('c', 'b')
        AND ltrim(t.typname::text, '_') = ANY($7::text[])
  FROM unnest($3::oid[]) AS x(oid) JOIN pg_type AS t ON t.oid = x.oid
  JOIN pg_namespace AS n ON n.oid = t.typnamespace
  UNION ALL
  SELECT 'relations', x.oid::text, c.relname::text, n.nspname::text,
    n.nspname = $8::text AND c.relname::text = ANY($7::text[])
  FROM unnest($4::oid[]) AS x(oid) JOIN pg_class AS c ON c.oid = x.oid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace`;
