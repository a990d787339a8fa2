/** The dashboard: one page in the executable, which asks the server for all that it shows. */
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { access, enter, leave } from "./access.ts";
import { Alerts } from "./alerts.tsx";
import { Charts } from "./charts.tsx";
import { clock, connected, listen } from "./live.ts";
import { Now } from "./now.tsx";
import { VIEWS, type View, hrefOf, place } from "./place.ts";
import { Search } from "./search.tsx";
import { Session } from "./session.tsx";
import { SignIn } from "./sign-in.tsx";
import { Timeline } from "./timeline.tsx";
import { ZONE, offsetAt } from "./words.ts";
import "asciinema-player/dist/bundle/asciinema-player.css";
import "./style.css";
import "./terminal.css";

const SHOWN: Record<View, () => preact.JSX.Element> = {
  now: Now,
  timeline: Timeline,
  session: Session,
  search: Search,
  charts: Charts,
  alerts: Alerts,
};

function Page() {
  const { view, query } = place.value;
  const signedIn = access.value !== null;
  const View = signedIn ? SHOWN[view] : SignIn;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${VIEWS[view]} · Session-Buddy`;
    // A screen reader goes on from the new view's heading.
    if (!first.current) main.current?.querySelector("h1")?.focus();
    first.current = false;
  }, [view, signedIn]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.querySelector("h1")?.focus();
        }}
      >
        To the content
      </a>
      <header>
        <span class="brand">Session-Buddy</span>
        {signedIn && (
          <nav aria-label="Views">
            {(Object.keys(SHOWN) as View[])
              .filter((each) => each !== "session" || view === "session")
              .map((each) => (
                <a
                  key={each}
                  href={each === view ? location.hash : hrefOf(each)}
                  aria-current={each === view ? "page" : undefined}
                >
                  {VIEWS[each]}
                </a>
              ))}
          </nav>
        )}
        {signedIn && (
          <span class="who">
            <span
              class={connected.value ? "dot on" : "dot"}
              aria-hidden="true"
            />
            <span role="status">
              {connected.value ? "live" : "not connected"}
            </span>
            <span class="soft">
              {ZONE} {offsetAt(clock.value)}
            </span>
            <button type="button" class="plain" onClick={leave}>
              Leave
            </button>
          </span>
        )}
      </header>
      <main id="main" ref={main}>
        <View key={view === "session" ? query["id"] : view} />
      </main>
    </>
  );
}

await enter();
listen();
render(<Page />, document.getElementById("page")!);
