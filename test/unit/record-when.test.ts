/** `session.record`: of which sessions the screen is recorded, and what is wrong with it. */
import { expect, test } from "bun:test";
import { readTree } from "../../src/config/tree.ts";
import { defaults } from "../../src/config/keys.ts";
import type { Json } from "../../src/model/event.ts";
import { type RecordWhen, recordedBy } from "../../src/model/recording/when.ts";

function read(yaml: string) {
  const config = defaults();
  const problems: string[] = [];
  const node = Bun.YAML.parse(yaml) as Json;
  readTree(
    node,
    [],
    config,
    (path, what, hint) => problems.push(`${path.join(".")} ${what} (${hint})`),
    () => {},
  );
  return { record: config.session.record, problems };
}

const conditions = (yaml: string): RecordWhen[] => {
  const { record, problems } = read(`session: {record: {when: ${yaml}}}`);
  expect(problems).toEqual([]);
  return (record as { when: RecordWhen[] }).when;
};

test.each([
  ["{component: psql}", "component psql"],
  ["{component: 'ps*'}", "component ps*"],
  ["{component: [bash, psql]}", "component bash, psql"],
  ["{user: root}", null],
  ["{user: '!root'}", "user !root"],
  ["{user: ['l*', '!les']}", null],
  ["{component: psql, user: root}", null],
  ["{component: psql, user: les}", "component psql and user les"],
  ["[{user: root}, {command: shop}]", "command shop"],
  ["{command: PSQL -H DB}", "command PSQL -H DB"],
  ["{command: 'psql*shop'}", "command psql*shop"],
  ["{command: ['!-h db', psql]}", null],
])("when: %s", (yaml, by) => {
  const session = {
    ...{ component: "psql", user: "les" },
    command: ["/usr/bin/psql", "-h", "db", "shop"],
  };
  expect(recordedBy(conditions(yaml), session)).toBe(by);
});

test("true, false, and a later file wins", () => {
  expect(read("session: {record: true}").record).toBe(true);
  expect(read("session: {}").record).toBe(false);
});

const TAKES = "true, false, or {when: {component, user, command}}";
const KNOWN = "known: component, user, command";
const TEXTS = "a text or a list of texts, with * for anything, or ! before it";
test.each([
  ["yes please", `session.record takes ${TAKES} (not "yes please")`],
  ["[a]", `session.record takes ${TAKES} (not ["a"])`],
  ["{}", `session.record takes ${TAKES} (not {})`],
  ["{if: {user: x}}", "session.record.if is not a setting (known: when)"],
  ["{when: root}", `session.record.when takes keys and patterns (${KNOWN})`],
  ["{when: []}", `session.record.when takes a condition, or some (${KNOWN})`],
  ["{when: {}}", `session.record.when takes keys and patterns (${KNOWN})`],
  [
    "{when: {component: x, uesr: root}}",
    `session.record.when.uesr is not a setting (${KNOWN})`,
  ],
  [
    "{when: [{user: root}, {user: [7, {}]}]}",
    `session.record.when.1.user takes ${TEXTS} (not [7,{}])`,
  ],
])("record: %s", (yaml, problem) => {
  const { record, problems } = read(`session: {record: ${yaml}}`);
  expect(problems).toEqual([problem]);
  expect(record).toBe(false);
});
