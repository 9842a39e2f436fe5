#!/usr/bin/env node
/**
 * The door check: which room of src/ may import which. Fails on a forbidden import and on an import circle
 * between files. `node scripts/check-doors.mjs`; exit status 1 and one line per violation.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../src/', import.meta.url))

/** room -> rooms it may import (itself is always allowed). */
const doors = {
  cli: [
    'node',
    'config',
    'pob',
    'crypto',
    'telemetry',
    'roles',
    'store',
    'lab',
    'dataplane',
    'p2p',
    'chain',
    'inference',
    'models',
    'ml',
  ],
  lab: ['config', 'pob', 'crypto', 'telemetry', 'dataplane', 'roles', 'inference', 'node', 'p2p', 'chain'],
  node: ['config', 'roles', 'inference', 'p2p', 'dataplane', 'chain', 'store', 'crypto', 'pob', 'telemetry'],
  roles: ['pob', 'p2p', 'dataplane', 'chain', 'store', 'crypto', 'telemetry'],
  chain: ['pob', 'store', 'crypto', 'telemetry'],
  p2p: ['crypto', 'telemetry', 'pob'],
  dataplane: ['crypto', 'telemetry', 'pob'],
  store: ['telemetry', 'crypto'],
  config: ['crypto', 'telemetry'],
  pob: ['crypto'],
  inference: ['models', 'ml', 'config', 'chain', 'crypto', 'store', 'telemetry', 'p2p'],
  models: ['ml'],
  ml: [],
  crypto: [],
  telemetry: [],
}
/** Files every room may import: no behaviour of their own. */
const openFiles = new Set(['node/polyfills.ts', 'errors.ts'])

const files = []
const walk = (directory) => {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) walk(path)
    else if (entry.name.endsWith('.ts')) files.push(path)
  }
}
walk(root)

const name = (path) => relative(root, path).split(sep).join('/')
const violations = []
const graph = new Map()
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"](\.[^'"]+)['"]/g

for (const file of files) {
  const room = name(file).split('/')[0]
  const edges = []
  const source = readFileSync(file, 'utf8')
  for (const match of source.matchAll(importPattern)) {
    const target = resolve(dirname(file), (match[1] ?? match[2] ?? match[3]).replace(/\.js$/, '.ts'))
    const targetName = name(target)
    const typeOnly = /^\s*(?:import|export)\s+type\s/.test(match[0].trimStart())
    if (!typeOnly) edges.push(target)
    if (openFiles.has(targetName)) continue
    const targetRoom = targetName.split('/')[0]
    if (targetRoom.startsWith('..')) violations.push(`${name(file)} imports ${targetName}, outside src/`)
    else if (targetRoom !== room && !(doors[room] ?? []).includes(targetRoom))
      violations.push(`${name(file)} imports ${targetName}: ${room} has no door to ${targetRoom}`)
  }
  if (/\bconsole\.|process\.stdout\b|process\.argv\b/.test(source) && room !== 'cli')
    violations.push(`${name(file)} uses console, process.stdout or process.argv: only src/cli may`)
  if (
    ['pob', 'crypto'].includes(room) &&
    /\b(Date\.now|Math\.random|performance\.now)\b/.test(source) &&
    room === 'pob'
  )
    violations.push(`${name(file)} reads a clock or draws randomness: src/pob is pure`)
  graph.set(file, edges)
}

const state = new Map()
const visit = (file, path) => {
  if (state.get(file) === 'done') return
  if (state.get(file) === 'open') {
    violations.push(`import circle: ${[...path.slice(path.indexOf(file)), file].map(name).join(' -> ')}`)
    return
  }
  state.set(file, 'open')
  for (const target of graph.get(file) ?? []) visit(target, [...path, file])
  state.set(file, 'done')
}
for (const file of files) visit(file, [])

if (violations.length > 0) {
  for (const violation of violations) console.error(`doors: ${violation}`)
  process.exit(1)
}
console.log(`doors: ${files.length} files, no forbidden import, no circle`)
