#!/usr/bin/env node
/**
 * Writes test/fixtures/vectors/protocol.json anew. The vectors are NORMATIVE: they are what other implementations
 * are checked against. Run this only together with a change of docs/protocol.md and of its version; a difference
 * without one means that the code has left the protocol, and the code is what is wrong.
 *
 *     node scripts/protocol-vectors.mjs          says whether the file is what the code gives
 *     node scripts/protocol-vectors.mjs --write  replaces it
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { register } from 'tsx/esm/api'

register()
const { makeProtocolVectors } = await import('../test/support/protocol-vectors.ts')

const path = new URL('../test/fixtures/vectors/protocol.json', import.meta.url)
const text = `${JSON.stringify(makeProtocolVectors(), null, 1)}\n`
const current = existsSync(path) ? readFileSync(path, 'utf8') : ''
if (text === current) console.log('protocol.json is what the code gives')
else if (process.argv.includes('--write')) {
  writeFileSync(path, text)
  console.log('protocol.json written: docs/protocol.md and its version must say the same')
} else {
  console.error('protocol.json differs from what the code gives; --write replaces it')
  process.exitCode = 1
}
