/**
 * Decides whether a query may run, by what DuckDB's parser made of it and never by
 * its text: one statement, of parts that are known, that names the views and tables of
 * its own WITH clauses alone. Whatever is not known is refused.
 */
import type { Failure } from "../../../model/failure.ts";
import { VIEW_NAMES } from "../../../model/query.ts";
import { type Place, queryFailure } from "../../query-failure.ts";
import {
  CATALOG_WORDS,
  EXPRESSIONS,
  FUNCTIONS,
  NAMED_TYPES,
  PARTS,
  TABLE_FUNCTIONS,
  TYPES,
} from "./allowed.ts";
import {
  type Cost,
  MAX_COLUMNS,
  MAX_TABLES,
  NO_TABLE,
  ONE_TABLE,
  type Tables,
  VIEWS,
  VIEW_COLUMNS,
  starsIn,
  sum,
} from "./cost.ts";
import { LIKE, patternProblem } from "./like.ts";

/** Parts of a statement, and levels that they are nested in. */
const MAX_PARTS = 10_000;
const MAX_LEVELS = 100;
/** Of queries within expressions: the planner takes twice the time for each. */
const MAX_SUBQUERIES = 8;
/** No name of a file, and none that the catalog has. */
const OWN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
type Node = Readonly<Record<string, unknown>>;
/** @throws Failure (usage) naming what it may not have, and where */
export function checkQuery(parsed: unknown, sql: string): void {
  const { statements } = parsed as { statements: readonly Node[] };
  if (statements.length === 0)
    throw queryFailure(sql, null, "there is no query in it");
  if (statements.length > 1)
    throw queryFailure(sql, null, "it may have one statement alone");
  new Check(sql).statement(statements[0]!);
}

class Check {
  private parts = 0;
  private subqueries = 0;

  constructor(private readonly sql: string) {}

  statement(statement: Node): void {
    const { node, ...rest } = statement;
    // Parameters: there is nobody to give them.
    if (Object.keys(rest).length > 0)
      throw this.refused(null, "it may have no parameters");
    this.query(node as Node, VIEWS, 0);
  }

  /** A SELECT, or several joined. @param tables that may be named in it */
  private query(node: Node, outer: Tables, level: number): Cost {
    this.part(node, level, [
      "SELECT_NODE",
      "SET_OPERATION_NODE",
      "RECURSIVE_CTE_NODE",
    ]);
    const tables = this.withClause(node, outer, level);
    if (node["type"] === "SELECT_NODE") return this.select(node, tables, level);
    const { type: _t, cte_map: _c, left, right, children, ...rest } = node;
    const within =
      node["type"] === "RECURSIVE_CTE_NODE"
        ? this.and(tables, String(node["cte_name"]), ONE_TABLE)
        : tables;
    const sides = [left, right, ...((children ?? []) as Node[])].filter(
      Boolean,
    );
    const costs = sides.map((side, i) =>
      this.query(side as Node, i === 0 ? tables : within, level + 1),
    );
    const own = this.all(rest, within, level);
    return this.bounded(node, {
      tables: sum([...costs, own].map(({ tables }) => tables)),
      columns: Math.max(...costs.map(({ columns }) => columns)),
    });
  }

  private select(node: Node, tables: Tables, level: number): Cost {
    const { type: _t, cte_map: _c, from_table, select_list, ...rest } = node;
    const from = this.table(from_table as Node, tables, level + 1);
    const shown = select_list as Node[];
    const stars = shown.reduce((n, each) => n + starsIn(each), 0);
    const own = this.all([shown, ...Object.values(rest)], tables, level);
    return this.bounded(node, {
      tables: from.tables + own.tables,
      columns: shown.length + stars * from.columns,
    });
  }

  /** The tables that may be named, with those of a WITH clause. */
  private withClause(node: Node, outer: Tables, level: number): Tables {
    const { map = [] } = (node["cte_map"] ?? {}) as { map?: Node[] };
    let tables = outer;
    for (const { key, value, ...more } of map) {
      const { query, ...options } = value as Node;
      this.only(more, []);
      this.only(options, ["materialized", "aliases", "key_targets"]);
      const { node: made } = query as { node: Node };
      this.only(query as Node, ["node"]);
      // Within itself it is what stands outside, unless it is recursive.
      const cost = this.query(made, tables, level + 1);
      this.all(options["key_targets"] ?? [], tables, level);
      tables = this.and(tables, String(key), cost);
    }
    return tables;
  }

