/** Alerts: what the server has told somebody of, by its rules. */
import type { KeptAlert } from "../../../model/alert.ts";
import { useAnswer } from "./ask.ts";
import { clock } from "./live.ts";
import { SessionLink, State, Table, Text, Time, Who } from "./parts.tsx";
import { place, refine } from "./place.ts";
import { plural } from "./words.ts";

const HEAD = ["What", "When", "Rule", "Session", "Told", "State"];
/** They are raised in the background, after what they tell of was stored. */
const AGAIN_MS = 10_000;

export function Alerts() {
  const { query } = place.value;
  const all = query["all"] === "1";
  const answer = useAnswer<{ alerts: KeptAlert[] }>(
    "list_alerts",
    { limit: 200, ...(all && { all }), ...ruleIn(query) },
    Math.floor(clock.value / AGAIN_MS),
  );
  const { data } = answer;
  return (
    <>
      <h1 tabIndex={-1}>Alerts</h1>
      <div class="filters">
        <label class="check">
          <input
            type="checkbox"
            checked={all}
            onInput={({ currentTarget: { checked } }) =>
              refine({ all: checked ? "1" : null })
            }
          />
          also those that somebody has taken note of
        </label>
        {query["rule"] && (
          <button type="button" onClick={() => refine({ rule: null })}>
            of all rules
          </button>
        )}
      </div>
      <State of={answer} />
      {data && (
        <p role="status">
          {data.alerts.length === 0
            ? "There is none."
            : `${plural(data.alerts.length, "alert")}, newest first.`}
        </p>
      )}
      {data && data.alerts.length > 0 && (
        <Table
          caption="Alerts"
          head={HEAD}
          rows={data.alerts.map((alert) => ({
            key: alert.id,
            cells: [
              <Text>{alert.text}</Text>,
              <Time at={alert.time} />,
              <button
                type="button"
                class="plain"
                onClick={() => refine({ rule: alert.rule })}
              >
                <Text>{alert.rule}</Text>
              </button>,
              alert.session && (
                <SessionLink id={alert.session.session_id}>
                  <Who of={alert.session} />
                </SessionLink>
              ),
              <Told of={alert} />,
              <Standing of={alert} />,
            ],
          }))}
        />
      )}
    </>
  );
}

const ruleIn = ({ rule }: Readonly<Record<string, string>>) =>
  rule ? { rule } : {};

const Told = ({ of: { told } }: { of: KeptAlert }) => (
  <>
    {Object.entries(told).map(([channel, { state, attempts, error }]) => (
      <div key={channel} title={error ?? undefined}>
        <Text>{channel}</Text>
        {state !== "told" && (
          <span class="bad">
            {" "}
            {state === "pending" ? plural(attempts, "attempt") : "given up"}
          </span>
        )}
      </div>
    ))}
  </>
);

const Standing = ({ of: { acked, resolved } }: { of: KeptAlert }) =>
  acked ? (
    <span class="soft">
      noted by <Text>{acked.by}</Text>
    </span>
  ) : resolved ? (
    <span class="soft">
      over since <Time at={resolved} />
    </span>
  ) : null;
