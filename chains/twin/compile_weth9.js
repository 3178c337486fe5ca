// Prints the runtime of WETH9 as npm's canonical-weth source and the 0.4.19 compiler give it, unoptimised like mainnet's.
"use strict";

const fs = require("node:fs");
const solc = require("solc-0.4.19");

const source = fs.readFileSync(require.resolve("canonical-weth/contracts/WETH9.sol"), "utf8");
const output = solc.compile({ sources: { "WETH9.sol": source } }, 0);
process.stdout.write(output.contracts["WETH9.sol:WETH9"].runtimeBytecode);