  private and(tables: Tables, name: string, cost: Cost): Tables {
    if (!OWN_NAME.test(name))
      throw this.refused(
        null,
        `'${name}' is no name for a table: letters, digits and _ make one`,
      );
    return new Map([...tables, [name.toLowerCase(), cost]]);
  }

  /** What stands after FROM. */
  private table(node: Node, tables: Tables, level: number): Cost {
    this.part(node, level, [
      ...["BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY"],
      ...["TABLE_FUNCTION", "SHOW_REF"],
    ]);
    const { type, left, right, subquery, query, ...rest } = node;
    switch (type) {
      case "BASE_TABLE":
        return this.named(node, tables, level);
      case "JOIN": {
        const [a, b] = [left, right].map((side) =>
          this.table(side as Node, tables, level + 1),
        );
        const own = this.all(rest, tables, level);
        return this.bounded(node, {
          tables: a!.tables + b!.tables + own.tables,
          columns: a!.columns + b!.columns,
        });
      }
      case "SUBQUERY": {
        this.only(subquery as Node, ["node"]);
        this.all(rest, tables, level);
        return this.query((subquery as { node: Node }).node, tables, level + 1);
      }
      case "SHOW_REF":
        // SUMMARIZE has DuckDB write queries of its own; SHOW looks into the catalog.
        if (node["show_type"] !== "DESCRIBE" || !query)
          throw this.refused(node, "of these DESCRIBE alone is there");
        return this.query(query as Node, tables, level + 1);
      case "TABLE_FUNCTION":
        return this.tableFunction(node, tables, level);
      default:
        return {
          tables: 1 + this.all(rest, tables, level).tables,
          columns: 64,
        };
    }
  }

  private named(node: Node, tables: Tables, level: number): Cost {
    const name = String(node["table_name"]);
    const cost = tables.get(name.toLowerCase());
    this.all(node["sample"] ?? [], tables, level);
    if (cost) return cost;
    throw this.refused(
      node,
      `there is no table '${name}', but ${VIEW_NAMES.join(", ")}`,
    );
  }

  private tableFunction(node: Node, tables: Tables, level: number): Cost {
    const call = node["function"] as Node;
    const name = String(call["function_name"] ?? call["type"]);
    if (!TABLE_FUNCTIONS.has(name.toLowerCase()))
      throw this.refused(node, `the table function '${name}' is not there`);
    const own = this.expression(call, tables, level + 1);
    return { tables: 1 + own.tables, columns: VIEW_COLUMNS };
  }

  /** Whatever is in a value: expressions, orders, types, and lists of them. */
  private all(value: unknown, tables: Tables, level: number): Cost {
    if (typeof value !== "object" || value === null) return NO_TABLE;
    if (Array.isArray(value))
      return {
        ...NO_TABLE,
        tables: sum(value.map((each) => this.all(each, tables, level).tables)),
      };
    const node = value as Node;
    if ("class" in node) return this.expression(node, tables, level + 1);
    if (isTyped(node)) {
      this.part(node, level, [
        "*_MODIFIER",
        "*_TYPE_INFO",
        "ORDER_DEFAULT",
        "*ASCENDING",
        "*DESCENDING",
      ]);
      const { type, ...rest } = node;
      this.typeInfo(node);
      return this.all(Object.values(rest), tables, level + 1);
    }
    if ("id" in node) this.type(node);
    this.count(node, level);
    return this.all(Object.values(node), tables, level + 1);
  }

  private expression(node: Node, tables: Tables, level: number): Cost {
    this.count(node, level);
    const kind = `${node["class"]}/${node["type"]}`;
    if (!EXPRESSIONS.has(kind)) throw this.unknownExpression(node, kind);
    if (kind === "CONSTANT/VALUE_CONSTANT") {
      this.type((node["value"] as Node)["type"] as Node);
      return NO_TABLE;
    }
    if (kind === "SUBQUERY/SUBQUERY") {
      const { subquery, child } = node as { subquery: Node; child?: Node };
      this.only(subquery, ["node"]);
      if (++this.subqueries > MAX_SUBQUERIES)
        throw this.refused(
          node,
          `more than ${MAX_SUBQUERIES} queries stand within each other`,
        );
      const cost = this.query(subquery["node"] as Node, tables, level + 1);
      this.subqueries--;
      return {
        ...cost,
        tables: cost.tables + this.all(child, tables, level).tables,
      };
    }
    if ("function_name" in node) this.call(node);
    if ("offset_expr" in node) this.offset(node["offset_expr"] as Node);
    if (kind === "COLUMN_REF/COLUMN_REF") this.column(node);
    const { class: _, type: _type, ...rest } = node;
    return this.all(Object.values(rest), tables, level);
  }

