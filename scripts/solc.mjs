#!/usr/bin/env node
/**
 * The Solidity compiler as forge calls it, from the `solc` package (soljson, no download): answers `--version`
 * and `--standard-json` on standard input; other arguments (`--allow-paths`, ...) need no answer, because the
 * sources come inside the input.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const solc = createRequire(import.meta.url)('solc')

if (process.argv.includes('--version')) {
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace('.Emscripten.clang', '.Linux.g++')}\n`,
  )
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write('solc.mjs answers --version and --standard-json only\n')
  process.exitCode = 1
}
