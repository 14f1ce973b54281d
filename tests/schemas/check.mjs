// Checks Kubernetes objects against the schemas that the projects themselves publish: `node check.mjs FOLDER`, where
// FOLDER/objects.json is a list of {name, object}. Prints one line for each finding; exits with 1 if there is any.
//
// Twice, because each sees what the other cannot: the validators made from the CustomResourceDefinitions know values
// (types, patterns, enumerations, required fields) and let unknown fields pass; the types made from them know fields,
// and TypeScript refuses any other in a literal.
import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
const entries = JSON.parse(readFileSync(join(folder, "objects.json"), "utf8"));

function moduleOf({ apiVersion, kind }) {
  if (apiVersion.includes("istio.io/")) return `@kubernetes-models/istio/${apiVersion}/${kind}`;
  if (apiVersion.startsWith("monitoring.coreos.com/")) return `@kubernetes-models/prometheus-operator/${apiVersion}/${kind}`;
  return `kubernetes-models/${apiVersion}/${kind}`;
}

const findings = [];
const lines = [];
for (const { name, object } of entries) {
  const module = moduleOf(object);
  try {
    const Model = (await import(module))[object.kind];
    new Model(object).validate();
  } catch (error) {
    findings.push(`${name}: ${error.message}`);
  }
  // One object, one line: the compiler's line number tells which one is meant.
  lines.push(`export const o${lines.length}: import("${module}").I${object.kind} = ${JSON.stringify(object)};`);
}

symlinkSync(join(here, "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{"type": "module"}');
writeFileSync(join(folder, "objects.ts"), lines.join("\n") + "\n");
const compiler = join(here, "node_modules", "typescript", "bin", "tsc");
const options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false", "--module", "nodenext", "--moduleResolution", "nodenext"];
const done = spawnSync(process.execPath, [compiler, ...options, "objects.ts"], { cwd: folder, encoding: "utf8" });
if (done.error) throw done.error;
for (const line of (done.stdout + done.stderr).split("\n")) {
  const match = /^objects\.ts\((\d+),\d+\): (.*)$/.exec(line);
  if (match) findings.push(`${entries[Number(match[1]) - 1].name}: ${match[2]}`);
  else if (line && done.status !== 0 && !/^\s/.test(line)) findings.push(line);
}
if (done.status !== 0 && findings.length === 0) findings.push(`tsc ended with ${done.status}`);

if (findings.length > 0) {
  console.log(findings.join("\n"));
  process.exitCode = 1;
}
