// Unpacks npm's Chromium into the folder named on the command line: the browser, its libraries and its fonts.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const target = process.argv[2];
process.env.TMPDIR = target; // where the package's `inflate` puts what it unpacks

const { inflate } = await import("@sparticuz/chromium");
const archives = join(fileURLToPath(import.meta.resolve("@sparticuz/chromium")), "..", "..", "bin");
for (const archive of ["chromium.br", "al2023.tar.br", "fonts.tar.br"]) {
  await inflate(join(archives, archive));
}
