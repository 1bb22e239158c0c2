// Lints a description: node lint.mjs openapi.yaml. A warning fails as well.
import { createConfig, formatProblems, getTotals, lint } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended-strict"],
  rules: {
    // Types that the API describes and no known operation returns.
    "no-unused-components": "off",
  },
});
const problems = await lint({ ref: process.argv[2], config });
const { errors, warnings } = getTotals(problems);
formatProblems(problems, { format: "stylish", totals: getTotals(problems), version: "" });
console.log(`${errors} errors, ${warnings} warnings`);
process.exit(errors + warnings > 0 ? 1 : 0);
