#!/usr/bin/env node
/**
 * `npm run bench -- signatures [--json]`: a signature, and the recovery of its key, by libsecp256k1 in WebAssembly and by
 * @noble/curves, in turns: the median of seven rounds of two hundred each, milliseconds.
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const [ROUNDS, CALLS] = [7, 200]
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { json: { type: 'boolean', default: false } },
})
register()
const { loadSecp256k1 } = await import('../../src/crypto/fast/secp256k1.ts')

const [digest, secret] = [randomBytes(32), randomBytes(32)]
const libraries = ['libsecp256k1', 'noble'].map((name) => loadSecp256k1(name))
const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

function timed(call) {
  const started = performance.now()
  for (let n = 0; n < CALLS; n++) call()
  return (performance.now() - started) / CALLS
}

const times = libraries.map(() => ({ sign: [], recover: [] }))
// The first round warms the compilers up.
for (let round = 0; round <= ROUNDS; round++)
  for (const [i, library] of libraries.entries()) {
    const { compact, recoveryId } = library.sign(digest, secret)
    const [sign, recover] = [
      timed(() => library.sign(digest, secret)),
      timed(() => library.recover(digest, compact, recoveryId)),
    ]
    if (round === 0) continue
    times[i].sign.push(sign)
    times[i].recover.push(recover)
  }
const report = libraries.map(({ name }, i) => ({
  name,
  signMs: Number(median(times[i].sign).toFixed(3)),
  recoverMs: Number(median(times[i].recover).toFixed(3)),
}))
console.log(
  values.json
    ? JSON.stringify(report, null, 2)
    : report
        .map(({ name, signMs, recoverMs }) => `${name}: sign ${signMs} ms, recover ${recoverMs} ms`)
        .join('\n'),
)
