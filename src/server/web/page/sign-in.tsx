/** How somebody without a token gets one. */
import { useState } from "preact/hooks";
import { refusal, signIn } from "./access.ts";

export function SignIn() {
  const [typed, setTyped] = useState("");
  return (
    <>
      <h1 tabIndex={-1}>Who are you?</h1>
      {refusal.value !== null && (
        <p class="error" role="alert">
          {refusal.value}
        </p>
      )}
      <p>
        On the server's host, this prints an address that lets you in:{" "}
        <code>session-buddy dashboard</code>
      </p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          const token = typed.trim();
          if (token !== "") signIn({ token, subject: null });
        }}
      >
        <label>
          Or a token, where the server has a secret
          <input
            type="password"
            autoComplete="off"
            value={typed}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        <button type="submit">Look</button>
      </form>
      <p class="soft">
        <code>session-buddy token --scope review</code> prints one.
      </p>
    </>
  );
}
