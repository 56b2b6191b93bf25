// Reads a JSON list of formulas on stdin, writes a JSON list with one message or null per formula: KaTeX in strict
// mode, in display and in inline mode.
const katex = require(process.argv[2]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const failure = (formula) => {
  for (const displayMode of [true, false]) {
    try {
      katex.renderToString(formula, { displayMode, strict: "error", throwOnError: true, trust: false });
    } catch (error) {
      return `${displayMode ? "display" : "inline"}: ${error.message}`;
    }
  }
  return null;
};
process.stdout.write(JSON.stringify(formulas.map(failure)));
