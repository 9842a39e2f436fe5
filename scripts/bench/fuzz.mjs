#!/usr/bin/env node
/**
 * `npm run bench -- fuzz [--scale 1] [--only cbor,datagram] [--json]`: the fuzz tests at length, each decoder with as many
 * inputs as its price allows; more than a million together at scale 1. Exit status 1 where one is not refused in
 * words, or read into what encodes to the same bytes. Findings are printed by the test that made them, with their seed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** FUZZ_RUNS of each file at scale 1: what its tests make of that number is theirs. */
const FILES = {
  cbor: 40_000,
  datagram: 60_000,
  framing: 20_000,
  messages: 200_000,
  exchanges: 200_000,
  gossip: 100_000,
  jobs: 100_000,
  kept: 100_000,
  'fault-proof': 50_000,
  joint: 20_000,
  registry: 20_000,
  'chain-files': 50_000,
  gateway: 20_000,
  upstream: 20_000,
  'beacon-answers': 20_000,
  'control-socket': 20_000,
  keystore: 5_000,
  config: 5_000,
  evidence: 20_000,
  transcript: 20_000,
  pickle: 2_000,
  'checkpoint-files': 2_000,
  'image-files': 2_000,
  'model-folders': 2_000,
  'sound-files': 2_000,
}

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    scale: { type: 'string', default: '1' },
    only: { type: 'string', default: Object.keys(FILES).join() },
    json: { type: 'boolean', default: false },
  },
})
const directory = mkdtempSync(join(tmpdir(), 'plumbline-fuzz-'))
const rows = []
for (const name of values.only.split(',')) {
  const runs = Math.ceil((FILES[name] ?? 1000) * Number(values.scale))
  const counts = join(directory, name)
  const started = performance.now()
  const { status } = spawnSync(
    process.execPath,
    [
      join('node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--config',
      join('test', 'support', 'fuzz-config.ts'),
      '--root',
      '.',
      join('test', 'fuzz', `${name}.test.ts`),
    ],
    { stdio: ['ignore', 2, 2], env: { ...process.env, FUZZ_RUNS: String(runs), FUZZ_COUNT: counts } },
  )
  const inputs = readCount(counts)
  rows.push({
    decoder: name,
    inputs,
    seconds: Math.round((performance.now() - started) / 1000),
    passed: status === 0,
  })
}
rmSync(directory, { recursive: true })
const inputs = rows.reduce((sum, row) => sum + row.inputs, 0)
const failed = rows.filter((row) => !row.passed)
if (values.json) console.log(JSON.stringify({ inputs, failed: failed.length, rows }, null, 2))
else {
  for (const { decoder, inputs: count, seconds, passed } of rows)
    console.log(
      `${decoder.padEnd(20)}${String(count).padStart(9)} inputs  ${String(seconds).padStart(5)} s  ${passed ? 'ok' : 'FAILED'}`,
    )
  console.log(`${inputs} inputs, ${failed.length} of ${rows.length} files failed`)
}
process.exitCode = failed.length === 0 ? 0 : 1

/** A test file that died has counted nothing. */
function readCount(path) {
  try {
    return readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line), 0)
  } catch {
    return 0
  }
}
