/**
 * A report as one page that needs nothing else: no script, no address, no font.
 * Its policy allows its own style and nothing more, so that a text that somebody
 * recorded would do nothing even if it became markup.
 */
import type { FigureRow } from "../../model/analytics.ts";
import type { Zone } from "../../model/clock.ts";
import type { Report } from "../../model/report.ts";
import { duration, localTime } from "../format.ts";
import { HALF, columns, durations, key } from "./charts.ts";
import { Html, markup } from "./html.ts";
import { figures, number, section, tableSection } from "./sections.ts";
import { STYLE } from "./style.ts";
import { STATES, timelineOf } from "./timeline.ts";

const ENDS = STATES.slice(0, 2).with(0, { name: "others", look: "well" });

const POLICY = (() => {
  const hash = new Bun.CryptoHasher("sha256").update(STYLE).digest("base64");
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
})();

/** @param about of the program, for the last line */
export function reportPage(report: Report, zone: Zone, about: string): string {
  const { after, before, totals, period } = report;
  const title = `Sessions from ${localTime(after, zone)} to ${localTime(before, zone)}`;
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="${new Html(POLICY)}"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        ${new Html(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <header>
          <h1>Sessions</h1>
          <p>${localTime(after, zone)} to ${localTime(before, zone)}</p>
          ${chosenBy(report)}
        </header>
        <main>
          ${totalsOf(report)}
          ${section(
            `Sessions by ${period}`,
            key(STATES),
            columns(
              `Sessions by ${period}`,
              STATES,
              report.sessions.map(byState),
            ),
            figures("sessions", report, zone),
          )}
          <div class="pair">
            ${section(
              `How long sessions took, by ${period}`,
              key([
                { name: "half of them at most", look: "dot-median" },
                { name: "95 % of them at most", look: "dot-p95" },
              ]),
              durations(
                `Duration by ${period}`,
                report.duration.map((row) => String(row["period"])),
                [
                  {
                    name: "median",
                    look: "median",
                    values: values(report.duration, "median_seconds"),
                  },
                  {
                    name: "95 %",
                    look: "p95",
                    values: values(report.duration, "p95_seconds"),
                  },
                ],
                HALF,
              ),
              figures("duration", report, zone),
            )}
            ${section(
              "Hours of the day",
              key(ENDS),
              columns(
                "Sessions by hour of the day",
                ENDS,
                report.peak_hours.map(byEnd),
                HALF,
              ),
              figures("peak_hours", report, zone),
            )}
          </div>
          ${timelineOf(report, zone)}
          ${tableSection("slowest", report, zone)}
          ${tableSection("failing", report, zone)}
          ${tableSection("errors", report, zone)}
          ${tableSection("commands", report, zone)}
          ${tableSection("components", report, zone)}
          ${tableSection("hosts", report, zone)}
          ${section(
            `Users by ${period}`,
            columns(
              `Users by ${period}`,
              [{ name: "users", look: "well" }],
              report.unique_users.map((row) => ({
                label: String(row["period"]),
                values: [number(row, "users")],
              })),
            ),
            figures("unique_users", report, zone),
          )}
          ${tableSection("active", report, zone)}
        </main>
        <footer>
          <p class="soft">
            ${about}, ${localTime(report.generated_at, zone)};
            ${String(totals.sessions)} sessions were looked at.
          </p>
        </footer>
      </body>
    </html> `;
  return page.text;
}

const values = (rows: readonly FigureRow[], name: string) =>
  rows.map((row) => (row[name] === null ? null : number(row, name)));

/** A session may be lost, and have failed: as what it is counted is its state. */
function byState(row: FigureRow) {
  const [failed, lost, active] = ["failed", "lost", "active"].map((name) =>
    number(row, name),
  ) as [number, number, number];
  const well = Math.max(0, number(row, "sessions") - failed - lost - active);
  return { label: String(row["period"]), values: [well, failed, lost, active] };
}

function byEnd(row: FigureRow) {
  const failed = number(row, "failed");
  return {
    label: String(row["hour"]),
    values: [number(row, "sessions") - failed, failed],
  };
}

function chosenBy({ chosen_by }: Report): Html | null {
  const chosen = Object.entries(chosen_by);
  if (chosen.length === 0) return null;
  const words = chosen.map(
    ([name, value]) => `${name.replaceAll("_", " ")}: ${String(value)}`,
  );
  return markup`<p class="soft">Only ${words.join(", ")}</p>`;
}

function totalsOf({ totals, sessions }: Report): Html {
  const sum = (name: string) =>
    sessions.reduce((sum, row) => sum + number(row, name), 0);
  const { by_status, duration_seconds } = totals;
  const all: [string, string][] = [
    ["sessions", grouped(totals.sessions)],
    ["active", grouped(by_status.active)],
    ["lost", grouped(by_status.lost)],
    ["failed", grouped(totals.failed)],
    ["commands", grouped(sum("commands"))],
    ["failed commands", grouped(sum("failed_commands"))],
    ["median", duration_seconds ? duration(duration_seconds.median) : "-"],
    ["in all", duration_seconds ? duration(duration_seconds.total) : "-"],
  ];
  return markup`<dl class="totals">
    ${all.map(
      ([name, value]) =>
        markup`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** `1 234 567`, with blanks that do not break. */
const grouped = (value: number): string =>
  String(value).replace(/\B(?=(\d{3})+$)/g, ",");
