/** Sections of the page: a title with what is under it, and tables of figures. */
import {
  type Figure,
  type FigureRow,
  METRICS,
  type Metric,
} from "../../model/analytics.ts";
import type { Zone } from "../../model/clock.ts";
import type { Report } from "../../model/report.ts";
import { figureText, titleOf, wordsOf } from "../figures.ts";
import { share } from "./charts.ts";
import { type Html, markup } from "./html.ts";

export const number = (row: FigureRow, name: string): number =>
  Number(row[name] ?? 0);

export const section = (
  title: string,
  ...content: readonly (Html | null)[]
): Html =>
  markup`<section>
    <h2>${title}</h2>
    ${content.filter((each) => each !== null)}
  </section>`;

export const NOTHING = markup`<p class="soft">Nothing.</p>`;

export const tableSection = (
  metric: Exclude<Metric, "sessions">,
  report: Report,
  zone: Zone,
): Html =>
  section(
    titleOf(metric),
    report[metric].length > 0 ? tableOf(metric, report, zone) : NOTHING,
  );

/** The numbers of a chart, for who cannot see it or wants them. */
export const figures = (metric: Metric, report: Report, zone: Zone): Html =>
  markup`<details>
    <summary>Figures</summary>
    ${tableOf(metric, report, zone)}
  </details>`;

function tableOf(metric: Metric, report: Report, zone: Zone): Html {
  const rows = report[metric];
  const all: readonly Figure[] = METRICS[metric];
  const hasText = all.some(({ name }) => name === "text");
  const drawn = all.find((figure) => figure.drawn)!;
  const most = Math.max(0, ...rows.map((row) => number(row, drawn.name)));
  const head = all.map(
    (figure) =>
      markup`<th scope="col" class="${look(figure)}">${wordsOf(figure)}</th>`,
  );
  const body = rows.map((row) => {
    const cells = all.map((figure) => {
      const text = figureText(figure, row, zone);
      const value = isCode(figure)
        ? markup`<code>${text}</code>`
        : markup`${text}`;
      return markup`<td class="${look(figure)}">${value}</td>`;
    });
    const bar = hasText
      ? null
      : markup`<td class="bar">${share(number(row, drawn.name), most)}</td>`;
    return markup`<tr>
      ${cells}${bar}
    </tr> `;
  });
  const over = hasText ? null : markup`<td></td>`;
  return markup`<table>
    <thead>
      <tr>
        ${head}${over}
      </tr>
    </thead>
    <tbody>
      ${body}
    </tbody>
  </table>`;
}

const look = ({ name, kind }: Figure): string =>
  name.endsWith("session_id") ? "id" : (LOOKS[kind] ?? "text");

const LOOKS: Partial<Record<Figure["kind"], string>> = {
  ...{ time: "time", count: "number", seconds: "number" },
};

const isCode = ({ name }: Figure): boolean =>
  name === "text" || name === "program" || name.endsWith("session_id");