  private call(node: Node): void {
    const name = String(node["function_name"]).toLowerCase();
    const { schema = "main", catalog = "system" } = node;
    if (!FUNCTIONS.has(name) || schema !== "main" || catalog !== "system")
      throw this.refused(node, `the function '${name}' is not there`);
    const problem = LIKE.has(name) && patternProblem(node["children"]);
    if (problem) throw this.refused(node, problem);
  }

  /** Of lag and lead: DuckDB crashes at the least of all numbers. */
  private offset(node: Node): void {
    const { type } = (node["value"] ?? {}) as { type?: Node };
    if (node["type"] === "VALUE_CONSTANT" && type?.["id"] === "INTEGER") return;
    throw this.refused(
      node,
      "how far lag and lead look has to be a whole number that stands there",
    );
  }

  private column(node: Node): void {
    const [name, ...more] = node["column_names"] as string[];
    if (more.length === 0 && CATALOG_WORDS.has(name!.toLowerCase()))
      throw this.refused(node, `'${name}' is not there`);
  }

  private type(node: Node): void {
    const id = String(node["id"]);
    if (id === "UNBOUND") return;
    if (!TYPES.has(id)) throw this.refused(null, `the type ${id} is not there`);
  }

  private typeInfo(node: Node): void {
    if (node["type"] !== "UNBOUND_TYPE_INFO") return;
    const name = String(node["name"]);
    if (!NAMED_TYPES.has(name.toLowerCase()))
      throw this.refused(null, `the type '${name}' is not there`);
  }

  /** Counts a part, and refuses one that is none of these or has more than is known. */
  private part(node: Node, level: number, types: readonly string[]): void {
    this.count(node, level);
    const type = String(node["type"]);
    const known = Object.hasOwn(PARTS, type) && PARTS[type];
    const fits = types.some((name) =>
      name.startsWith("*") ? type.endsWith(name.slice(1)) : type === name,
    );
    if (!known || !fits)
      throw this.refused(node, `${nameOf(type)} is not there`);
    for (const key of Object.keys(node))
      if (key !== "type" && key !== "query_location" && !known.has(key))
        throw this.refused(node, `${nameOf(key)} is not there`);
  }

  private only(node: Node, keys: readonly string[]): void {
    for (const key of Object.keys(node))
      if (!keys.includes(key))
        throw this.refused(node, `${nameOf(key)} is not there`);
  }

  private count(node: Node, level: number): void {
    if (++this.parts > MAX_PARTS || level > MAX_LEVELS)
      throw this.refused(node, "it has too many parts, or too deep ones");
  }

  private bounded(node: Node, cost: Cost): Cost {
    if (cost.tables > MAX_TABLES)
      throw this.refused(node, `it reads more than ${MAX_TABLES} tables`);
    if (cost.columns > MAX_COLUMNS)
      throw this.refused(node, `it has more than ${MAX_COLUMNS} columns`);
    return cost;
  }

  private unknownExpression(node: Node, kind: string): Failure {
    const what = UNKNOWN[kind.split("/")[0]!] ?? nameOf(kind.split("/")[1]!);
    return this.refused(node, `${what} is not there`);
  }

  private refused(node: Node | null, why: string): Failure {
    const at = node?.["query_location"];
    const place: Place = typeof at === "number" ? at : null;
    return queryFailure(this.sql, place, why);
  }
}

const UNKNOWN: Record<string, string> = {
  LAMBDA: "a lambda",
  PARAMETER: "a parameter",
  DEFAULT: "DEFAULT",
};

const isTyped = ({ type }: Node) => typeof type === "string";

/** A name of the parser as one reads it. */
const nameOf = (name: string) =>
  name
    .replace(/_(REF|NODE|CLAUSE)$/i, "")
    .replaceAll("_", " ")
    .toUpperCase();
