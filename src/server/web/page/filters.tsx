/** A row of filters, which stand in the address: who is given it sees the same. */
import { useEffect, useState } from "preact/hooks";
import { place, refine } from "./place.ts";
import { absolute } from "./words.ts";

/** What each takes, in words. */
const LABELS = {
  text: "Text",
  user: "User",
  host: "Host",
  component: "Component",
  after: "From",
  before: "To",
} as const;
export type FilterName = keyof typeof LABELS;

const HINTS: Partial<Record<FilterName, string>> = {
  after: "-7d, monday",
  before: "now",
};

type Query = Readonly<Record<string, string>>;

/** Those of the address that are set, as a tool takes them: times are the reader's. */
export const filtersIn = (query: Query, names: readonly FilterName[]): Query =>
  Object.fromEntries(
    names.flatMap((name) => {
      const text = query[name];
      if (!text) return [];
      const isTime = name === "after" || name === "before";
      return [[name, isTime ? absolute(text) : text]];
    }),
  );

export function Filters({
  names,
  flags = {},
}: {
  names: readonly FilterName[];
  flags?: Readonly<Record<string, string>>;
}) {
  const { query } = place.value;
  const all = [...names, ...Object.keys(flags)];
  const given = Object.fromEntries(
    all.map((name) => [name, query[name] ?? ""]),
  );
  const [typed, setTyped] = useState(given);
  useEffect(() => setTyped(given), [JSON.stringify(given)]);
  return (
    <form
      class="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        refine(typed);
      }}
    >
      {names.map((name) => (
        <label key={name} class={name === "text" ? "grow" : ""}>
          {LABELS[name]}
          <input
            name={name}
            type="text"
            size={name === "text" ? 30 : 12}
            value={typed[name]}
            placeholder={HINTS[name]}
            spellcheck={false}
            autoComplete="off"
            onInput={({ currentTarget: { value } }) =>
              setTyped((old) => ({ ...old, [name]: value }))
            }
          />
        </label>
      ))}
      {Object.entries(flags).map(([name, label]) => (
        <label key={name} class="check">
          <input
            type="checkbox"
            checked={typed[name] === "1"}
            onInput={({ currentTarget: { checked } }) => {
              setTyped((old) => ({ ...old, [name]: checked ? "1" : "" }));
              refine({ ...typed, [name]: checked ? "1" : "" });
            }}
          />
          {label}
        </label>
      ))}
      <button type="submit">Show</button>
    </form>
  );
}
