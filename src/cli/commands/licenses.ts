/** `session-buddy licenses`: the licences of what the executable is made of. */
import licenses from "../../../dist/licenses.txt" with { type: "text" };
import { defineCommand } from "../args.ts";
import { print } from "../terminal.ts";

export default defineCommand({
  description: `Prints the licences of all that is in the executable.

EXAMPLES
  session-buddy licenses
  session-buddy licenses | grep '^uplot'`,
  args: {},
  run() {
    print(licenses);
  },
});
