/**
 * A strict reader of Prometheus' text format 0.0.4: it throws where a server
 * that scrapes, or `promtool check metrics`, would complain.
 */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  type: "counter" | "gauge" | "histogram";
  help: string;
  samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`,
);

/** @throws Error naming the line, or the family, that is wrong */
export function parseMetrics(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family>();
  const blocks = text
    .split("\n\n")
    .map((block) => block.split("\n").filter(Boolean));
  for (const lines of blocks) {
    if (lines.length === 0) continue;
    const { name, family } = familyOf(lines);
    if (families.has(name)) throw new Error(`${name} comes twice`);
    families.set(name, family);
  }
  for (const [name, family] of families) check(name, family);
  return families;
}

function familyOf(lines: string[]): { name: string; family: Family } {
  const help = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(lines[0]!);
  const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(
    lines[1]!,
  );
  if (!help || !type || help[1] !== type[1])
    throw new Error(`no HELP and TYPE: ${lines[0]} / ${lines[1]}`);
  const samples = lines.slice(2).map(sampleOf);
  const family = { help: help[2]!, type: type[2] as Family["type"], samples };
  return { name: help[1]!, family };
}

function sampleOf(line: string): Sample {
  const match = SAMPLE.exec(line);
  if (!match) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [pair] of (match[2] ?? "").matchAll(new RegExp(LABEL, "g"))) {
    const at = pair.indexOf("=");
    const key = pair.slice(0, at);
    if (key in labels) throw new Error(`${key} comes twice: ${line}`);
    labels[key] = pair
      .slice(at + 2, -1)
      .replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
  }
  return { name: match[1]!, labels, value: numberOf(match[3]!) };
}

function numberOf(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "NaN") return NaN;
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text))
    throw new Error(`no number: ${text}`);
  return Number(text);
}

function check(name: string, { type, samples }: Family): void {
  const wrong = (what: string) => new Error(`${name}: ${what}`);
  if (type === "counter" && !name.endsWith("_total")) throw wrong("no _total");
  if (type !== "counter" && name.endsWith("_total"))
    throw wrong("_total, no counter");
  const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  const series = new Set<string>();
  const shapes = new Set<string>();
  for (const sample of samples) {
    if (!suffixes.some((suffix) => sample.name === name + suffix))
      throw wrong(`holds ${sample.name}`);
    if ("le" in sample.labels !== sample.name.endsWith("_bucket"))
      throw wrong("le and _bucket go together");
    if (type !== "gauge" && !(sample.value >= 0))
      throw wrong(`is ${sample.value}`);
    const { le, ...labels } = sample.labels;
    shapes.add(Object.keys(labels).sort().join());
    series.add(
      JSON.stringify([sample.name, Object.entries(sample.labels).sort()]),
    );
  }
  if (series.size !== samples.length) throw wrong("a series comes twice");
  if (shapes.size > 1) throw wrong(`labels differ: ${[...shapes].join(" / ")}`);
  if (type === "histogram") checkHistogram(name, samples);
}

/** Cumulative buckets in order, up to +Inf, which is the count; a sum. */
function checkHistogram(name: string, samples: Sample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le, ...labels } }) =>
    JSON.stringify(Object.entries(labels).sort()),
  );
  for (const [labels, group] of groups) {
    const wrong = (what: string) => new Error(`${name}${labels}: ${what}`);
    const of = (suffix: string) =>
      group.filter((s) => s.name === name + suffix);
    const buckets = of("_bucket");
    const [sum, count] = [of("_sum"), of("_count")];
    if (sum.length !== 1 || count.length !== 1) throw wrong("sum and count");
    let le = -Infinity;
    let value = 0;
    for (const bucket of buckets) {
      const bound = numberOf(bucket.labels["le"]!);
      if (bound <= le || bucket.value < value) throw wrong(`bucket ${bound}`);
      [le, value] = [bound, bucket.value];
    }
    if (le !== Infinity || value !== count[0]!.value)
      throw wrong("+Inf is not the count");
  }
}
