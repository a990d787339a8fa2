/** `session-buddy alerts ack`: takes note of alerts. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { withDocuments } from "../../access/open-store.ts";
import { AlertBooks } from "../../alerts/books.ts";
import { alertOf, requireAlertsHere } from "../../alerts/kept.ts";
import { validSettings } from "../../config/load.ts";
import { isoTime } from "../../model/clock.ts";
import { fail } from "../../model/failure.ts";
import { passwdEntry } from "../../os/paths.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Takes note of alerts: alerts list shows them no more.

Who did so, and when, is in alerts list --all --json. Channels that have not
been told yet are told all the same.

EXAMPLES
  session-buddy alerts ack 1a2b3c4d
  session-buddy alerts ack --all`,
  args: {
    id: {
      type: "positional",
      multiple: true,
      description: "An alert's id, a unique prefix of it, or its end; several",
    },
    all: { type: "boolean", description: "All that there are" },
    config: CONFIG_FLAG,
  },
  async run({ id: ids, all, config }) {
    if (ids.includes("") || (ids.length === 0) !== all)
      throw fail.usage(
        "alerts ack needs the id of an alert, or --all",
        "try: session-buddy alerts list",
      );
    const settings = await validSettings(process.env, config);
    requireAlertsHere(settings);
    const by = passwdEntry()?.username ?? `uid ${process.geteuid!()}`;
    const unreadable = (name: string, reason: string) =>
      note(`${name} holds no alert: ${reason}`);
    const noted = await withDocuments(settings, "alerts", async (places) => {
      const books = new AlertBooks(places);
      const kept = await books.read(unreadable);
      const chosen = all ? kept : ids.map((each) => alertOf(kept, each));
      const open = chosen.filter(({ acked }) => acked === null);
      for (const { id } of open)
        await books.ack(id, { at: isoTime(Date.now()), by });
      return open.length;
    });
    note(`${noted} ${noted === 1 ? "alert is" : "alerts are"} taken note of`);
  },
});
