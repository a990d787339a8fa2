/**
 * Reads a query as PostgreSQL keeps it once it is analysed, `pg_node_tree`: what each
 * name stands for is decided there, whatever the text looks like.
 */

export interface TreeNode {
  /** `QUERY`, `FUNCEXPR`… */
  name: string;
  fields: ReadonlyMap<string, Tree>;
}
export type Tree = string | TreeNode | readonly Tree[];

export const isNode = (tree: Tree | undefined): tree is TreeNode =>
  typeof tree === "object" && !Array.isArray(tree);

/** A backslash takes what is special from what follows it. */
const TOKENS = /[(){}]|(?:\\[^]|[^\s(){}\\])+/g;

/** @throws Error when it is none that is known */
export function parseTree(text: string): Tree {
  const tokens = text.match(TOKENS) ?? [];
  let at = 0;
  const next = (): string => {
    const token = tokens[at++];
    if (token === undefined) throw new Error("a query's tree ends too early");
    return token;
  };
  const value = (token = next()): Tree => {
    if (token === "{") return node();
    if (token !== "(") return plain(token);
    const list: Tree[] = [];
    for (let each = next(); each !== ")"; each = next()) list.push(value(each));
    return list;
  };
  const node = (): TreeNode => {
    const name = next();
    const fields = new Map<string, Tree>();
    for (let field = next(); field !== "}"; field = next()) {
      if (!field.startsWith(":"))
        throw new Error(`'${field}' is no field of a query's tree`);
      const given = value();
      fields.set(field.slice(1), given);
      // The bytes of a constant.
      if (field === ":constvalue" && given !== "<>")
        while (next() !== "]") continue;
    }
    return { name, fields };
  };
  const tree = value();
  if (at < tokens.length) throw new Error("a query's tree goes on");
  return tree;
}

const plain = (token: string): string =>
  (/^"[^]*"$/.test(token) ? token.slice(1, -1) : token).replace(
    /\\([^])/g,
    "$1",
  );

/** All nodes of a tree, each before what is in it. */
export function* nodesIn(tree: Tree): Generator<TreeNode> {
  if (typeof tree === "string") return;
  if (!isNode(tree)) {
    for (const each of tree) yield* nodesIn(each);
    return;
  }
  yield tree;
  for (const each of tree.fields.values()) yield* nodesIn(each);
}
